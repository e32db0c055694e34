"""What `make robustness` measures comes to the page it is quoted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.matching import Detection
from heartwave_tasks.models.end_to_end import NOTHING
from tests.robustness.campaign import DOCS
from tests.robustness.report import CaseRow, DetectionRow, NoiseRow, Report

if TYPE_CHECKING:
    from pathlib import Path

N, S, V = (CLASSES.index(name) for name in "NSV")


def noise_of(n_found: int, n_left: int) -> NoiseRow:
    """Return a noisy recording of V beats: some found and classified, some left unclassified, which were called N."""
    every = np.zeros((NOTHING + 1, NOTHING + 1), dtype=np.int64)
    every[V, V], every[V, N] = n_found, n_left
    classified = every.copy()
    classified[V, N] = 0
    return NoiseRow(
        kind="muscle", snr_db=6, n_recordings=1, detection=Detection(n_found + n_left, 0, 0), every=every,
        classified=classified, n_unclassifiable=n_left, n_minutes=2, n_noisy_minutes=1,
    )  # fmt: skip


def test_recordings_add_up() -> None:
    """Of several recordings, figures are of all beats together; what got no class is in one of them only."""
    row = NoiseRow.of("muscle", 6, [noise_of(80, 0), noise_of(0, 20)])
    assert row.cells() == [
        "muscle", "6 dB", "100.0 / 100.0", "100.0 / 100.0 / 100.0", "- / - / -", "80.0 / 100.0 / 88.9", "- / - / -",
        "20.0 %", "50.0 %",
    ]  # fmt: skip


def test_the_documents_tables_are_replaced(tmp_path: Path) -> None:
    """Each table stands between its marks in docs/recordings.md, once, and nothing else of the page changes."""
    page = tmp_path / DOCS.name
    page.write_text(DOCS.read_text("utf-8"), encoding="utf-8")
    table = np.eye(NOTHING + 1, dtype=np.int64)
    report = Report(
        detection=[DetectionRow("all records", 48, Detection(9, 1, 0))],
        cases=[CaseRow("upside down", 48, (0.5, 0.25), (0.75, 1.0), (table, table))],
        noise=[noise_of(1, 0)],
    )
    report.document_into(page)
    once = page.read_text("utf-8")
    report.document_into(page)

    assert page.read_text("utf-8") == once
    assert "| all records | 48 | 10 | 1 | 0 | 90.00 | 100.00 |" in once
    assert "| upside down | 50.00 % | 25.00 % | 75.00 % | 100.00 % | 100.0 | 100.0 |" in once
    first, last = once.split("<!-- make robustness: detection -->")[0], once.split("<!-- end of noise -->")[1]
    assert DOCS.read_text("utf-8").startswith(first)
    assert DOCS.read_text("utf-8").endswith(last)
