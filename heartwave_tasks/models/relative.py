"""The `relative` architecture: XGBoost heads on features relative to the recording, built for unseen patients.

The *pacing* head finds Q by the spike before a paced beat. Of the rest, the *form* head tells V and F from narrow
beats by shape in both leads, and of those the *rhythm* head tells S from N by timing and P wave in the analysis lead
alone: second lead and QRS shape make it memorise its patients. It may only find a beat more supraventricular the
earlier it comes and the stranger its P wave is: patients to learn from are few, and that much is known beforehand.
Where there is no second lead, another form head is asked, that has learnt from the analysis lead alone; the pacing head
has learnt from every recording twice, with its second lead and with the analysis lead standing in for it.
How common S is in a recording, between never and nearly always, is read from the recording itself (`prevalence`).
Probabilities can be calibrated on patients left out.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.pacing import PACING_FEATURES, SPIKE_MEASURES, stand_in
from heartwave_tasks.models.boosters import load_booster
from heartwave_tasks.models.boosters import xgboost as xgb
from heartwave_tasks.models.calibration import Calibration
from heartwave_tasks.models.model_files import read_card, write_card
from heartwave_tasks.models.prevalence import adapt
from heartwave_tasks.models.search_space import Real, Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params, Progress
    from heartwave_tasks.models.search_space import SearchSpace

NAME: Final = "relative"

DEFAULT_PARAMS: Params = {
    "pacing_rounds": 150,
    "pacing_depth": 2,
    "pacing_weight_exponent": 0.0,
    "form_rounds": 120,
    "form_depth": 3,
    "form_weight_exponent": 0.5,
    "form_alone_rounds": 220,
    "form_alone_depth": 5,
    "form_alone_weight_exponent": 0.5,
    "rhythm_rounds": 200,
    "rhythm_depth": 2,
    "rhythm_weight_exponent": 0.75,
    "rhythm_trees": 5,
    "rhythm_trained_share": 0.14,
    "learning_rate": 0.12,
    "row_share": 0.7,
    "column_share": 0.3,
    "l2": 5.0,
    "smallest_leaf_weight": 5.0,
    "bins": 64,
    "normal_share": 0.3,
    "calibration_folds": 0,
    "calibration_weight_exponent": 0.5,
    "threads": 2,
}
"""Rounds, depth and class-weight exponent (a beat weighs its class's frequency to the minus exponent) of each head;
shares of rows and columns per tree; share of normal beats that is trained on (they are plenty); folds of patients and
class-weight exponent of the calibration; heads that are trained at once, each on one core. The rhythm head grows
`rhythm_trees` trees a round, whose mean varies less with the seed; its answers are read as if S had the share
`rhythm_trained_share` of its training beats, which is less than it had and so favours finding S.

Calibration is off by default: softened class weights already leave an expected calibration error of 0.003 on patients
not trained on, and per-class calibration, which moves labels too, costs supraventricular beats (F1 67 to 64)."""

SEARCH_SPACE: SearchSpace = {
    "form_rounds": Whole(60, 240),
    "form_depth": Whole(2, 4),
    "form_weight_exponent": Real(0.25, 1.0),
    "rhythm_rounds": Whole(100, 300),
    "rhythm_depth": Whole(1, 3),
    "rhythm_weight_exponent": Real(0.25, 1.0),
    "rhythm_trained_share": Real(0.06, 0.3, log=True),
    "learning_rate": Real(0.05, 0.25, log=True),
    "row_share": Real(0.5, 0.9),
    "column_share": Real(0.15, 0.6),
    "l2": Real(1.0, 30.0, log=True),
    "smallest_leaf_weight": Real(1.0, 30.0, log=True),
    "normal_share": Real(0.2, 0.6),
}
"""The pacing head is left as it is, as nearly all paced beats are of four patients, and so is the form head without a
second lead, which the recordings that trials are judged on never ask."""

_FORM_FEATURES: Final = tuple(
    name
    for name in CONTEXT_FEATURES
    if not name.startswith(("local", "slow_", "nearby_")) and name not in PACING_FEATURES
)

HEAD_FEATURES: Final = {
    "pacing": PACING_FEATURES,
    "form": _FORM_FEATURES,
    "form_alone": tuple(name for name in _FORM_FEATURES if not name.startswith("second_")),
    "rhythm": tuple(
        name
        for name in CONTEXT_FEATURES
        if name.startswith(("rr_", "local", "slow_", "nearby_", "alike_"))
        and not name.startswith(("slow_qrs_", "slow_st_", "alike_share"))
        and not name.endswith("_offset")
    ),
}
"""What each head sees: the spike; shape in both leads, coarse timing, neighbours and likeness; the same
without the second lead; timing, and the P and T waves of the analysis lead against the recording's slow beats."""

FALLS_WITH_S: Final = re.compile(
    r"rr_previous_over_(mean|q|past)|local\d+_previous_|slow_(p|t|beat)_correlation|slow_p_match$"
    r"|nearby_(p_correlation|p_unlike|slow_p_unlike|slow_t_unlike)"
)
"""Features that fall the earlier a beat comes and the less its P wave resembles a slow beat's; the rhythm head is
monotone in them."""

FORM_CLASSES: Final = ("N or S", "V", "F")
"""Classes of the form head."""

_N, _S, _V, _Q = (CLASSES.index(name) for name in "NSVQ")
_CARD_FILE: Final = "relative.json"
_FORMAT: Final = 3


@dataclass(frozen=True)
class RelativeModel:
    """A trained model: a booster for each head, and the calibration of what they say together."""

    heads: Mapping[str, xgb.Booster]
    calibration: Calibration | None
    trained_share: float
    architecture: str = NAME
    classes: tuple[str, ...] = CLASSES

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Probabilities float32 (n, 5) of `classes`; the rows of a recording are answered together."""
        raw = combine_heads(self.heads, beats, self.trained_share)
        return raw if self.calibration is None else self.calibration.apply(raw)

    def files(self) -> dict[str, bytes]:
        """Every head as UBJSON, and a JSON card with their features, classes and calibration."""
        fitted = self.calibration
        card = {
            "format": _FORMAT,
            "architecture": NAME,
            "classes": self.classes,
            "features": HEAD_FEATURES,
            "trained_share": self.trained_share,
            "calibration": None if fitted is None else {"slope": fitted.slope, "offset": fitted.offset},
        }
        boosters = {f"{name}.ubj": bytes(head.save_raw("ubj")) for name, head in self.heads.items()}
        return {**boosters, _CARD_FILE: write_card(card)}


def load(files: Mapping[str, bytes]) -> RelativeModel:
    """Rebuild a model from `RelativeModel.files`.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained on other features than this version computes.
    """
    expected = {"format": _FORMAT, "features": {name: list(features) for name, features in HEAD_FEATURES.items()}}
    card = read_card(files, _CARD_FILE, (f"{name}.ubj" for name in HEAD_FEATURES), expected)
    fitted = card["calibration"]
    return RelativeModel(
        heads={name: load_booster(files[f"{name}.ubj"]) for name in HEAD_FEATURES},
        calibration=fitted and Calibration(tuple(fitted["slope"]), tuple(fitted["offset"])),
        trained_share=float(card["trained_share"]),
    )


def train(beats: Beats, *, groups: NDArray[np.str_], seed: int, params: Params, progress: Progress) -> RelativeModel:
    """Train all heads on all annotated beats, and calibrate them, if asked, on patients left out."""
    rows = np.flatnonzero(beats.is_beat & (beats.reference >= 0))
    context, reference, patients = beats.context[rows], beats.reference[rows].astype(np.int64), groups[rows]
    recording = beats.recording_id[rows]
    trained_share = float(params["rhythm_trained_share"])
    folds = deal_patients(patients, reference, int(params["calibration_folds"]))
    count = int(folds.max()) + 1
    left_out = np.zeros((len(reference), len(CLASSES)), dtype=np.float32)
    for fold in range(count if count > 1 else 0):
        progress(fold / (count + 1), f"calibrating on patients left out, {fold + 1} of {count}")
        tested = folds == fold
        heads = train_heads(context[~tested], reference[~tested], recording[~tested], seed, params)
        left_out[tested] = combine_heads(heads, beats.take(rows[tested]), trained_share)
    progress(count / (count + 1), f"training on {len(reference)} beats of {len(np.unique(patients))} patients")
    heads = train_heads(context, reference, recording, seed, params)
    weights = _class_weights(reference, float(params["calibration_weight_exponent"]))
    fitted = Calibration.fit(left_out, reference, weights) if count > 1 else None
    progress(1.0, "trained")
    # What is kept is what loading gives, so that a model answers alike before and after it was stored.
    return load(RelativeModel(heads, fitted, trained_share).files())


def deal_patients(patients: NDArray[np.str_], reference: NDArray[np.integer], folds: int) -> NDArray[np.int64]:
    """Deal patients out to folds, those with most S and V beats first, so that every fold has some; (n,) out."""
    names, index = np.unique(patients, return_inverse=True)
    rare = np.bincount(index, weights=reference == _S) * len(reference) + np.bincount(index, weights=reference == _V)
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[np.argsort(-rare, kind="stable")] = np.arange(len(names)) % max(1, min(folds, len(names)))
    return fold_of[index]


def train_heads(
    context: NDArray[np.float32], reference: NDArray[np.int64], recording: NDArray[np.str_], seed: int, params: Params
) -> dict[str, xgb.Booster]:
    """Train a booster for each head on features (n, k), class indices (n,) and the recordings (n,) they are of."""
    random = np.random.default_rng(seed)
    kept = (reference != _N) | (random.random(len(reference)) < float(params["normal_share"]))
    spikes = np.concatenate([_columns("pacing", context)[kept], _spikes_of_one_lead(context, recording)[kept]])
    context, reference = context[kept], reference[kept]
    unpaced, narrow = reference != _Q, reference <= _S
    constraints = tuple(-int(bool(FALLS_WITH_S.match(name))) for name in HEAD_FEATURES["rhythm"])
    binary = {"objective": "binary:logistic", "base_score": 0.5}
    form = np.maximum(reference - 1, 0)[unpaced], {"objective": "multi:softprob", "num_class": len(FORM_CLASSES)}
    early = (reference == _S)[narrow].astype(np.int64)
    # The longest first, so that both cores end together.
    tasks = {
        "form_alone": (_columns("form_alone", context[unpaced]), *form),
        "rhythm": (_columns("rhythm", context[narrow]), early, {**binary, "monotone_constraints": constraints}),
        "form": (_columns("form", context[unpaced]), *form),
        "pacing": (spikes, np.tile(~unpaced, 2).astype(np.int64), binary),
    }

    def boost(head: str) -> xgb.Booster:
        features, target, settings = tasks[head]
        return _boost(head, features, target, {**settings, "seed": seed}, params)

    with ThreadPoolExecutor(max_workers=int(params["threads"])) as pool:
        return dict(zip(tasks, pool.map(boost, tasks), strict=True))


def combine_heads(heads: Mapping[str, xgb.Booster], beats: Beats, trained_share: float) -> NDArray[np.float32]:
    """Probabilities (n, 5): what is not paced is shared out by the form head, its narrow beats by the rhythm head."""
    if not len(beats):
        return np.empty((0, len(CLASSES)), dtype=np.float32)
    shape = np.empty((len(beats), len(FORM_CLASSES)), dtype=np.float32)
    for head, rows in (("form", beats.has_second_lead), ("form_alone", ~beats.has_second_lead)):
        if rows.any():
            shape[rows] = heads[head].inplace_predict(_columns(head, beats.context[rows]))
    paced, early = (heads[head].inplace_predict(_columns(head, beats.context)) for head in ("pacing", "rhythm"))
    narrow = shape[:, 0]
    _, recording = np.unique(beats.recording_id, return_inverse=True)
    early = adapt(early, recording, narrow * (1 - paced) * beats.is_beat, trained_share=trained_share)
    unpaced = np.column_stack([narrow * (1 - early), narrow * early, shape[:, 1:]]) * (1 - paced)[:, None]
    return np.column_stack([unpaced, paced]).astype(np.float32)


def _spikes_of_one_lead(context: NDArray[np.float32], recording: NDArray[np.str_]) -> NDArray[np.float32]:
    """Return what the pacing head would see (n, 8) of beats (n, k), had their recordings (n,) no second lead."""
    own = _columns("pacing", context)[:, : len(SPIKE_MEASURES)]
    other = np.empty_like(own)
    _, index, counts = np.unique(recording, return_inverse=True, return_counts=True)
    for rows in np.split(np.argsort(index, kind="stable"), np.cumsum(counts)[:-1]):
        other[rows] = stand_in(own[rows], np.ones(len(rows), dtype=np.bool_))
    return np.column_stack([own, other])


def _boost(
    name: str, features: NDArray[np.float32], target: NDArray[np.int64], settings: dict[str, object], params: Params
) -> xgb.Booster:
    weights = _class_weights(target, float(params[f"{name}_weight_exponent"]))
    bins = int(params["bins"])
    data = xgb.QuantileDMatrix(features, target, weight=weights, max_bin=bins, nthread=1)
    settings = {
        **settings,
        "tree_method": "hist",
        "max_depth": params[f"{name}_depth"],
        "eta": params["learning_rate"],
        "subsample": params["row_share"],
        "colsample_bytree": params["column_share"],
        "lambda": params["l2"],
        "min_child_weight": params["smallest_leaf_weight"],
        "max_bin": bins,
        "nthread": 1,
        "num_parallel_tree": params.get(f"{name}_trees", 1),
    }
    return xgb.train(settings, data, int(params[f"{name}_rounds"]))


def _class_weights(classes: NDArray[np.int64], exponent: float) -> NDArray[np.float64]:
    """Weights (n,) of mean 1 that rise with the rarity of a class."""
    weights: NDArray[np.float64] = (np.bincount(classes)[classes] / len(classes)) ** -exponent
    weights /= weights.mean()
    return weights


def _columns(name: str, context: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(context[:, [CONTEXT_FEATURES.index(feature) for feature in HEAD_FEATURES[name]]])
