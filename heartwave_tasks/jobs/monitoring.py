"""Monitoring: what a night's labelling gives people reason to look at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.models.population import Population, psi
from heartwave_tasks.stores.monitoring_tables import DriftFigure
from heartwave_tasks.stores.predictions import PredictionStore

if TYPE_CHECKING:
    from datetime import date

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.monitoring_tables import NightCounts

logger = logging.getLogger(__name__)

# Nights are small, and beats of one patient alike: of recordings drawn at random from the training population itself,
# the greatest index of all features stays below this over their number, and that of the classes below the second, in
# 99 of 100 draws (MIT-BIH, 200 draws of 5 to 100 recordings each: 17 to 23, and 4 to 11).
FEATURE_NOISE: Final = 23.0
LABEL_NOISE: Final = 11.0
_MOST_NAMES: Final = 5


def watch_night(settings: Settings, night: date) -> list[str]:
    """Measure how far a night is from what the champion learnt from, store it, and return what is alarming.

    Beats are compared feature by feature, labels by the shares of their classes, by the population stability index; an
    alert is raised above a threshold that is the higher the fewer recordings there are. Doing it again gives the same.

    Returns
    -------
    list[str]
        Sentences for people; none names a recording.
    """
    with PredictionStore(settings.require_database_url()) as store:
        champion = store.champion()
        if champion is None:
            return []
        counts = store.night_counts(night, champion.model_version_id)
        text = store.population(champion.model_version_id)
        if counts is None:
            logger.info("%s version %d labelled nothing in the night %s.", champion.model_name, champion.version, night)
            return []
        figures = []
        population = Population.from_json(text) if text else None
        if population is None:
            logger.warning(
                "Version %d was registered before training populations were kept, or before beats had these features: "
                "its drift cannot be measured. The next retraining mends that.",
                champion.version,
            )
        else:
            figures = measure(settings, population, counts)
            store.save_drift(night, champion.model_version_id, figures)
    return describe(night, counts, figures)


def measure(settings: Settings, population: Population, counts: NightCounts) -> list[DriftFigure]:
    """Compare a night with a training population: one figure for the labels, then one for each feature."""

    def judge(kind: str, name: str, value: float, noise: float) -> DriftFigure:
        threshold = max(settings.drift_psi, noise / counts.n_recordings)
        return DriftFigure(
            kind=kind,
            name=name,
            psi=float(value),
            n_recordings=counts.n_recordings,
            threshold=threshold,
            is_alarming=bool(value > threshold),
        )

    labels = psi(np.array(population.class_shares), counts.class_shares)
    figures = [judge("labels", "class", float(labels), LABEL_NOISE)]
    if counts.feature_shares is not None:
        features = psi(np.array(population.feature_shares), counts.feature_shares)
        figures += [
            judge("feature", name, value, FEATURE_NOISE)
            for name, value in zip(population.features, features, strict=True)
        ]
    return figures


def describe(night: date, counts: NightCounts, figures: list[DriftFigure]) -> list[str]:
    """Say in sentences what of a night people should look at, and how."""
    told = []
    if counts.n_held:
        told.append(
            f"Of {counts.n_recordings} recordings of the night {night}, the labels of {counts.n_held} look implausible "
            "and are held back: heartwave held list."
        )
    alarming = sorted((figure for figure in figures if figure.is_alarming), key=lambda figure: -figure.psi)
    told.extend(
        f"The classes of the night {night} are distributed unlike those the champion learnt from "
        f"(PSI {figure.psi:.2f}, alarming from {figure.threshold:.2f}): the view class_drift shows how."
        for figure in alarming
        if figure.kind == "labels"
    )
    moved = [figure for figure in alarming if figure.kind == "feature"]
    if moved:
        names = ", ".join(f"{figure.name} {figure.psi:.2f}" for figure in moved[:_MOST_NAMES])
        more = f" and {len(moved) - _MOST_NAMES} more" if len(moved) > _MOST_NAMES else ""
        told.append(
            f"Beats of the night {night} look unlike those the champion learnt from: PSI {names}{more}, alarming from "
            f"{moved[0].threshold:.2f}; the view population_drift has all of them."
        )
    return told
