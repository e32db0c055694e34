"""What detection and labels are worth on recordings that are not as MIT-BIH's are, as tables.

``python -m tests.robustness.campaign --mitdb PATH`` (``make robustness``). Every recording is labelled by a model that
was trained without its patient (the folds of `patient_folds`), on expert R peaks of recordings as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import Beats, cut_beats, segment
from heartwave_tasks.ecg.labels import CLASSES, is_beat
from heartwave_tasks.ecg.matching import match_beats, outside_flutter
from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.ecg.segmentation import Segmentation
from heartwave_tasks.models import protocols, relative
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.record_files import open_records
from tests.robustness.cases import CASES, make_case
from tests.robustness.noise import KINDS, RATE, add_noise, is_noisy
from tests.unit.recordings import read_recording, samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

SNR_DB: Final = (24, 18, 12, 6, 0)
STRESSED: Final = ("106", "118", "119", "200", "203", "208", "213", "221", "223", "233")
"""Records of the noise table: those of the original stress test, and others with many ventricular beats."""

_N, _V = CLASSES.index("N"), CLASSES.index("V")


@dataclass(frozen=True)
class Labelled:
    """One recording's beats and the labels (n,) that were given to them; -1 where it was not classifiable."""

    beats: Beats
    label: NDArray[np.int64]
    raw: NDArray[np.int64]


class Labeller:
    """Models of `patient_folds`, and which of them has not seen a recording's patient."""

    def __init__(self, beats: Beats) -> None:
        patients = protocols.patients(beats)
        self._model_of: dict[str, relative.RelativeModel] = {}
        for split in protocols.get("patient_folds").splits(beats):
            model = relative.train(
                beats.take(split.train), groups=patients[split.train], seed=0, params=relative.DEFAULT_PARAMS,
                progress=lambda *_: None,
            )  # fmt: skip
            for name in np.unique(beats.recording_id[split.test]).tolist():
                self._model_of[name] = model

    def label(self, beats: Beats) -> Labelled:
        """Label a recording's heartbeats."""
        kept = beats.take(beats.is_beat)
        raw = self._model_of[str(kept.recording_id[0])].predict_proba(kept).argmax(axis=1)
        return Labelled(kept, np.where(kept.is_classifiable, raw, -1), raw)


def compare_detection(recordings: Sequence[Recording]) -> dict[str, object]:
    """Detect R peaks in every recording, and compare them with the expert's; no learning period is left out."""
    rows: dict[str, list[int]] = {}
    seconds = []
    for recording in recordings:
        begun = time.process_time()
        found = Segmentation.of(recording, detect=True).samples
        seconds.append(time.process_time() - begun)
        rows[recording.recording_id] = _count(recording, found)
    counts = np.array(list(rows.values()))
    held_out = np.array([name.rpartition("/")[2] in mitbih.DS2 for name in rows])
    return {
        "all 48": _se_pp(counts.sum(axis=0)),
        "tuned on (DS1 and paced)": _se_pp(counts[~held_out].sum(axis=0)),
        "not tuned on (DS2)": _se_pp(counts[held_out].sum(axis=0)),
        "cpu seconds per recording, segmentation included": [round(float(np.mean(seconds)), 2), round(max(seconds), 2)],
        "worst": {name: row[1:] for name, row in sorted(rows.items(), key=lambda item: -sum(item[1][1:]))[:8]},
    }


