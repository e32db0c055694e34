"""Tuning: a search for an architecture's parameters, on folds of the patients that the model may learn from.

A figure must not be claimed on patients that had a say in the parameters. So every protocol has searches of its own:
one sees only rows that are training rows in all the splits it chooses for. `patient_folds` takes `NESTED_SEARCHES` of
them, each for some of its folds, as one for each would cost eleven times as much and differ little. The registered
model itself gets the parameters of a last search, which sees all patients and stands behind no figure.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from heartwave_tasks.jobs import training_plan
from heartwave_tasks.jobs.parameter_search import Objective, Rows, SearchTask, search
from heartwave_tasks.jobs.recipes import Recipe
from heartwave_tasks.jobs.training_plan import RetrainError
from heartwave_tasks.models import protocols
from heartwave_tasks.models.search_space import FINAL_SEARCH, nothing_found
from heartwave_tasks.stores.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from optuna import Study
    from optuna.trial import FrozenTrial

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.models.protocols import Split
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.registry import Run

logger = logging.getLogger(__name__)

NESTED_SEARCHES: Final = 3
"""Searches for the folds of `patient_folds`."""

TUNING: Final = "tuning.json"
"""Where the run of a tuning keeps what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The parameters of an architecture in every split of every protocol.

    Attributes
    ----------
    architecture, run_id
        Which, and the MLflow run with the searches, None where nothing was tuned.
    splits
        By protocol, the number of the search in `searches` that chose for each split.
    searches
        All of them; that of the registered model last.
    """

    architecture: str
    run_id: str | None = None
    splits: dict[str, list[int]] = field(default_factory=dict)
    searches: list[dict[str, Any]] = field(default_factory=list)

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe of the registered model."""
        return recipe.having(self.searches[-1]["params"]) if self.searches else recipe

    def recipes(self, protocol: str, recipe: Recipe) -> list[Recipe] | Recipe:
        """Return the recipes of a protocol's splits, or one for all of them."""
        if protocol not in self.splits:
            return recipe
        return [recipe.having(self.searches[number]["params"]) for number in self.splits[protocol]]


def tune(settings: Settings, plan: RetrainPlan, architecture_name: str) -> Tuning:
    """Search for parameters for every protocol of the plan and for the registered model; nothing if it wants no trial.

    Raises
    ------
    RetrainError
        If the architecture is unknown or has nothing to tune.
    """
    recipe = Recipe.of(settings, plan, architecture_name)
    if not recipe.implementation.search_space:
        msg = f"{architecture_name} has no parameters to tune; set tuning_trials to 0."
        raise RetrainError(msg)
    if plan.tuning_trials == 0:
        return Tuning(architecture=architecture_name)
    beats, reviewed = training_plan.read(settings, plan)
    tasks, splits = list_tasks(plan, beats)
    deadline = time.monotonic() + 60 * plan.time_budget_minutes
    tags = {"heartwave.architecture": architecture_name, "heartwave.dag_run_id": plan.dag_run_id}
    registry = Registry(settings)
    with registry.run(f"{architecture_name} · tuning · {plan.dag_run_id}", {**tags, "heartwave.kind": "tuning"}) as run:
        run.log_params({"trials": plan.tuning_trials, "time_budget_minutes": plan.time_budget_minutes})
        searches = []
        for number, task in enumerate(tasks):
            # What one search leaves of its share is the others'.
            budget_s = max(0.0, deadline - time.monotonic()) / (len(tasks) - number)
            try:
                objective = Objective(Rows(beats, task, plan.seed), recipe, reviewed)
            except protocols.ProtocolError:
                logger.warning("%s: too few patients to try parameters on; the defaults stand.", task.purpose)
                searches.append(nothing_found(task.purpose))
                continue
            url, keep = settings.require_database_url(), _kept(registry, run, task.purpose)
            searches.append(search(url, objective, n_trials=plan.tuning_trials, budget_s=budget_s, keep=keep))
        tuning = Tuning(
            architecture=architecture_name,
            run_id=run.run_id,
            splits=splits,
            searches=[asdict(search) for search in searches],
        )
        run.log_file(TUNING, json.dumps({"splits": splits, "searches": tuning.searches}, indent=1))
    return tuning


def list_tasks(plan: RetrainPlan, beats: Beats) -> tuple[list[SearchTask], dict[str, list[int]]]:
    """List the searches, and which of them chooses for each split of each protocol."""
    tasks: list[SearchTask] = []
    chosen: dict[str, list[int]] = {}
    for name in plan.protocols:
        protocol = protocols.get(name)
        try:
            splits = protocol.splits(beats)
        except protocols.ProtocolError:
            continue  # training says why it was left out
        groups = np.arange(len(splits)) % (NESTED_SEARCHES if len(splits) > NESTED_SEARCHES else 1)
        chosen[name] = [len(tasks) + int(group) for group in groups]
        for group in range(int(groups.max()) + 1):
            batch = [split for split, of in zip(splits, groups, strict=True) if of == group]
            tasks.append(SearchTask(_purpose(name, batch, splits), protocol.scheme, _trained_on_by_all(batch)))
    every = np.flatnonzero(beats.is_beat & (beats.reference >= 0))
    return [*tasks, SearchTask(FINAL_SEARCH, "aami", every)], chosen


def _trained_on_by_all(batch: Sequence[Split]) -> NDArray[np.int64]:
    """Return the rows that every split trains on, so that no search sees a row that it chooses for."""
    return reduce(np.intersect1d, [split.train for split in batch])


def _purpose(protocol: str, batch: Sequence[Split], splits: Sequence[Split]) -> str:
    return protocol if len(batch) == len(splits) else f"{protocol}: {', '.join(split.name for split in batch)}"


def _kept(registry: Registry, parent: Run, purpose: str) -> Callable[[Study, FrozenTrial], None]:
    """Return what keeps every trial as a run of its own in MLflow, nested in the tuning's."""

    def keep(_study: Study, trial: FrozenTrial) -> None:
        tags = {
            "mlflow.parentRunId": parent.run_id,
            "heartwave.kind": "trial",
            "heartwave.search": purpose,
            "heartwave.trial_state": trial.state.name.lower(),
        }
        with registry.run(f"trial {trial.number} · {purpose}", tags) as run:
            run.log_params(trial.params)
            for fold, value in sorted(trial.intermediate_values.items()):
                run.log_metrics({"nsv_mean_f1": value}, step=fold)
        logger.info(
            "%s: trial %d %s, mean F1 of N/S/V %.4f.",
            purpose,
            trial.number,
            trial.state.name.lower(),
            trial.value or 0.0,
        )

    return keep
