"""The one interface every heartbeat model has, and the list of architectures by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.search_space import SearchSpace

Param: TypeAlias = bool | int | float | str
Params: TypeAlias = Mapping[str, Param]
Progress: TypeAlias = Callable[[float, str], None]


class BeatModel(Protocol):
    """A trained model: beats in, class probabilities out, and its own files."""

    @property
    def architecture(self) -> str:
        """Name in `ARCHITECTURES`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities' columns."""

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Probabilities (n, 5), rows summing to 1; `beats` hold whole recordings, marks are answered too."""

    def files(self) -> dict[str, bytes]:
        """Everything the model is made of, by file name, in formats that run no code when read."""


class ArchitectureModule(Protocol):
    """What a module that implements an architecture offers."""

    DEFAULT_PARAMS: Params
    SEARCH_SPACE: SearchSpace

    def train(
        self, beats: Beats, *, groups: NDArray[np.str_], seed: int, params: Params, progress: Progress
    ) -> BeatModel:
        """Train on rows that are beats and have a reference class."""

    def load(self, files: Mapping[str, bytes]) -> BeatModel:
        """Rebuild a model from its `BeatModel.files`."""


class TrainingError(ValueError):
    """A model cannot be trained as asked; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Architecture:
    """A way to train heartbeat models; its module is imported when it is first used, as some are heavy.

    `reads_windows` says whether its models look at the beats' samples, or at their features alone.
    """

    name: str
    description: str
    module: str
    reads_windows: bool = True

    @property
    def default_params(self) -> Params:
        """Every parameter `train` accepts, with its tuned default."""
        return self._implementation.DEFAULT_PARAMS

    @property
    def search_space(self) -> SearchSpace:
        """Which of `default_params` are tuned, and within which bounds."""
        return self._implementation.SEARCH_SPACE

    def train(
        self,
        beats: Beats,
        *,
        groups: NDArray[np.str_],
        seed: int,
        params: Params | None = None,
        progress: Progress | None = None,
    ) -> BeatModel:
        """Train a model on the annotated beats among `beats`.

        Parameters
        ----------
        beats
            Whole recordings; rows that are not beats or have no reference class are left out of training.
        groups
            (n,) patient of every row; nothing is ever fitted and calibrated on the same patient.
        seed
            Same beats, seed and parameters give a model with identical predictions.
        params
            Replaces some of `default_params`.
        progress
            Called with a share in [0, 1] and a sentence.

        Raises
        ------
        TrainingError
            If a parameter is unknown, or the annotated beats have fewer than two classes or two patients.
        """
        unknown = sorted(set(params or ()) - set(self.default_params))
        if unknown:
            msg = f"{self.name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(self.default_params))}."
            raise TrainingError(msg)
        if groups.shape != (len(beats),):
            msg = f"groups has shape {groups.shape}; one patient for each of the {len(beats)} rows is needed."
            raise TrainingError(msg)
        rows = beats.is_beat & (beats.reference >= 0)
        found = np.unique(beats.reference[rows])
        if len(found) < 2:  # noqa: PLR2004 - a classifier needs two classes
            names = ", ".join(CLASSES[index] for index in found) or "none"
            msg = f"Annotated beats of at least two classes are needed to train {self.name}; found: {names}."
            raise TrainingError(msg)
        patients = np.unique(groups[rows])
        if len(patients) < 2:  # noqa: PLR2004 - calibration needs patients that were not trained on
            msg = f"Annotated beats of at least two patients are needed to train {self.name}; found {len(patients)}."
            raise TrainingError(msg)
        return self._implementation.train(
            beats,
            groups=groups,
            seed=seed,
            params={**self.default_params, **(params or {})},
            progress=progress or (lambda _share, _sentence: None),
        )

    def load(self, files: Mapping[str, bytes]) -> BeatModel:
        """Rebuild a trained model from its files; no code from a file is run."""
        return self._implementation.load(files)

    @property
    def _implementation(self) -> ArchitectureModule:
        return cast("ArchitectureModule", import_module(self.module))


ARCHITECTURES: Final = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="relative",
            description="XGBoost on features relative to the recording; built for patients never seen.",
            module="heartwave_tasks.models.relative",
            reads_windows=False,
        ),
        Architecture(
            name="convxgb",
            description="A convolutional network's values of both leads, with timing, told by XGBoost.",
            module="heartwave_tasks.models.convxgb",
        ),
        Architecture(
            name="xgb_features",
            description="XGBoost on samples of both leads, 36 engineered features and timing.",
            module="heartwave_tasks.models.xgb_features",
        ),
        Architecture(
            name="cnn_mlp",
            description="A convolutional network on both leads joined with a dense one on features and timing.",
            module="heartwave_tasks.models.cnn_mlp",
        ),
    )
}
"""Every architecture by name."""
