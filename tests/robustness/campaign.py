"""What detection and labels are worth on recordings that are not as MIT-BIH's are, as tables.

``python -m tests.robustness.campaign --mitdb PATH`` (``make robustness``). Every recording is labelled by a model that
was trained without its patient (the folds of `patient_folds`), on expert R peaks of recordings as they are; changed
ones also by one that was trained on all of them, as a lake's champion is. With ``--docs`` the tables replace those in
docs/recordings.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.ecg.matching import LEARNING_S, Detection, compare_detection
from heartwave_tasks.ecg.segmentation import Segmentation
from heartwave_tasks.settings import PROJECT_ROOT, Settings
from heartwave_tasks.stores.record_files import open_records
from tests.robustness.cases import CASES
from tests.robustness.changes import compare_cases
from tests.robustness.labeller import Labeller, Original
from tests.robustness.report import CaseRow, DetectionRow, NoiseRow, Report
from tests.robustness.stress import stress
from tests.unit.recordings import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heartwave_tasks.ecg.recordings import Recording

SNR_DB: Final = (24, 12, 6, 0, -6)
UNPACED: Final = (*mitbih.DS1, *mitbih.DS2)
"""Records of the table of noise: what is asked of paced beats is something else."""

DOCS: Final = PROJECT_ROOT / "docs" / "recordings.md"


def compare_detections(recordings: Sequence[Recording]) -> list[DetectionRow]:
    """Detect R peaks in every recording, and compare them with the expert's."""
    whole: dict[str, Detection] = {}
    later: dict[str, Detection] = {}
    seconds = []
    for recording in recordings:
        assert recording.annotation_samples is not None
        assert recording.annotation_symbols is not None
        begun = time.process_time()
        found = Segmentation.of(recording, detect=True).samples
        seconds.append(time.process_time() - begun)
        name = recording.recording_id.rpartition("/")[2]
        annotated = (recording.annotation_samples, recording.annotation_symbols)
        whole[name], later[name] = (
            compare_detection(*annotated, found, recording.sampling_frequency, learning_s=learning_s)
            for learning_s in (0.0, LEARNING_S)
        )

    def row(told: str, found: dict[str, Detection], records: Iterable[str]) -> DetectionRow:
        chosen = [name for name in found if name in records]
        return DetectionRow(told, len(chosen), sum((found[name] for name in chosen), Detection()))

    _tell(f"detection, segmentation included: {np.mean(seconds):.2f} s a recording, at most {max(seconds):.2f} s")
    worst = sorted(whole, key=lambda name: -(whole[name].missed + whole[name].extra))[:8]
    return [
        row("all records", whole, mitbih.RECORDS),
        row("DS1 and the paced ones, on which settings were chosen", whole, (*mitbih.DS1, *mitbih.PACED)),
        row("DS2, on which nothing was chosen", whole, mitbih.DS2),
        row("all records, without EC57's learning period of 5 minutes", later, mitbih.RECORDS),
        *(row(f"record {name}", whole, (name,)) for name in worst),
    ]


def main() -> None:
    """Print the tables as they come, and write them to files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mitdb", required=True, type=Path)
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "build" / "robustness.json")
    parser.add_argument("--cases", nargs="*", default=CASES)
    parser.add_argument("--records", nargs="*", default=mitbih.RECORDS, help="those of the table of cases")
    parser.add_argument("--stressed", nargs="*", default=UNPACED, help="those of the table of noise")
    parser.add_argument("--snr", nargs="*", type=int, default=SNR_DB)
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/recordings.md, too")
    given = parser.parse_args()
    begun = time.process_time()
    with open_records(given.mitdb, Settings().max_object_bytes) as found:
        place = found.records[0].main.parent
        recordings = [read_recording(place, name) for name in mitbih.RECORDS]
    report = Report(detection=compare_detections(recordings))
    _tell("\n".join(f"{row.told}: {row.found}" for row in report.detection))
    originals = [Original.of(recording) for recording in recordings]
    labeller = Labeller(Beats.concatenate(each.expert for each in originals))
    _tell(f"models trained, {time.process_time() - begun:.0f} s of processor time so far")
    for case in compare_cases(_among(originals, given.records), labeller, given.cases):
        _tell(" | ".join(CaseRow.cells(case)))
        report.cases.append(case)
    for noisy in stress(_among(originals, given.stressed), labeller, given.snr):
        _tell(" | ".join(NoiseRow.cells(noisy)))
        report.noise.append(noisy)
    report.cpu_s = time.process_time() - begun
    report.write(given.out)
    if given.docs:
        report.document_into(DOCS)
    _tell(f"\n{report.markdown()}\nAs JSON: {given.out}")


def _among(originals: Sequence[Original], records: Sequence[str]) -> list[Original]:
    return [each for each in originals if each.record in records]


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
