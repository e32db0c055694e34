"""Versions: what models there are, and which one somebody means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heartwave_tasks.models import gate
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.registry import CHAMPION, Registry

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import EvaluationRows, RegisteredModel


class NoSuchVersionError(ValueError):
    """Nobody knows the version that was asked for; the message says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """A version, the aliases that point at it, and its figures on patients it has not seen, None without them."""

    model: RegisteredModel
    aliases: tuple[str, ...]
    evaluation: EvaluationRows | None


def list_versions(settings: Settings) -> list[VersionSummary]:
    """List all versions of the registered model, the newest first."""
    aliases = {name: version for name, version in Registry(settings).aliases().items() if name != CHAMPION}
    with PredictionStore(settings.require_database_url()) as store:
        champion = store.champion()
        found = [model for model in store.model_versions() if model.model_name == settings.model_name]
        return [
            VersionSummary(
                model=model,
                # Who is champion, Postgres knows first.
                aliases=(
                    *((CHAMPION,) if model == champion else ()),
                    *sorted(name for name, version in aliases.items() if version == model.version),
                ),
                evaluation=store.evaluation(model.model_version_id, gate.PROTOCOL),
            )
            for model in found
        ]


def find_version(settings: Settings, named: str) -> RegisteredModel:
    """Find a version by number or alias; '' is the champion.

    Raises
    ------
    NoSuchVersionError
        If there is none, or the alias points at nothing.
    """
    with PredictionStore(settings.require_database_url()) as store:
        if named in {"", CHAMPION}:
            found = store.champion()
            if found is None:
                msg = "There is no champion yet; run retrain_models first, or name a version: NAME@VERSION."
                raise NoSuchVersionError(msg)
            if found.model_name != settings.model_name:
                msg = f"The champion is of {found.model_name}, not of {settings.model_name}; name one of its versions."
                raise NoSuchVersionError(msg)
            return found
        version = int(named) if named.isdecimal() else Registry(settings).aliases().get(named)
        found = None if version is None else store.model_version(settings.model_name, version)
        if found is None:
            msg = f"There is no {settings.model_name}@{named}. `heartwave models` lists versions and aliases."
            raise NoSuchVersionError(msg)
        return found
