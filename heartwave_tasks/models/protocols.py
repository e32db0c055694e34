"""Protocols: which beats a model learns from and which it is tested on.

=================  ==============================================================================================
`random_beats`     The original project's random split of all windows, beats of one patient on both sides. It says
                   how well a model fits, not how well it labels the next patient.
`inter_patient`    de Chazal's DS1 → DS2, the split of the literature.
`patient_folds`    Every annotated patient of the lake is tested once, by a model that has not seen them.
`external(...)`    Trained on everything but one source, tested on that source.
=================  ==============================================================================================

A split is two sets of rows; whole recordings are handed to models all the same, with the reference of every row
outside the training set hidden, as features and models may look at a recording as a whole.

References
----------
de Chazal P, O'Dwyer M, Reilly RB. Automatic classification of heartbeats using ECG morphology and heartbeat interval
features. IEEE Trans Biomed Eng 2004 (DS1 and DS2); ANSI/AAMI EC57:2012 (recordings with paced beats are left out).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats

Scheme: TypeAlias = Literal["aami", "heartwave5"]

RANDOM_SEED: Final = 42
"""Seed of the original project's random split."""

FOLDS: Final = 11
"""Folds of `patient_folds`: four of MIT-BIH's 44 unpaced records are tested at a time."""

FEWEST_STRATIFIED: Final = 10
"""Rows of a class from which a tenth is a row."""

EXTERNAL_PREFIX: Final = "external:"
"""`external:svdb` is the protocol that tests on the source `svdb`."""

PACED_SUFFIX: Final = "_paced"
"""Added to a protocol's name where recordings with paced beats are reported apart."""

PACED_SYMBOL: Final = "/"
"""Annotation symbol of a paced beat."""

_FEWEST_FOLDED_PATIENTS: Final = 3


class ProtocolError(ValueError):
    """The lake does not hold what a protocol needs; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to be tested on, as int64 indices into a `Beats` table, rising."""

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Protocol:
    """A way to test an architecture.

    Attributes
    ----------
    name, description
        For tables, and in a sentence for people.
    scheme
        Classes the model is trained on and tested against.
    leaves_out_paced
        Whether recordings with paced beats are left out of the published figures and reported apart.
    split
        Splits of a table of beats under `scheme` (`relabel`), given a seed.
    """

    name: str
    description: str
    scheme: Scheme
    leaves_out_paced: bool
    split: Callable[[Beats, int], tuple[Split, ...]]

    def splits(self, beats: Beats, *, seed: int = RANDOM_SEED) -> tuple[Split, ...]:
        """Split a table of beats; the same recordings and seed give the same splits in whatever order rows come.

        Raises
        ------
        ProtocolError
            If the recordings the protocol needs are not there.
        """
        return self.split(relabel(beats, self.scheme), seed)

    def counted(self, beats: Beats) -> NDArray[np.bool_]:
        """Rows (n,) that count towards the published figures when they are tested."""
        return ~of_paced_recordings(beats) if self.leaves_out_paced else np.ones(len(beats), dtype=np.bool_)


def relabel(beats: Beats, scheme: Scheme) -> Beats:
    """Put the classes of a scheme into `reference`; under ``heartwave5`` signal marks are beats of class 4."""
    if scheme == "aami":
        return beats
    return replace(beats, reference=beats.heartwave5, is_beat=beats.heartwave5 != NO_CLASS)


def hide_reference(beats: Beats, visible: NDArray[np.bool_]) -> Beats:
    """Take what the expert said away from all rows but the visible ones (n,)."""
    return replace(
        beats,
        reference=np.where(visible, beats.reference, np.int8(NO_CLASS)),
        heartwave5=np.where(visible, beats.heartwave5, np.int8(NO_CLASS)),
        symbol=np.where(visible, beats.symbol, ""),
    )


def patients(beats: Beats) -> NDArray[np.str_]:
    """Name the patient of every row, (n,).

    MIT-BIH's records 201 and 202 are one patient, and so are recordings with identical windows: the same file
    uploaded twice under two names must not be trained on and tested.
    """
    names, index = np.unique(beats.recording_id, return_inverse=True)
    patient_by_content: dict[bytes, str] = {}
    found: list[str] = []
    rows = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    for name, of_recording in zip(names, rows, strict=False):
        content = hashlib.sha256(beats.window[of_recording].tobytes()).digest()
        found.append(patient_by_content.setdefault(content, mitbih.patient_of(str(name))))
    return np.array(found, dtype=np.str_)[index] if found else np.empty(0, dtype=np.str_)


