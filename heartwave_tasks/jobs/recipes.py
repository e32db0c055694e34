"""Recipes: an architecture with everything settled that decides what its training comes to."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from heartwave_tasks.jobs.training_plan import RetrainError
from heartwave_tasks.models.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.models.architectures import Architecture, BeatModel, Params, Progress
    from heartwave_tasks.settings import Settings

    Fit = Callable[[Beats, np.ndarray[tuple[int], np.dtype[np.str_]], Progress], BeatModel]

logger = logging.getLogger(__name__)

RECIPE: Final = "recipe.json"
"""Where a version's run keeps its recipe."""

_REPORT_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Same beats and same recipe give the same model.

    Attributes
    ----------
    architecture, seed
        Which, and of all that is drawn.
    params
        What differs from the architecture's defaults.
    review_weight
        How often a beat that a person has reviewed counts.
    """

    architecture: str
    seed: int
    review_weight: int = 1
    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, plan: RetrainPlan, architecture: str) -> Self:
        """Return the recipe a plan asks for; architectures that do not balance classes are not told to."""
        recipe = cls(architecture=architecture, seed=plan.seed, review_weight=settings.review_weight)
        if plan.balancing is None or "balancing" not in recipe.implementation.default_params:
            return recipe
        return recipe.having({"balancing": plan.balancing})

    def having(self, params: Mapping[str, Any]) -> Self:
        """Return the recipe with some parameters changed."""
        return replace(self, params={**self.params, **params})

    @property
    def implementation(self) -> Architecture:
        """The architecture itself; raises `RetrainError` when there is none of the name."""
        found = ARCHITECTURES.get(self.architecture)
        if found is None:
            msg = f"There is no architecture {self.architecture!r}; there are {', '.join(ARCHITECTURES)}."
            raise RetrainError(msg)
        return found

    @property
    def all_params(self) -> Params:
        """Every parameter of the training."""
        return {**self.implementation.default_params, **self.params}

    def fit(self, reviewed: ReviewedBeats) -> Fit:
        """Return what trains a model by this recipe on beats, given each row's patient."""
        architecture = self.implementation

        def train(beats: Beats, groups: np.ndarray[tuple[int], np.dtype[np.str_]], progress: Progress) -> BeatModel:
            if len(reviewed):
                rows = reviewed.rows(beats, self.review_weight)
                beats, groups = beats.take(rows), groups[rows]
            return architecture.train(beats, groups=groups, seed=self.seed, params=self.params, progress=progress)

        return train

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read it back."""
        return cls(**json.loads(text))


def logged(stage: str) -> Progress:
    """Return a progress that is a line in the log every few seconds."""
    spoken = [time.monotonic()]

    def report(share: float, sentence: str) -> None:
        now = time.monotonic()
        if now - spoken[0] >= _REPORT_EVERY_S:
            spoken[0] = now
            logger.info("%s, %.0f %%: %s", stage, 100 * share, sentence)

    return report
