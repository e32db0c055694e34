"""Tonight: what arrived, what was labelled, what waits, and how the last nights went."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from heartwave_tasks.page.database import Data

router = APIRouter(prefix="/data", tags=["tonight"])

NIGHTS: Final = 112
"""Nights in the calendar: sixteen weeks."""


@router.get("/tonight")
def tell_tonight(data: Data) -> dict[str, Any]:
    """Tell how things stand: counts, the champion and its figures on patients it had not seen, and quarantine."""
    return {
        "counts": data.row(
            """
            SELECT
                count(*) AS n_recordings,
                count(*) FILTER (WHERE ingested_at > now() - interval '24 hours') AS n_arrived,
                count(*) FILTER (WHERE NOT labelled_by_champion) AS n_waiting,
                coalesce(sum(n_beats), 0) AS n_beats,
                coalesce(sum(duration_s), 0) AS duration_s
            FROM current_recordings
            """
        ),
        # A recording that was labelled again, by another version or with other content, still has each beat once.
        "labelled": data.row(
            """
            SELECT count(*) AS n_recordings, coalesce(sum(n_labels), 0) AS n_beats,
                coalesce(sum(n_written), 0)::bigint AS n_labels,
                coalesce(sum(n_unclassifiable), 0)::bigint AS n_unclassifiable, max(committed_at) AS last_at
            FROM (
                SELECT DISTINCT ON (recording_id) recording_id, n_labels, committed_at,
                    sum(n_labels) OVER (PARTITION BY recording_id) AS n_written
                FROM scoring_ledger WHERE committed_at > now() - interval '24 hours'
                ORDER BY recording_id, committed_at DESC
            ) AS newest LEFT JOIN recording_burden USING (recording_id)
            """
        ),
        "nights": data.rows(
            """
            SELECT night, count(*) AS n_recordings, sum(n_beats) AS n_beats
            FROM (
                SELECT night, recording_id, max(n_labels) AS n_beats
                FROM scoring_ledger WHERE night > current_date - :nights GROUP BY night, recording_id
            ) AS labelled
            GROUP BY night ORDER BY night
            """,
            nights=NIGHTS,
        ),
        "quarantine": data.rows(
            """
            SELECT recording_id, code, reason, remedy, first_seen_at, last_seen_at,
                count(*) OVER () AS n_found
            FROM current_quarantine ORDER BY last_seen_at DESC LIMIT 20
            """
        ),
        "held": data.rows(
            """
            SELECT held_id, recording_id, model_version, n_labels, reasons, held_at, count(*) OVER () AS n_found
            FROM current_held WHERE is_current_revision ORDER BY held_at DESC LIMIT 20
            """
        ),
        "drift": data.columns(
            """
            SELECT d.night, d.class, d.n_beats, d.share, d.change
            FROM class_drift AS d JOIN champion USING (model_name, model_version)
            WHERE d.night > current_date - :nights ORDER BY d.night, d.class
            """,
            nights=NIGHTS,
        ),
        "population": data.rows(
            """
            SELECT d.night, d.kind, d.name, d.psi, d.threshold, d.is_alarming, d.n_recordings
            FROM population_drift AS d JOIN champion USING (model_name, model_version)
            WHERE d.night = (SELECT max(night) FROM population_drift JOIN champion USING (model_name, model_version))
                AND (d.kind = 'labels' OR d.is_alarming)
            ORDER BY d.kind DESC, d.psi DESC LIMIT 12
            """
        ),
        "challenger": data.row(
            """
            SELECT c.challenger_version AS model_version, c.challenger_architecture AS architecture, c.compared_at,
                c.reasons
            FROM model_comparison AS c
            WHERE c.comparison_id = (SELECT max(comparison_id) FROM model_comparison)
                AND c.passed AND c.approved IS NULL
                AND NOT EXISTS (SELECT FROM model_promotions AS p WHERE p.comparison_id = c.comparison_id)
            LIMIT 1
            """
        ),
        "champion": data.row("SELECT * FROM champion"),
        "figures": data.rows(
            """
            SELECT c.class, c.sensitivity, c.sensitivity_low, c.sensitivity_high, c.positive_predictivity,
                c.positive_predictivity_low, c.positive_predictivity_high, c.n_beats
            FROM model_evaluation_by_class AS c JOIN champion USING (model_name, model_version)
            WHERE c.protocol = 'patient_folds' ORDER BY c.class
            """
        ),
        "evaluation": data.row(
            """
            SELECT e.accuracy, e.nsv_mean_f1, e.n_recordings, e.n_beats FROM model_leaderboard AS e
            WHERE e.is_champion AND e.protocol = 'patient_folds'
            """
        ),
        "heaviest": data.rows(
            """
            SELECT recording_id, ventricular_percent, n_ventricular, n_beats, in_training_set, scored_at
            FROM recording_burden WHERE ventricular_percent > 10 ORDER BY ventricular_percent DESC LIMIT 6
            """
        ),
    }