def of_paced_recordings(beats: Beats) -> NDArray[np.bool_]:
    """Rows (n,) of recordings in which the expert marked paced beats; in MIT-BIH these are 102, 104, 107 and 217."""
    return _among(beats.recording_id, np.unique(beats.recording_id[beats.symbol == PACED_SYMBOL]))


def shared_patients(beats: Beats, split: Split) -> tuple[str, ...]:
    """Name the patients with beats on both sides of a split, sorted; none, where a figure is about unseen patients."""
    patient = patients(beats)
    return tuple(np.intersect1d(patient[split.train], patient[split.test]).tolist())


def get(name: str) -> Protocol:
    """Look up a protocol by name, ``external:<source>`` among them.

    Raises
    ------
    ProtocolError
        If there is no such protocol.
    """
    source = name.removeprefix(EXTERNAL_PREFIX)
    if source != name and source:
        return external(source)
    if name not in PROTOCOLS:
        msg = f"There is no protocol {name!r}; there are {', '.join(PROTOCOLS)} and {EXTERNAL_PREFIX}<source>."
        raise ProtocolError(msg)
    return PROTOCOLS[name]


def external(source: str) -> Protocol:
    """Train on every other source in the lake, test on this one."""
    return Protocol(
        name=f"{EXTERNAL_PREFIX}{source}",
        description=f"Trained on every other source, tested on {source}; recordings with paced beats left out.",
        scheme="aami",
        leaves_out_paced=True,
        split=partial(_split_external, source=source),
    )


def _split_random(beats: Beats, seed: int) -> tuple[Split, ...]:
    """Split 80/10/10, stratified, in two steps as the original does; its validation tenth is left unused.

    Classes with fewer rows than `FEWEST_STRATIFIED` cannot be shared out, so they are only trained on. Full MIT-BIH
    has none.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second that listing saves

    rows = _ordered(beats, (beats.source == mitbih.SOURCE) & _annotated(beats))
    counts = np.bincount(beats.reference[rows], minlength=len(CLASSES))
    common = counts[beats.reference[rows]] >= FEWEST_STRATIFIED
    if not common.any():
        found = ", ".join(f"{name} {count}" for name, count in zip(CLASSES, counts, strict=True) if count) or "none"
        msg = (
            f"random_beats splits annotated windows of the source {mitbih.SOURCE!r} 80/10/10 and needs at least "
            f"{FEWEST_STRATIFIED} of a class; the lake has {found}. Upload MIT-BIH as source {mitbih.SOURCE!r}."
        )
        raise ProtocolError(msg)
    shared = rows[common]
    train, rest = train_test_split(shared, test_size=0.2, stratify=beats.reference[shared], random_state=seed)
    _, test = train_test_split(rest, test_size=0.5, stratify=beats.reference[rest], random_state=seed)
    train = np.concatenate([train, rows[~common]])
    return (Split("80/10/10", np.sort(train), np.sort(test)),)


def _split_inter_patient(beats: Beats, _seed: int) -> tuple[Split, ...]:
    annotated = _annotated(beats)
    patient = patients(beats)
    train = annotated & _of_mitdb(beats, mitbih.DS1)
    test = annotated & _of_mitdb(beats, mitbih.DS2)
    # Records 201 (DS1) and 202 (DS2) are one patient. The test set stays the literature's; what is DS1's patient too is
    # tested by a model that went without them.
    on_both_sides = np.isin(patient, np.intersect1d(patient[train], patient[test]))
    for rows, name, records in ((train & ~on_both_sides, "DS1", mitbih.DS1), (test, "DS2", mitbih.DS2)):
        if not rows.any():
            msg = (
                f"inter_patient trains on DS1 and tests on DS2 of MIT-BIH, and the lake has no annotated record "
                f"of {name} ({mitbih.SOURCE}/{records[0]}, …) by another patient; "
                f"upload MIT-BIH as source {mitbih.SOURCE!r}."
            )
            raise ProtocolError(msg)
    splits = (
        Split("DS1 → DS2", np.flatnonzero(train), np.flatnonzero(test & ~on_both_sides)),
        Split("DS1 without 201 → 202", np.flatnonzero(train & ~on_both_sides), np.flatnonzero(test & on_both_sides)),
    )
    return tuple(split for split in splits if len(split.test))


def fold_patients(beats: Beats, seed: int, *, most_folds: int = FOLDS) -> tuple[Split, ...]:
    """Test every annotated patient of a table once by the others, in folds that share out every class.

    Raises
    ------
    ProtocolError
        If there are fewer than three patients.
    """
    rows = np.flatnonzero(_annotated(beats))
    names, index = np.unique(patients(beats)[rows], return_inverse=True)
    if len(names) < _FEWEST_FOLDED_PATIENTS:
        msg = (
            f"patient_folds tests every patient with a model trained on others, which takes annotated recordings of "
            f"{_FEWEST_FOLDED_PATIENTS} patients or more; the lake has {len(names)}. Upload more annotated recordings."
        )
        raise ProtocolError(msg)
    beats_by_class = np.zeros((len(names), len(CLASSES)), dtype=np.int64)
    np.add.at(beats_by_class, (index, beats.reference[rows]), 1)
    n_folds = min(most_folds, len(names))
    fold = _assign_folds(beats_by_class, n_folds, seed)[index]
    return tuple(
        Split(f"fold {number + 1} of {n_folds}", rows[fold != number], rows[fold == number])
        for number in range(n_folds)
    )


def _assign_folds(beats_by_class: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal patients (p, k) into folds (p,), so that every fold gets its share of every class.

    Whoever holds most of some class is dealt first, each to the fold with which they share the fewest classes: with
    the least sum of squared shares. The seed decides between equals.
    """
    shares = beats_by_class / np.maximum(beats_by_class.sum(axis=0), 1)
    shuffled = np.random.default_rng(seed).permutation(len(shares))
    order = shuffled[np.argsort(-shares[shuffled].max(axis=1), kind="stable")]
    dealt = np.zeros((n_folds, shares.shape[1]))
    patients_dealt = np.zeros(n_folds, dtype=np.int64)
    fold = np.empty(len(shares), dtype=np.int64)
    for patient in order:
        crowding = dealt @ shares[patient]
        fold[patient] = np.lexsort((patients_dealt, np.round(crowding, 12)))[0]
        dealt[fold[patient]] += shares[patient]
        patients_dealt[fold[patient]] += 1
    return fold