def compare_cases(
    recordings: Sequence[Recording], labeller: Labeller, cases: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Label every recording in every case, and say on how many of its beats the labels are the original's."""
    originals = [
        [labeller.label(segment(recording, detect=detect)) for recording in recordings] for detect in (False, True)
    ]
    for case in cases:
        agreeing, total = np.zeros(2), np.zeros(2)
        confusion = np.zeros((2, 5, 5), dtype=np.int64)
        for place, recording in enumerate(recordings):
            with tempfile.TemporaryDirectory() as directory:
                changed = make_case(case, recording, Path(directory))
                for column, detect in enumerate((False, True)):
                    found = labeller.label(segment(changed, detect=detect))
                    original, expert = originals[column][place], originals[0][place]
                    pairs = match_beats(original.beats.time_s, found.beats.time_s)
                    agreeing[column] += np.sum(original.raw[pairs.reference] == found.raw[pairs.detected])
                    total[column] += len(original.beats)
                    if recording.recording_id.rpartition("/")[2] in mitbih.PACED:
                        continue
                    known = match_beats(expert.beats.time_s, found.beats.time_s)
                    reference = expert.beats.reference[known.reference]
                    np.add.at(confusion[column], (reference, found.raw[known.detected]), 1)
                    # A beat nobody found is a normal one that was not said to be anything else.
                    lost = np.delete(expert.beats.reference, known.reference)
                    np.add.at(confusion[column], (lost, np.full(len(lost), _N)), 1)
        f1 = [_nsv_f1(table) for table in confusion]
        yield {
            "case": case,
            "agree, expert R peaks": round(100 * agreeing[0] / total[0], 2),
            "agree, detected R peaks": round(100 * agreeing[1] / total[1], 2),
            "N/S/V mean F1, expert": round(100 * f1[0], 2),
            "N/S/V mean F1, detected": round(100 * f1[1], 2),
        }


def stress(recordings: Sequence[Recording], labeller: Labeller, levels: Sequence[int]) -> Iterator[dict[str, object]]:
    """Add noise to recordings; figures are of the noisy minutes alone, R peaks detected."""
    for kind in KINDS:
        for snr in levels:
            yield {"noise": kind, "SNR (dB)": snr, **_stress(recordings, labeller, kind, snr)}


def _stress(recordings: Sequence[Recording], labeller: Labeller, kind: str, snr: int) -> dict[str, object]:
    detection = np.zeros(3, dtype=np.int64)
    tables = np.zeros((2, 5, 5), dtype=np.int64)
    beats = unclassifiable = minutes = noisy_minutes = 0
    for place, recording in enumerate(recordings):
        assert recording.annotation_samples is not None
        samples = samples_of(recording)
        noisy = is_noisy(len(samples))
        changed = SignalsInMemory(add_noise(samples, recording.annotation_samples[2:-2], kind, snr, place))
        segmentation = Segmentation.of(
            type(recording)(
                recording.recording_id, recording.sampling_frequency, changed, recording.lead_names,
                recording.annotation_samples, recording.annotation_symbols,
            ),
            detect=True,
        )  # fmt: skip
        found = labeller.label(Beats.concatenate(cut_beats(segmentation)))
        expert = segment(recording)
        expert = expert.take(expert.is_beat & noisy[expert.r_peak_sample])
        inside = noisy[found.beats.r_peak_sample]
        kept = Labelled(found.beats.take(inside), found.label[inside], found.raw[inside])
        pairs = match_beats(expert.time_s, kept.beats.time_s)
        hits = len(pairs.reference)
        detection += [hits, len(expert) - hits, len(kept.beats) - hits]
        beats += len(kept.beats)
        unclassifiable += int(np.sum(kept.label < 0))
        seconds = noisy[: len(noisy) // (60 * RATE) * 60 * RATE].reshape(-1, 60 * RATE).all(axis=1)
        minutes += int(seconds.sum())
        noisy_minutes += int(
            (segmentation.quality.noisy_minutes(segmentation.leads[0])[: len(seconds)] & seconds).sum()
        )
        extra = np.delete(np.arange(len(kept.beats)), pairs.detected)
        for table, label in zip(tables, (kept.raw, kept.label), strict=True):
            said = label[pairs.detected]
            np.add.at(table, (expert.reference[pairs.reference][said >= 0], said[said >= 0]), 1)
            np.add.at(table, (np.full(np.sum(label[extra] >= 0), _N), label[extra][label[extra] >= 0]), 1)
    sensitivity, predictivity = _se_pp(detection)
    every, classifiable = (_v_figures(table) for table in tables)
    return {
        "detection Se": sensitivity, "detection +P": predictivity,
        "V Se, all beats": every[0], "V +P, all beats": every[1],
        "V Se, classifiable": classifiable[0], "V +P, classifiable": classifiable[1],
        "unclassifiable %": round(100 * unclassifiable / max(beats, 1), 1),
        "minutes of noise %": round(100 * noisy_minutes / max(minutes, 1), 1),
    }  # fmt: skip


def _among(recordings: Sequence[Recording], records: Sequence[str]) -> list[Recording]:
    return [recording for recording in recordings if recording.recording_id.rpartition("/")[2] in records]


def _count(recording: Recording, found: NDArray[np.int64]) -> list[int]:
    assert recording.annotation_samples is not None
    assert recording.annotation_symbols is not None
    annotated = (recording.annotation_samples, recording.annotation_symbols)
    beats = recording.annotation_samples[is_beat(recording.annotation_symbols)]
    beats, found = (each[outside_flutter(each, *annotated)] for each in (beats, found))
    hits = len(match_beats(beats / RATE, found / RATE).reference)
    return [hits, len(beats) - hits, len(found) - hits]


def _se_pp(counts: NDArray[np.int64]) -> list[float]:
    hits, missed, extra = counts.tolist()
    return [round(100 * hits / max(hits + missed, 1), 2), round(100 * hits / max(hits + extra, 1), 2)]


def _v_figures(table: NDArray[np.int64]) -> list[float]:
    hit = table[_V, _V]
    return [round(100 * hit / max(table[_V].sum(), 1), 1), round(100 * hit / max(table[:, _V].sum(), 1), 1)]


def _nsv_f1(table: NDArray[np.int64]) -> float:
    hit = np.diag(table)
    f1 = 2 * hit / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1)
    return float(f1[:3].mean())


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the tables as they come, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mitdb", required=True, type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/robustness.json"))
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--records", nargs="*", default=mitbih.RECORDS, help="Those of the table of cases.")
    parser.add_argument("--stressed", nargs="*", default=STRESSED, help="Those of the table of noise.")
    parser.add_argument("--snr", nargs="*", type=int, default=SNR_DB)
    given = parser.parse_args()
    with open_records(given.mitdb, Settings().max_object_bytes) as found:
        place = found.records[0].main.parent
        recordings = [read_recording(place, name) for name in mitbih.RECORDS]
    results: dict[str, object] = {"detection": compare_detection(recordings)}
    _tell(json.dumps(results["detection"], indent=1))
    labeller = Labeller(Beats.concatenate(segment(recording) for recording in recordings))
    for name, rows in (
        ("cases", compare_cases(_among(recordings, given.records), labeller, given.cases)),
        ("noise", stress(_among(recordings, given.stressed), labeller, given.snr)),
    ):
        table = []
        for row in rows:
            if not table:
                _tell(" | ".join(row))
            _tell(" | ".join(str(value) for value in row.values()))
            table.append(row)
        results[name] = table
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
