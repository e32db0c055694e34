"""Promotion: a challenger beside the champion, the gate's verdict, and who labels tonight."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from heartwave_tasks.models import challenge, gate
from heartwave_tasks.models.evaluation_document import from_json
from heartwave_tasks.stores import notices
from heartwave_tasks.stores.predictions import ComparisonRow, FigureComparison, PredictionStore
from heartwave_tasks.stores.registry import CHALLENGER, CHAMPION, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heartwave_tasks.jobs.registration import RegisteredVersion
    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import ModelPromotion, RegisteredModel

logger = logging.getLogger(__name__)

PAGE: Final = "/heartwave"
"""Where Airflow shows the HeartWave page."""

APPROVE: Final = "Approve"
"""What a person chooses who wants the challenger promoted."""

_LONGEST_TAG: Final = 2_000


class PromotionError(ValueError):
    """There is no such version, or nothing to go back to; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A challenger beside the champion, as the predictions store keeps it, and described for people in Markdown."""

    comparison_id: int | None
    version: int
    passed: bool
    reasons: list[str]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Whether a version became champion, and why."""

    version: int
    promoted: bool
    reasons: list[str]


def compare(settings: Settings, candidates: Sequence[RegisteredVersion], *, dag_run_id: str) -> Comparison:
    """Let the best candidate challenge the champion, and keep how they compare; once per run."""
    best = max(candidates, key=lambda candidate: (np.nan_to_num(candidate.nsv_mean_f1), -candidate.version))
    registry = Registry(settings)
    registry.set_alias(CHALLENGER, best.version)
    with PredictionStore(settings.require_database_url()) as store:
        challenger = store.model_version(settings.model_name, best.version)
        if challenger is None:
            msg = f"{settings.model_name} version {best.version} is not in the predictions store."
            raise PromotionError(msg)
        return _compare(registry, store, challenger, dag_run_id)


def promote(settings: Settings, comparison: Comparison, *, by: str, note: str = "") -> Promotion:
    """Make a challenger champion, by whoever says so; doing it again changes nothing."""
    reasons = [*comparison.reasons, *([f"{by}: {note}"] if note else [])]
    with PredictionStore(settings.require_database_url()) as store:
        version = _version(settings, store, comparison.version)
        _make_champion(
            settings, store, version, by=by, reason=" ".join(reasons), comparison_id=comparison.comparison_id
        )
    return Promotion(version=comparison.version, promoted=True, reasons=reasons)


def settle(settings: Settings, comparison: Comparison, answer: Mapping[str, Any] | None, *, run: str) -> Promotion:
    """Promote a challenger that passed the gate, unless a person was asked and said no.

    Parameters
    ----------
    answer
        What Airflow returns from a person: ``chosen_options``, ``params_input`` and ``responded_by_user``, who is
        nobody where time ran out. None where nobody was asked.
    run
        Who promotes where nobody was asked.
    """
    if answer is None:
        return promote(settings, comparison, by=run)
    by = str((answer.get("responded_by_user") or {}).get("name") or "nobody in time")
    note = str((answer.get("params_input") or {}).get("reason") or "").strip()
    approved = list(answer["chosen_options"]) == [APPROVE]
    note_decision(settings, comparison, approved=approved, by=by, note=note)
    if approved:
        return promote(settings, comparison, by=by, note=note or "no reason given")
    told = f"It was rejected by {by}: {note or 'no reason given'}."
    return Promotion(version=comparison.version, promoted=False, reasons=[told])


def note_decision(settings: Settings, comparison: Comparison, *, approved: bool, by: str, note: str) -> None:
    """Keep what a person decided about a challenger, in Postgres and on the version in MLflow."""
    if comparison.comparison_id is not None:
        with PredictionStore(settings.require_database_url()) as store:
            store.save_decision(comparison.comparison_id, approved=approved, by=by, note=note)
    word = "approved" if approved else "rejected"
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    tags = {f"{word}_by": by, f"{word}_at": moment, f"{word}_because": note or "no reason given"}
    Registry(settings).tag_version(comparison.version, {name: value[:_LONGEST_TAG] for name, value in tags.items()})
    logger.info("Version %d was %s by %s.", comparison.version, word, by)


def promote_version(settings: Settings, version: int, *, by: str, reason: str) -> Promotion:
    """Make any version champion because a person wants it; what the gate would say is kept beside it.

    Raises
    ------
    PromotionError
        If there is no such version.
    """
    with PredictionStore(settings.require_database_url()) as store:
        model = _version(settings, store, version)
        champion = store.champion()
        if champion is not None and champion.model_version_id == model.model_version_id:
            Registry(settings).set_alias(CHAMPION, version)
            return Promotion(version=version, promoted=False, reasons=[f"Version {version} is the champion already."])
        moment = datetime.now(UTC).isoformat(timespec="microseconds")
        compared = _compare(Registry(settings), store, model, f"promoted by hand {moment}")
        verdict = "The gate would have promoted it, too." if compared.passed else "The gate would not have promoted it."
        _make_champion(settings, store, model, by=by, reason=reason, comparison_id=compared.comparison_id)
    return Promotion(version=version, promoted=True, reasons=[reason, verdict, *compared.reasons])