def _split_external(beats: Beats, _seed: int, *, source: str) -> tuple[Split, ...]:
    annotated = _annotated(beats)
    test = annotated & (beats.source == source)
    if not test.any():
        others = ", ".join(np.unique(beats.source[annotated]).tolist()) or "none"
        msg = (
            f"{EXTERNAL_PREFIX}{source} tests on annotated recordings of the source {source!r} and the lake has none; "
            f"annotated sources are: {others}."
        )
        raise ProtocolError(msg)
    train = annotated & ~test & ~np.isin(patients(beats), np.unique(patients(beats)[test]))
    if not train.any():
        msg = (
            f"{EXTERNAL_PREFIX}{source} trains on the other sources, and the lake has no annotated recording of "
            f"another patient in one; upload a second annotated source."
        )
        raise ProtocolError(msg)
    return (Split(f"all but {source} → {source}", np.flatnonzero(train), np.flatnonzero(test)),)


def _annotated(beats: Beats) -> NDArray[np.bool_]:
    annotated: NDArray[np.bool_] = beats.is_beat & (beats.reference != NO_CLASS)
    return annotated


def _of_mitdb(beats: Beats, records: tuple[str, ...]) -> NDArray[np.bool_]:
    return _among(beats.recording_id, np.array([f"{mitbih.SOURCE}/{record}" for record in records]))


def _among(names: NDArray[np.str_], wanted: NDArray[np.str_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isin(names, wanted)
    return found


def _ordered(beats: Beats, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give the indices of chosen rows by recording and time, so that a seed means the same in any order."""
    order = np.lexsort((beats.r_peak_sample, beats.recording_id))
    return order[chosen[order]]


PROTOCOLS: Final = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="random_beats",
            description="A random tenth of MIT-BIH's windows, marks included; every patient is in training too.",
            scheme="heartwave5",
            leaves_out_paced=False,
            split=_split_random,
        ),
        Protocol(
            name="inter_patient",
            description=(
                "Trained on MIT-BIH's DS1, tested on DS2: no patient is on both sides (202 is 201's patient, and is "
                "tested by a model trained without 201). Recordings with paced beats are in neither."
            ),
            scheme="aami",
            leaves_out_paced=True,
            split=_split_inter_patient,
        ),
        Protocol(
            name="patient_folds",
            description=(
                f"Every annotated patient tested once by a model that has not seen them, in {FOLDS} folds; "
                f"recordings with paced beats are trained on and reported apart."
            ),
            scheme="aami",
            leaves_out_paced=True,
            split=fold_patients,
        ),
    )
}
"""Every protocol by name, but for those on external sources (`external`)."""
