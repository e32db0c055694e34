"""What a person reads before they approve a challenger."""

from __future__ import annotations

import re

from heartwave_tasks.models.challenge import describe
from heartwave_tasks.models.gate import decide
from tests.unit.evaluations import evaluation_of

OLD = {f"mitdb/{index}": [[90, 5, 5], [6, 14, 0], [2, 0, 18]] for index in range(6)}
NEW = {f"mitdb/{index}": [[93, 3, 4], [4, 16, 0], [2, 0, 18]] for index in range(6)}


def _described() -> str:
    challenger, champion = evaluation_of(NEW), evaluation_of(OLD)
    verdict = decide(challenger, champion)
    return describe(verdict, challenger, champion, version=4, champion_version=3, page="/heartwave")


def test_verdict_figures_and_matrices_are_there() -> None:
    """The gate's verdict and its reasons, both models' figures, both confusion matrices, and links to the reports."""
    text = _described()
    verdict = decide(evaluation_of(NEW), evaluation_of(OLD))
    assert text.startswith("**The gate says: promote.**")
    assert all(f"- {reason}" in text for reason in verdict.reasons)
    assert "| **S sensitivity** | 80.0 | 70.0 |" in text
    assert "| **S** supraventricular | 24 | **96** | 0 | 0 | 0 | 80.0 |" in text
    assert "| **S** supraventricular | 36 | **84** | 0 | 0 | 0 | 70.0 |" in text
    assert "(/heartwave/data/models/4/report)" in text
    assert "(/heartwave/data/models/3/report)" in text
    assert "#### What the challenger is weak at" in text


def test_figures_that_decide_are_told_from_the_others() -> None:
    """The three figures the verdict hangs on are bold, and every figure has an interval of the difference."""
    rows = re.findall(r"^\| (.*) \| [\d.]+ \| [\d.]+ \| (.+ to .+) \|$", _described(), re.MULTILINE)
    assert len(rows) == 9
    bold = [name for name, _ in rows if name.startswith("**")]
    assert bold == ["**N/S/V mean F1**", "**V sensitivity**", "**S sensitivity**"]
    assert all(re.fullmatch(r"[+-][\d.]+ to [+-][\d.]+", difference) for _, difference in rows)


def test_the_first_challenger_stands_alone() -> None:
    """Without a champion there is one matrix, and nothing is compared."""
    challenger = evaluation_of(NEW)
    text = describe(decide(challenger, None), challenger, None, version=1, champion_version=None, page="/heartwave")
    assert "no champion yet" in text
    assert text.count("expert \\ model") == 1
    assert "Side by side, in percent" not in text
