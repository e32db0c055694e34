"""Tuning never looks at the patients a figure is claimed on."""

from __future__ import annotations

import numpy as np
import pytest

from heartwave_tasks.jobs.parameter_search import Rows
from heartwave_tasks.jobs.recipes import Recipe
from heartwave_tasks.jobs.training_plan import RetrainPlan
from heartwave_tasks.jobs.tuning import NESTED_SEARCHES, Tuning, list_tasks
from heartwave_tasks.models import protocols
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.models.search_space import FINAL_SEARCH
from tests.unit.evaluations import beats_of
from tests.unit.test_protocols import LAKE as FEW
from tests.unit.test_protocols import NORMAL

LAKE = {**FEW, "mitdb/108": NORMAL, "mitdb/109": NORMAL, "svdb/802": NORMAL}
NAMES = ["patient_folds", "inter_patient", "external:svdb", "random_beats"]


def _plan(**how: object) -> RetrainPlan:
    return RetrainPlan(
        protocols=NAMES,
        seed=7,
        recordings=[],
        digest="digest",
        dag_run_id="run",
        reviews_at="2026-11-25T00:00:00+00:00",
        **how,  # type: ignore[arg-type]
    )


def test_no_search_sees_a_patient_it_chooses_for() -> None:
    """Whatever is tested with a search's parameters, its patients' references were hidden from the search."""
    beats = beats_of(LAKE)
    tasks, chosen = list_tasks(_plan(), beats)
    assert set(chosen) == set(NAMES)
    for name in NAMES:
        splits = protocols.get(name).splits(beats)
        assert len(chosen[name]) == len(splits)
        for split, number in zip(splits, chosen[name], strict=True):
            seen = tasks[number].rows
            assert not np.intersect1d(seen, split.test).size
            if name != "random_beats":
                patient = protocols.patients(beats)
                assert not set(patient[seen]) & set(patient[split.test])
            view = Rows(beats, tasks[number], seed=7).beats
            visible = {
                (str(name), int(peak))
                for name, peak in zip(
                    view.recording_id[view.reference >= 0], view.r_peak_sample[view.reference >= 0], strict=True
                )
            }
            tested = zip(beats.recording_id[split.test], beats.r_peak_sample[split.test], strict=True)
            assert not visible & {(str(name), int(peak)) for name, peak in tested}


def test_the_last_search_is_the_registered_models() -> None:
    """It sees every annotated beat, and no protocol takes its parameters from it."""
    beats = beats_of(LAKE)
    tasks, chosen = list_tasks(_plan(), beats)
    assert tasks[-1].purpose == FINAL_SEARCH
    np.testing.assert_array_equal(tasks[-1].rows, np.flatnonzero(beats.is_beat & (beats.reference >= 0)))
    assert all(len(tasks) - 1 not in numbers for numbers in chosen.values())
    assert len(set(chosen["patient_folds"])) == NESTED_SEARCHES
    assert {len(set(chosen[name])) for name in NAMES[1:]} == {1}


def test_inter_patient_is_tuned_on_ds1_alone() -> None:
    """DS2 has no say in the parameters it is tested with, nor has 201, who is DS2's patient 202."""
    beats = beats_of(LAKE)
    tasks, chosen = list_tasks(_plan(), beats)
    (number,) = set(chosen["inter_patient"])
    assert set(beats.recording_id[tasks[number].rows]) == {"mitdb/101", "mitdb/106", "mitdb/108", "mitdb/109"}


def test_every_split_is_trained_with_what_was_chosen_for_it() -> None:
    """A recipe takes its split's parameters, the registered model the last search's, an untuned one the defaults."""
    searches = [
        {
            "purpose": str(depth),
            "n_trials": 1,
            "n_pruned": 0,
            "default_value": 0.5,
            "best_value": 0.6,
            "params": {"form_depth": depth},
        }
        for depth in (2, 3, 4)
    ]
    tuning = Tuning(architecture="relative", splits={"patient_folds": [0, 1, 0]}, searches=searches)
    recipe = Recipe(architecture="relative", seed=1)
    recipes = tuning.recipes("patient_folds", recipe)
    assert isinstance(recipes, list)
    assert [each.all_params["form_depth"] for each in recipes] == [2, 3, 2]
    assert tuning.recipe(recipe).params == {"form_depth": 4}
    assert Tuning(architecture="relative").recipe(recipe) == recipe
    assert Tuning(architecture="relative").recipes("patient_folds", recipe) == recipe


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_defaults_lie_within_what_is_tuned(name: str) -> None:
    """The tuned parameters are ones that training takes, and the search may find the defaults."""
    architecture = ARCHITECTURES[name]
    assert architecture.search_space
    for parameter, bounds in architecture.search_space.items():
        assert bounds.low <= architecture.default_params[parameter] <= bounds.high
