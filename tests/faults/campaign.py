"""Every fault at random instants, round after round, on real servers, and a table of what came of it.

``python -m tests.faults.campaign --rounds 5 --seed 1`` (``make faults``) ends with code 1 when a label was lost, was
there twice, or differs from the undisturbed run's. ``--only NAME --round N`` does one round again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults import scenarios
from tests.faults.laboratory import Laboratory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.scenarios import Outcome, Scenario

RECORDINGS, DURATION_S = 8, 300.0
ALL: Final = (*scenarios.CHEAP, scenarios.mlflow_away)


def run(lab: Laboratory, chosen: Sequence[Scenario], rounds: Sequence[int], seed: int) -> dict[str, list[Outcome]]:
    """Run scenarios, and print each round with what draws it again."""
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for scenario in chosen:
        for number in rounds:
            begun = time.monotonic()
            told = f"{scenario.__name__} --round {number} --seed {seed}"
            try:
                outcome = scenario(lab, random.Random(f"{seed} {scenario.__name__} {number}"))
            except AssertionError as error:
                tell(f"{told}: BROKEN: {error}")
                continue
            outcomes[scenario.__name__].append(outcome)
            found = outcome.comparison
            tell(f"{told}: {outcome.told}: {found.verdict}, {found.n_labels} labels, {time.monotonic() - begun:.1f} s")
    return outcomes


def table(chosen: Sequence[Scenario], outcomes: dict[str, list[Outcome]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| what happens | rounds | got over it by itself | labels lost | doubled |",
        "|---|---:|---:|---:|---:|",
    ]
    for scenario in chosen:
        found = outcomes[scenario.__name__]
        lost = sum(outcome.comparison.lost for outcome in found)
        doubled = sum(outcome.comparison.doubled + outcome.comparison.wrong for outcome in found)
        told = (scenario.__doc__ or "").strip().rstrip(".")
        killed = scenario.__name__.startswith("kill_") and scenario is not scenarios.kill_postgres
        survived = "killed" if killed else str(sum(outcome.survived for outcome in found))
        lines.append(f"| {told} | {len(found)} | {survived} | {lost} | {doubled} |")
    return "\n".join(lines)


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many of each")
    parser.add_argument("--seed", type=int, default=1, help="of the whole campaign")
    parser.add_argument("--only", nargs="*", help="these scenarios alone")
    parser.add_argument("--round", type=int, help="this round alone")
    given = parser.parse_args()
    chosen = [scenario for scenario in ALL if not given.only or scenario.__name__ in given.only]
    rounds = range(1, given.rounds + 1) if given.round is None else [given.round]
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="heartwave-faults-") as directory,
        Laboratory(Path(directory), recordings=RECORDINGS, duration_s=DURATION_S, mlflow_server=True) as lab,
    ):
        tell(f"the laboratory stands after {time.monotonic() - begun:.0f} s; an undisturbed night: {lab.night_s:.1f} s")
        outcomes = run(lab, chosen, rounds, given.seed)
    tell(f"\n{table(chosen, outcomes)}")
    same = [outcome.comparison.same for found in outcomes.values() for outcome in found]
    sys.exit(not all(same) or len(same) < len(chosen) * len(rounds))


if __name__ == "__main__":
    main()
