"""Segmented recordings that several unit tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.ecg.beats import Beats, segment
from tests.unit.recordings import read_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def segmented(mitdb: Path) -> Callable[[str], Beats]:
    """Segment MIT-BIH records by name, each one once a session."""
    known: dict[str, Beats] = {}

    def segment_once(record: str) -> Beats:
        if record not in known:
            known[record] = segment(read_recording(mitdb, record))
        return known[record]

    return segment_once
