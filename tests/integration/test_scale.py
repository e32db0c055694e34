"""The campaign that times the cookbook on millions of labels, on thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.planting import rows
from tests.integration.test_summaries import snapshot
from tests.scale import campaign, estate

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from heartwave_tasks.stores.predictions import PredictionStore
    from tests.integration.conftest import DatabaseUrls


def test_a_small_estate_is_like_one_that_was_scored(
    store: PredictionStore, database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Copied scorings have the summaries that scoring derives; every recipe runs, and its plan is told in words."""
    monkeypatch.setattr(estate, "DAY_BEATS", 2_000)
    monkeypatch.setattr(estate, "HALF_HOUR_BEATS", 200)
    monkeypatch.setattr(estate, "MONTHS", 3)

    *_, n_rows = estate.fill(store, database.owner, estate.plan(40_000))

    ((n_labels, n_ledger),) = rows(
        database.superuser,
        "SELECT (SELECT count(*) FROM heartwave.labels), "
        "(SELECT sum(n_labels) FROM heartwave.scorings WHERE labels_dropped_at IS NULL)",
    )
    assert n_labels == n_ledger == n_rows == 40_000
    before = snapshot(database)
    rows(database.writer, "SELECT heartwave.finish_scoring(revision_id, model_version_id) FROM heartwave.scorings")
    assert snapshot(database) == before
    told = {name: campaign.explain(database.owner, name, query, tmp_path) for name, query in campaign.queries()}
    measured = [campaign.measure(database.reader, name, query, 1) for name, query in campaign.queries()]
    assert told["burden_per_recording"] == "summaries only"
    assert told["(all beats of one day)"].startswith("Index Scan of 1 partition")
    assert told["(all beats of one day)"].endswith("(2 not touched)")
    assert told["review_queue"].startswith("by a function, ")
    in_order = _pages_of_the_least_confident(database)
    rows(database.superuser, "ALTER FUNCTION heartwave.least_confident_beats(integer) RESET enable_sort")
    assert in_order < 0.8 * _pages_of_the_least_confident(database)
    assert {found.name for found in measured if not found.n_rows} <= {
        "(one hour of it)",
        "champion_evaluation",
        "drift_of_the_last_night",
        "frequent_ventricular_beats",
        "hardest_patients",
        "held_recordings",
        "longest_pauses",
        "quarantined_recordings",
    }


def _pages_of_the_least_confident(database: DatabaseUrls) -> int:
    """Count the pages that are read for the first of the queue, whose function's own plan PostgreSQL does not tell."""
    query = "SELECT * FROM heartwave.least_confident_beats(1)"
    # Pages here and there are made dear, as they are where labels are many; and it is run once before, so that only
    # labels are counted and not what the catalogue says of them.
    explained = f"SET random_page_cost = 1000; {query}; EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}"
    ((plans,),) = rows(database.superuser, explained)
    plan = plans[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
