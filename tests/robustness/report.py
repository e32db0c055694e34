"""What was measured, as tables for people and documents, and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from heartwave_tasks.ecg.beats import SEGMENTER_VERSION
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.matching import Detection
from heartwave_tasks.models import metrics
from heartwave_tasks.models.end_to_end import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SHOWN: Final = ("S", "V")


@dataclass(frozen=True)
class DetectionRow:
    """Detection in some records together."""

    told: str
    n_recordings: int
    found: Detection

    HEADINGS = ("", "records", "beats", "missed", "extra", "Se", "+P")

    def cells(self) -> list[str]:
        """Return what the table shows."""
        found = self.found
        counts = (self.n_recordings, found.annotated, found.missed, found.extra)
        return [self.told, *map(str, counts), _percent(found.sensitivity, 2), _percent(found.positive_predictivity, 2)]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found = self.found
        return {
            "records": self.told, "n_recordings": self.n_recordings, "n_beats": found.annotated,
            "n_missed": found.missed, "n_extra": found.extra, "sensitivity": found.sensitivity,
            "positive_predictivity": found.positive_predictivity,
        }  # fmt: skip


@dataclass(frozen=True)
class CaseRow:
    """Labels of changed recordings; pairs are of expert and of detected R peaks, tables int64 (6, 6).

    Agreement is by models that have not seen the patient, and by one that was trained on all recordings as they are.
    """

    case: str
    n_recordings: int
    agreement: tuple[float, ...]
    agreement_by_champion: tuple[float, ...]
    tables: tuple[NDArray[np.int64], ...]

    HEADINGS = (
        "", "agree, expert R peaks", "agree, detected", "trained on, expert", "trained on, detected",
        "N/S/V mean F1, expert", "N/S/V mean F1, detected",
    )  # fmt: skip

    def cells(self) -> list[str]:
        """Return what the table shows."""
        agreement = [f"{_percent(share, 2)} %" for share in (*self.agreement, *self.agreement_by_champion)]
        return [self.case, *agreement, *(_percent(share) for share in self._nsv())]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "case": self.case,
            "n_recordings": self.n_recordings,
            **{
                peaks: {
                    "agreement": agreement,
                    "agreement_by_champion": by_champion,
                    "nsv_mean_f1": nsv,
                    "confusion": table.tolist(),
                }
                for peaks, agreement, by_champion, nsv, table in zip(
                    ("expert", "detected"),
                    self.agreement,
                    self.agreement_by_champion,
                    self._nsv(),
                    self.tables,
                    strict=True,
                )
            },
        }

    def _nsv(self) -> list[float]:
        return [float(metrics.mean_f1(table, metrics.RHYTHM_CLASSES)) for table in self.tables]


@dataclass(frozen=True, kw_only=True)
class NoiseRow:
    """Noisy minutes with one kind of noise, of one recording or of several together.

    Tables of labels, int64 (6, 6), are of every beat with the class the model gives, and of those that got a class.
    """

    kind: str
    snr_db: int
    n_recordings: int
    detection: Detection
    every: NDArray[np.int64]
    classified: NDArray[np.int64]
    n_unclassifiable: int
    n_minutes: int
    n_noisy_minutes: int

    HEADINGS = (
        "noise", "SNR", "R peaks Se / +P", "V Se / +P / F1", "S Se / +P / F1", "V, all beats", "S, all beats",
        "unclassifiable", "minutes of noise",
    )  # fmt: skip

    @classmethod
    def of(cls, kind: str, snr_db: int, rows: Sequence[NoiseRow]) -> NoiseRow:
        """Add recordings up."""
        return cls(
            kind=kind,
            snr_db=snr_db,
            n_recordings=len(rows),
            detection=sum((row.detection for row in rows), Detection()),
            every=np.sum([row.every for row in rows], axis=0),
            classified=np.sum([row.classified for row in rows], axis=0),
            n_unclassifiable=sum(row.n_unclassifiable for row in rows),
            n_minutes=sum(row.n_minutes for row in rows),
            n_noisy_minutes=sum(row.n_noisy_minutes for row in rows),
        )

    def cells(self) -> list[str]:
        """Return what the table shows."""
        shares = self._shares()
        return [
            self.kind,
            f"{self.snr_db} dB",
            f"{_percent(self.detection.sensitivity)} / {_percent(self.detection.positive_predictivity)}",
            *(_figures(self.classified, name) for name in reversed(_SHOWN)),
            *(_figures(self.every, name) for name in reversed(_SHOWN)),
            *(f"{_percent(share)} %" for share in shares),
        ]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        unclassifiable, minutes = self._shares()
        return {
            "noise": self.kind, "snr_db": self.snr_db, "n_recordings": self.n_recordings,
            "detection": DetectionRow("noisy minutes", self.n_recordings, self.detection).document(),
            "confusion_all": self.every.tolist(), "confusion_classified": self.classified.tolist(),
            "unclassifiable": unclassifiable, "minutes_of_noise": minutes,
        }  # fmt: skip

    def _shares(self) -> tuple[float, float]:
        n_detected = int(self.every[:, :NOTHING].sum())
        return self.n_unclassifiable / max(n_detected, 1), self.n_noisy_minutes / max(self.n_minutes, 1)


@dataclass
class Report:
    """Everything that one run has measured."""

    detection: list[DetectionRow]
    cases: list[CaseRow] = field(default_factory=list)
    noise: list[NoiseRow] = field(default_factory=list)
    cpu_s: float = 0.0

    def blocks(self) -> dict[str, str]:
        """Return the tables as the documents show them, by the name of the mark they stand after."""
        found: dict[str, str] = {"detection": _table(DetectionRow.HEADINGS, (row.cells() for row in self.detection))}
        if self.cases:
            found["cases"] = _table(CaseRow.HEADINGS, (row.cells() for row in self.cases))
        if self.noise:
            found["noise"] = _table(NoiseRow.HEADINGS, (row.cells() for row in self.noise))
        return {name: f"{self._told(name)}\n\n{table}" for name, table in found.items()}

    def markdown(self) -> str:
        """Return all tables."""
        return "\n\n".join(self.blocks().values())

    def document_into(self, page: Path) -> None:
        """Put each table between its marks in a page."""
        text = page.read_text("utf-8")
        for name, block in self.blocks().items():
            start, end = f"<!-- make robustness: {name} -->", f"<!-- end of {name} -->"
            before, rest = text.split(start)
            text = f"{before}{start}\n{block}\n{end}{rest.split(end)[1]}"
        page.write_text(text, encoding="utf-8")

    def write(self, path: Path) -> None:
        """Write the JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "segmenter": SEGMENTER_VERSION,
            "cpu_s": self.cpu_s,
            "detection": [row.document() for row in self.detection],
            "cases": [row.document() for row in self.cases],
            "noise": [row.document() for row in self.noise],
        }
        path.write_text(json.dumps(document, indent=1) + "\n")

    def _told(self, name: str) -> str:
        rows = {"detection": self.detection[:1], "cases": self.cases, "noise": self.noise}[name]
        return f"*{rows[0].n_recordings} records, {datetime.now(UTC):%d %B %Y}, segmenter {SEGMENTER_VERSION}*"


def _table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(headings), *rows]
    lines.insert(1, ["---", *("---:" for _ in lines[0][1:])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(table: NDArray[np.int64], name: str) -> str:
    place = CLASSES.index(name)
    shares = [metric(table)[place] for metric in (metrics.sensitivity, metrics.positive_predictivity, metrics.f1)]
    return " / ".join(_percent(float(share)) for share in shares)


def _percent(share: float, digits: int = 1) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.{digits}f}"
