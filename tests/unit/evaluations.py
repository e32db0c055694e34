"""Beats, models and evaluations that tests of protocols, evaluations and reports are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES, aami_classes, heartwave5_classes, is_beat
from heartwave_tasks.models.evaluation import Evaluation, evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHAPES = {"N": (1000, 6), "A": (900, 4), "V": (-1500, 18), "F": (1300, 12), "/": (700, 25), " ": (1000, 6)}
"""Height in µV and width in samples of a beat's wave, by annotation symbol."""


def beats_of(symbols_by_recording: Mapping[str, str], *, seed: int = 0) -> Beats:
    """Make recordings with one beat for every annotation symbol of a string, of the height and width of its class."""
    generator = np.random.default_rng(seed)
    return Beats.concatenate([_recording(name, text, generator) for name, text in symbols_by_recording.items()])


def _recording(name: str, text: str, generator: np.random.Generator) -> Beats:
    n = len(text)
    symbols = np.array([symbol if symbol != " " else "" for symbol in text], dtype="<U1")
    time = 1.0 + 0.8 * np.arange(n)
    height, width = np.array([SHAPES.get(symbol, (300, 20)) for symbol in symbols], np.float64).T[:, :, None]
    wave = height * np.exp(-(((np.arange(187) - 93) / width) ** 2))
    return Beats(
        recording_id=np.full(n, name),
        r_peak_sample=(360 * time).astype(np.int64),
        time_s=time,
        is_beat=is_beat(symbols) | (symbols == ""),
        symbol=symbols,
        reference=aami_classes(symbols),
        heartwave5=heartwave5_classes(symbols),
        window=(wave + generator.normal(0, 40, (n, 187))).astype(np.int16),
        second_window=np.zeros((n, 187), np.int16),
        has_second_lead=np.zeros(n, np.bool_),
        rr_previous_s=np.full(n, 0.8, np.float32),
        rr_next_s=np.full(n, 0.8, np.float32),
        quality=np.ones(n, np.float32),
        second_quality=np.full(n, np.nan, np.float32),
        is_classifiable=np.ones(n, np.bool_),
        context=generator.normal(size=(n, len(CONTEXT_FEATURES))).astype(np.float32),
    )


def evaluation_of(
    confusions: Mapping[str, NDArray[np.integer] | list[list[int]]],
    *,
    protocol: str = "patient_folds",
    patients: Mapping[str, str] | None = None,
    confidence: float = 0.9,
) -> Evaluation:
    """Evaluate answers that give the confusion matrices asked for, all with the same confidence.

    Equal row sums mean equal test rows, as every recording's beats are put in the order of their reference class.
    """
    parts = []
    for name, confusion in confusions.items():
        full = np.zeros((5, 5), np.int64)
        matrix = np.asarray(confusion)
        full[: len(matrix), : len(matrix)] = matrix
        reference, called = (np.repeat(np.indices((5, 5))[axis].ravel(), full.ravel()) for axis in (0, 1))
        parts.append((np.full(len(reference), name, dtype="<U80"), reference, called, np.arange(len(reference))))
    recording_id, reference, called, r_peak = (np.concatenate(column) for column in zip(*parts, strict=True))
    probabilities = np.full((len(called), 5), (1 - confidence) / 4, np.float32)
    probabilities[np.arange(len(called)), called] = confidence
    patient = np.array([(patients or {}).get(str(name), str(name)) for name in recording_id])
    return evaluate(
        protocol=protocol,
        scheme="aami",
        reference=reference,
        probabilities=probabilities,
        recording_id=recording_id,
        patient=patient,
        r_peak_sample=r_peak,
    )


@dataclass(frozen=True)
class NearestWindow:
    """A real, tiny model: the class whose mean training window is nearest. It learns only from what it is shown."""

    centres: NDArray[np.float64]
    architecture: str = "nearest_window"
    classes: tuple[str, ...] = CLASSES

    @classmethod
    def train(cls, beats: Beats) -> NearestWindow:
        """Average the windows of every class."""
        rows = beats.is_beat & (beats.reference >= 0)
        windows, reference = beats.window[rows].astype(np.float64), beats.reference[rows]
        nowhere = np.full(windows.shape[1], 1e6)
        return cls(
            np.array(
                [
                    windows[reference == index].mean(axis=0) if (reference == index).any() else nowhere
                    for index in range(5)
                ]
            )
        )

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Turn distances into probabilities."""
        assert (beats.reference == -1).all(), "a model must not see the reference of what it is asked"
        assert (beats.heartwave5 == -1).all()
        assert (beats.symbol == "").all()
        distance = np.linalg.norm(beats.window[:, None].astype(np.float64) - self.centres, axis=2)
        weight = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 100)
        return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)

    def files(self) -> dict[str, bytes]:
        """Nothing is kept."""
        return {}