def rollback(settings: Settings, *, by: str, reason: str, leaving: int | None = None) -> Promotion:
    """Bring back the champion before the present one; again, the one before that.

    Where `leaving` names the version to go back from, and it is champion no more, nothing but the alias is set: a
    retry does not go back twice.

    Raises
    ------
    PromotionError
        If there is none.
    """
    with PredictionStore(settings.require_database_url()) as store:
        past = standing(store.promotions())
        versions = {model.model_version_id: model for model in store.model_versions()}
        if len(past) < 2:  # noqa: PLR2004 - the present champion and one before it
            msg = "There is no earlier champion to go back to. `heartwave models` lists the versions."
            raise PromotionError(msg)
        previous, present = (versions[place] for place in past[-2:])
        if leaving not in {None, present.version}:
            Registry(settings).set_alias(CHAMPION, present.version)
            told = f"Version {leaving} is champion no more; version {present.version} is."
            return Promotion(version=present.version, promoted=True, reasons=[told])
        told = f"Back from version {present.version}: {reason}"
        _make_champion(settings, store, previous, by=by, reason=told, is_rollback=True)
    return Promotion(version=previous.version, promoted=True, reasons=[told])


def standing(promotions: Sequence[ModelPromotion]) -> list[int]:
    """Return the champions that nobody went back from, the present one last."""
    past: list[int] = []
    for promotion in promotions:
        if promotion.is_rollback:
            while past and past[-1] != promotion.model_version_id:
                past.pop()
        if not past or past[-1] != promotion.model_version_id:
            past.append(promotion.model_version_id)
    return past


def _compare(registry: Registry, store: PredictionStore, challenger: RegisteredModel, dag_run_id: str) -> Comparison:
    champion = store.champion()
    # A retry after the promotion was written finds the challenger in place: what is left is the alias.
    if champion is not None and champion.model_version_id == challenger.model_version_id:
        return Comparison(
            comparison_id=None, version=challenger.version, passed=True, reasons=["It is the champion already."]
        )
    judged = _evaluation(registry, challenger)
    rival = None if champion is None else _evaluation(registry, champion)
    if judged is None:
        reason = f"Version {challenger.version} has no evaluation under {gate.PROTOCOL}, so it cannot be judged."
        verdict = gate.Verdict(promote=champion is None, reasons=(reason,))
    elif champion is not None and rival is None:
        reason = f"The champion, version {champion.version}, has no evaluation under {gate.PROTOCOL} to compare with."
        verdict = gate.Verdict(promote=False, reasons=(reason,))
    else:
        verdict = gate.decide(judged, rival)
    logger.info("Version %d: %s", challenger.version, " ".join(verdict.reasons))
    comparison_id = store.save_comparison(
        ComparisonRow(
            model_version_id=challenger.model_version_id,
            champion_id=champion.model_version_id if champion else None,
            protocol=gate.PROTOCOL,
            dag_run_id=dag_run_id,
            n_beats=verdict.n_beats,
            n_patients=verdict.n_patients,
            passed=verdict.promote,
            reasons=" ".join(verdict.reasons),
            figures=[
                FigureComparison(
                    place=place,
                    figure=figure.name,
                    decides=figure.decides,
                    challenger=figure.challenger,
                    champion=figure.champion,
                    difference_low=figure.difference.low,
                    difference_high=figure.difference.high,
                )
                for place, figure in enumerate(verdict.figures, start=1)
            ],
        )
    )
    return Comparison(
        comparison_id=comparison_id,
        version=challenger.version,
        passed=verdict.promote,
        reasons=list(verdict.reasons),
        description=""
        if judged is None
        else challenge.describe(
            verdict,
            judged,
            rival,
            version=challenger.version,
            champion_version=champion.version if champion else None,
            page=PAGE,
        ),
    )


def _evaluation(registry: Registry, model: RegisteredModel) -> Evaluation | None:
    """Read a version's evaluation back, None where the lake did not allow the gate's protocol."""
    content = registry.find_evaluation(model.mlflow_run_id, gate.PROTOCOL)
    return None if content is None else from_json(content)


def _version(settings: Settings, store: PredictionStore, version: int) -> RegisteredModel:
    found = store.model_version(settings.model_name, version)
    if found is None:
        msg = f"There is no version {version} of {settings.model_name}. `heartwave models` lists the versions."
        raise PromotionError(msg)
    return found


def _make_champion(
    settings: Settings,
    store: PredictionStore,
    model: RegisteredModel,
    *,
    by: str,
    reason: str,
    comparison_id: int | None = None,
    is_rollback: bool = False,
) -> None:
    """Postgres first: it says who labels. The alias and tags in MLflow follow, and a retry sets them again."""
    store.promote(model.model_version_id, by, reason, comparison_id=comparison_id, is_rollback=is_rollback)
    registry = Registry(settings)
    registry.set_alias(CHAMPION, model.version)
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    registry.tag_version(
        model.version, {"promoted_by": by, "promoted_at": moment, "promoted_because": reason[:_LONGEST_TAG]}
    )
    done = "brought back" if is_rollback else "promoted"
    sentence = (
        f"{settings.model_name} version {model.version} ({model.architecture}) was {done} by {by}. "
        "HeartWave → Models has its figures and the reason."
    )
    notices.send(settings, f"Version {model.version} labels from now on", sentence, kind="success")
