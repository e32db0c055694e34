"""What cannot be learned is refused before anything is trained."""

from __future__ import annotations

import logging

import pytest

from heartwave_tasks.jobs.training import require_classes
from heartwave_tasks.jobs.training_plan import RetrainError
from tests.unit.evaluations import beats_of


@pytest.mark.parametrize(
    ("symbols", "missing"),
    [("N" * 9 + "V", r"S \(supraventricular\)"), ("NNA", r"V \(ventricular\)"), ("", r"N \(normal\) or S .* or V")],
)
def test_no_training_without_n_s_and_v(symbols: str, missing: str) -> None:
    """A class of the rhythm without a single beat is named, with what to do."""
    with pytest.raises(RetrainError, match=f"have no beat of {missing}.*Upload recordings that have some"):
        require_classes(beats_of({"clinic/1": symbols + "~", "clinic/2": " "}))


def test_fusion_and_paced_beats_may_be_missing(caplog: pytest.LogCaptureFixture) -> None:
    """Few lakes have them: training goes on, and the log says that none will ever be called so."""
    with caplog.at_level(logging.WARNING):
        require_classes(beats_of({"clinic/1": "NNAV"}))
    assert "no beat of F (fusion) or Q (unknown or paced) to learn from" in caplog.text
