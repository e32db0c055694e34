"""Plausibility: whether a recording's labels can be true, before anybody relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.label_batch import LabelBatch

LEAST_BEATS: Final = 50
"""Of fewer, a share says nothing."""


def find_doubts(settings: Settings, labels: LabelBatch, n_unclassifiable: int = 0) -> list[str]:
    """Say in sentences why a recording's labels look implausible; nothing where they do not.

    Parameters
    ----------
    labels
        The model's labels of the recording's heartbeats.
    n_unclassifiable
        Heartbeats where the signal shows nothing that could be classified.

    Returns
    -------
    list[str]
        Each with the figure found and the setting that allows less. Without a recording's name: they may be told.
    """
    n_beats = max(len(labels), n_unclassifiable)
    if n_beats < LEAST_BEATS:
        return []
    doubts = []
    unclassifiable = n_unclassifiable / n_beats
    if unclassifiable > settings.gate_unclassifiable_share:
        doubts.append(
            f"{_percent(unclassifiable)} of the beats cannot be classified, more than "
            f"{_percent(settings.gate_unclassifiable_share)} (HEARTWAVE_GATE_UNCLASSIFIABLE_SHARE)."
        )
    if len(labels) < LEAST_BEATS:
        return doubts
    for name, class_name, n_labels in zip(CLASSES, CLASS_NAMES, labels.class_counts(), strict=True):
        allowed = settings.gate_class_shares.get(name, 1.0)
        share = n_labels / len(labels)
        if share > allowed:
            doubts.append(
                f"{_percent(share)} of the beats are labelled {class_name}, more than {_percent(allowed)} "
                "(HEARTWAVE_GATE_CLASS_SHARES)."
            )
    confidence = float(labels.confidence.mean())
    if confidence < settings.gate_mean_confidence:
        doubts.append(
            f"The model is {_percent(confidence)} sure on average, less than "
            f"{_percent(settings.gate_mean_confidence)} (HEARTWAVE_GATE_MEAN_CONFIDENCE)."
        )
    return doubts


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
