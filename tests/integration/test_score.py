"""Scoring: how the night's work is shared out."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.jobs import score
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter

NIGHT = date(2026, 1, 1)


def test_tasks_stay_few_however_many_recordings(plant: Planter, database: DatabaseUrls) -> None:
    """A run is shared out to no more tasks than the settings allow, evenly, every recording once."""
    ids = {plant.recording(f"clinic/{number:03d}", 1_000 + number) for number in range(120)}
    plant.model(1, promoted=True)
    settings = Settings(database_url=database.writer, shard_beats=2_000, max_shards=7)

    shards = score.plan(settings, NIGHT)

    assert len(shards) == 7
    assert sorted(revision for shard in shards for revision in shard.revision_ids) == sorted(ids)
    assert max(shard.n_beats for shard in shards) < 1.1 * min(shard.n_beats for shard in shards)


def test_a_small_night_is_one_task(plant: Planter, database: DatabaseUrls) -> None:
    """A task costs about half a second by itself: a few beats are not shared out."""
    plant.recording("clinic/1", 1_000)
    plant.recording("clinic/2", 1_000)
    plant.model(1, promoted=True)

    assert len(score.plan(Settings(database_url=database.writer), NIGHT)) == 1


def test_without_a_champion_nobody_scores(database: DatabaseUrls) -> None:
    """Before the first promotion there is nothing to label with, and the error says what to do."""
    with pytest.raises(score.NoChampionError, match="retrain_models"):
        score.plan(Settings(database_url=database.writer), NIGHT)
