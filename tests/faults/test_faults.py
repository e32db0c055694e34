"""The short form of ``make faults``: whatever is killed or cut, every beat has its one label after the next run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults import scenarios

if TYPE_CHECKING:
    from tests.faults.laboratory import Laboratory
    from tests.faults.scenarios import Scenario

pytestmark = pytest.mark.timeout(900)  # servers and models are set up in the first test's time

SEED = 1
QUICK = (
    scenarios.kill_mid_copy,
    scenarios.kill_before_commit,
    scenarios.kill_after_commit,
    scenarios.kill_ingest,
    scenarios.kill_postgres,
    scenarios.cut_commit,
    scenarios.s3_unavailable,
    scenarios.s3_cut,
    scenarios.two_runs,
    scenarios.promote_midway,
    scenarios.replace_midway,
)


@pytest.mark.parametrize("scenario", QUICK, ids=lambda scenario: scenario.__name__)
def test_no_label_is_lost_or_doubled(lab: Laboratory, scenario: Scenario) -> None:
    """After the fault and another run the labels are those of an undisturbed run, row for row."""
    outcome = scenario(lab, random.Random(f"{SEED} {scenario.__name__}"))

    assert outcome.comparison.same, outcome


@pytest.mark.parametrize(
    ("harm", "lost", "doubled"),
    [
        ("DELETE FROM heartwave.labels WHERE r_peak_sample = (SELECT min(r_peak_sample) FROM heartwave.labels)", 1, 0),
        (("UPDATE heartwave.labels SET confidence = 0.5 WHERE (revision_id, r_peak_sample) = (SELECT revision_id, "
         "r_peak_sample FROM heartwave.labels ORDER BY 1, 2 LIMIT 1)"), 1, 1),
    ],
)  # fmt: skip
def test_the_comparison_sees_harm(lab: Laboratory, harm: str, lost: int, doubled: int) -> None:
    """A label that is missing or another one is counted: the suite can fail."""
    lab.reset()
    lab.run_again()
    assert lab.compare().same

    lab.execute(harm)

    found = lab.compare()
    assert (found.lost, found.doubled) == (lost, doubled)
