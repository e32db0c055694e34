"""Parameter search: an architecture's parameters tried on folds of the patients a model may learn from.

Searches are Optuna's: tree-structured Parzen estimators, trials pruned fold by fold against the median of the others.
The journal is in Postgres; the same beats, folds, seed and bounds are the same study, which goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from heartwave_tasks.models import metrics, protocols
from heartwave_tasks.models.assessment import ask, training_view
from heartwave_tasks.models.search_space import Search, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.jobs.recipes import Recipe
    from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
    from heartwave_tasks.models.protocols import Scheme

logger = logging.getLogger(__name__)

INNER_FOLDS: Final = 4
"""Folds of patients within a search."""

_UNPRUNED_TRIALS: Final = 4
_UNPRUNED_FOLDS: Final = 1


@dataclass(frozen=True, eq=False)
class SearchTask:
    """Rows that a search may see."""

    purpose: str
    scheme: Scheme
    rows: NDArray[np.int64]


class Rows:
    """What a search sees: whole recordings with the reference of its rows alone, dealt into folds of patients."""

    def __init__(self, beats: Beats, task: SearchTask, seed: int) -> None:
        labelled = protocols.relabel(beats, task.scheme)
        nothing = np.empty(0, dtype=np.int64)
        self.task = task
        self.beats, self.patient = training_view(
            labelled, protocols.patients(labelled), protocols.Split(task.purpose, task.rows, nothing)
        )
        self.counted = ~protocols.of_paced_recordings(self.beats)
        self.folds = protocols.fold_patients(self.beats, seed, most_folds=INNER_FOLDS)

    def digest(self) -> str:
        """Return a hash of the folds: which beats, of which class, in which fold."""
        digest = hashlib.sha256(self.task.scheme.encode())
        for fold in self.folds:
            digest.update("".join(np.unique(self.beats.recording_id[fold.test])).encode())
            digest.update(self.beats.r_peak_sample[fold.test].astype("<i8").tobytes())
            digest.update(self.beats.reference[fold.test].tobytes())
        return digest.hexdigest()


class Objective:
    """Mean F1 of N/S/V over the folds of a search, fold by fold, so that hopeless trials end early."""

    def __init__(self, rows: Rows, recipe: Recipe, reviewed: ReviewedBeats) -> None:
        self.rows, self.recipe, self._reviewed = rows, recipe, reviewed

    def __call__(self, trial: Trial) -> float:
        """Train and test on every fold; raises `optuna.TrialPruned` when others were better by then."""
        from optuna import TrialPruned  # noqa: PLC0415 - half a second that only tuning needs

        fit = self.recipe.having(_suggest(trial, self.recipe)).fit(self._reviewed)
        beats, patient = self.rows.beats, self.rows.patient
        confusion = np.zeros((5, 5), dtype=np.int64)
        value = float("nan")
        for number, fold in enumerate(self.rows.folds):
            model = fit(*training_view(beats, patient, fold), lambda _share, _sentence: None)
            tested = fold.test[self.rows.counted[fold.test]]
            called = ask(model, beats, protocols.Split(fold.name, fold.train, tested)).argmax(axis=1)
            group = np.zeros(len(tested), dtype=np.int64)
            confusion += metrics.confusion_matrices(group, beats.reference[tested], called, 1)[0]
            value = float(np.nan_to_num(metrics.mean_f1(confusion, metrics.RHYTHM_CLASSES)))
            trial.report(value, number)
            if trial.should_prune() and number + 1 < len(self.rows.folds):
                raise TrialPruned
        return value


def _suggest(trial: Trial, recipe: Recipe) -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, bounds.low, bounds.high, log=bounds.log)
        if isinstance(bounds, Whole)
        else trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)
        for name, bounds in recipe.implementation.search_space.items()
    }


def search(
    database_url: str,
    objective: Objective,
    *,
    n_trials: int,
    budget_s: float,
    keep: Callable[[Study, FrozenTrial], None],
) -> Search:
    """Run a study until it has the trials asked for or time is up; it goes on where an earlier run has left it.

    Parameters
    ----------
    keep
        Called with the study and every trial that ends.
    """
    import optuna  # noqa: PLC0415 - half a second that only tuning needs
    from optuna.trial import TrialState  # noqa: PLC0415

    from heartwave_tasks.stores.tuning_journal import TuningJournal  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe, purpose = objective.recipe, objective.rows.task.purpose
    name = study_name(recipe, purpose, objective.rows.digest())
    journal = TuningJournal(database_url, name)
    try:
        storage = optuna.storages.JournalStorage(journal)
        known = len(journal.read_logs(0))
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction="maximize",
            # Another seed for another sitting, or it would draw the same trials again.
            sampler=optuna.samplers.TPESampler(seed=recipe.seed + known, n_startup_trials=8, multivariate=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS, n_warmup_steps=_UNPRUNED_FOLDS),
            load_if_exists=True,
        )
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)  # died with an earlier run
        defaults = {key: recipe.all_params[key] for key in recipe.implementation.search_space}
        if not _trials(study, defaults):
            study.enqueue_trial(defaults, skip_if_exists=False)
        missing = n_trials - len(_ended(study))
        logger.info("%s: %d trials to go, at most %.0f s.", purpose, max(0, missing), budget_s)
        if missing > 0:
            study.optimize(objective, n_trials=missing, timeout=budget_s, callbacks=[keep])
        return _outcome(study, purpose, defaults)
    finally:
        journal.close()


def study_name(recipe: Recipe, purpose: str, folds_digest: str) -> str:
    """Name a study after all that its trials depend on, but for the code."""
    content = json.dumps(
        [recipe.to_json(), purpose, folds_digest, repr(sorted(recipe.implementation.search_space.items()))]
    )
    return f"{recipe.architecture}, {purpose}, {hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _ended(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState  # noqa: PLC0415

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _trials(study: Study, params: dict[str, Any]) -> list[FrozenTrial]:
    return [trial for trial in _ended(study) if trial.params == params]


def _outcome(study: Study, purpose: str, defaults: dict[str, Any]) -> Search:
    """Tell what came of a study; without a single whole trial the defaults stand."""
    ended = _ended(study)
    whole = [trial for trial in ended if trial.state.name == "COMPLETE"]
    of_defaults = next((trial.value for trial in _trials(study, defaults) if trial.value is not None), None)
    best = max(whole, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)
    return Search(
        purpose=purpose,
        n_trials=len(ended),
        n_pruned=len(ended) - len(whole),
        default_value=of_defaults or 0.0,
        best_value=(best.value if best else None) or 0.0,
        params={} if best is None or best.params == defaults else dict(best.params),
    )
