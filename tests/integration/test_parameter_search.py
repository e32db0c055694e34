"""A search for parameters keeps its journal in a real PostgreSQL, and goes on after it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.jobs.parameter_search import Objective, Rows, SearchTask, search
from heartwave_tasks.jobs.recipes import Recipe
from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
from heartwave_tasks.stores.tuning_journal import TuningJournal
from tests.integration.planting import rows
from tests.unit.evaluations import beats_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from tests.integration.conftest import DatabaseUrls

QUICK = {"threads": 1}


@pytest.fixture(scope="module")
def objective() -> Objective:
    """What is tried: a small model on six small patients."""
    beats = beats_of({f"clinic/{index}": "N" * 30 + "A" * 6 + "V" * 6 for index in range(6)})
    task = SearchTask("patient_folds", "aami", np.arange(len(beats)))
    return Objective(
        Rows(beats, task, seed=1), Recipe(architecture="relative", seed=1, params=QUICK), ReviewedBeats({})
    )


class KilledError(Exception):
    """What happens to a process."""


def test_a_killed_search_goes_on_where_it_was(database: DatabaseUrls, objective: Objective) -> None:
    """Trials that ended before count, one that was under way is given up, and a third sitting finds nothing to do."""
    ended: list[int] = []

    def keep(_study: Study, trial: FrozenTrial) -> None:
        ended.append(trial.number)
        if len(ended) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        search(database.writer, objective, n_trials=6, budget_s=600, keep=keep)
    found = search(database.writer, objective, n_trials=6, budget_s=600, keep=keep)
    again = search(database.writer, objective, n_trials=6, budget_s=600, keep=keep)

    assert found == again
    assert found.n_trials == len(set(ended)) == len(ended) == 6
    assert found.best_value >= found.default_value > 0
    ((n_studies,),) = rows(database.writer, "SELECT count(DISTINCT study) FROM heartwave.tuning_journal")
    assert n_studies == 1


def test_without_time_the_defaults_stand(database: DatabaseUrls, objective: Objective) -> None:
    """A search whose time is up before it began chooses nothing."""
    found = search(database.writer, objective, n_trials=6, budget_s=0, keep=lambda _study, _trial: None)
    assert found.n_trials <= 1
    assert found.params == {}


def test_the_journal_adds_and_reads_alone(database: DatabaseUrls) -> None:
    """Entries come back in order from any place on; two studies do not mix; nobody may change what was written."""
    first, second = TuningJournal(database.writer, "a"), TuningJournal(database.writer, "b")
    first.append_logs([{"n": 0}, {"n": 1}])
    second.append_logs([{"n": 9}])
    first.append_logs([{"n": 2}])
    assert first.read_logs(1) == [{"n": 1}, {"n": 2}]
    assert second.read_logs(0) == [{"n": 9}]
    for journal in (first, second):
        journal.close()
    with pytest.raises(Exception, match="permission denied"):
        rows(database.writer, "DELETE FROM heartwave.tuning_journal")
