"""Every cookbook query, run as the analyst on four small recordings whose answers are known."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg2
import pytest

from heartwave_tasks.stores.database import SQL_DIRECTORY
from heartwave_tasks.stores.monitoring_tables import DriftFigure
from heartwave_tasks.stores.predictions import ClassEvaluation, EvaluationRows, QuarantineRow, RecordingEvaluation
from tests.integration.planting import labels_of, scoring_row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter

RECIPES = sorted((SQL_DIRECTORY / "cookbook").glob("*.sql"))
D = Decimal

# Name of the recipe: (columns, rows).
EXPECTED: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "agreement_with_reference": (
        "reference n_beats labelled_n labelled_s labelled_v labelled_f labelled_q sensitivity_percent",
        [
            ("N", 4, 4, 0, 0, 0, 0, D("100.0")),
            ("S", 1, 1, 0, 0, 0, 0, D("0.0")),
            ("V", 5, 0, 0, 5, 0, 0, D("100.0")),
        ],
    ),
    "bigeminy": (
        "recording_id start_s end_s n_ventricular n_beats",
        [("clinic/b", D("0.50"), D("3.50"), 3, 7)],
    ),
    "beats_two_versions_disagree_on": (
        "recording_id r_peak_sample time_s class_a class_b reference",
        [
            ("clinic/a", second * 360, D(f"{second}.00"), "V", "N", reference)
            for second, reference in ((3, "V"), (4, "V"), (7, "V"), (8, "V"), (9, "V"))
        ],
    ),
    "burden_per_recording": (
        (
            "recording_id n_beats n_supraventricular n_ventricular supraventricular_percent ventricular_percent "
            "in_training_set"
        ),
        [
            ("clinic/a", 10, 0, 5, D("0.00"), D("50.00"), False),
            ("clinic/b", 12, 1, 5, D("8.33"), D("41.67"), False),
            ("clinic/c", 5, 0, 0, D("0.00"), D("0.00"), True),
        ],
    ),
    "champion_evaluation": (
        "protocol class_name n_beats sensitivity_percent positive_predictivity_percent f1_percent",
        [
            ("ds1_ds2", "normal", 90, D("99.0"), D("95.5"), D("97.2")),
            ("ds1_ds2", "ventricular", 10, D("50.0"), None, D("60.0")),
        ],
    ),
    "class_drift": (
        "night model class percent points_from_usual",
        [
            (date(2026, 3, 2), "heartwave 1", "N", D("58.82"), D("8.82")),
            (date(2026, 3, 2), "heartwave 1", "S", D("5.88"), D("5.88")),
            (date(2026, 3, 2), "heartwave 1", "V", D("29.41"), D("-20.59")),
            (date(2026, 3, 2), "heartwave 1", "F", D("0.00"), D("0.00")),
            (date(2026, 3, 2), "heartwave 1", "Q", D("5.88"), D("5.88")),
            (date(2026, 3, 2), "heartwave 2", "N", D("100.00"), None),
            *((date(2026, 3, 2), "heartwave 2", name, D("0.00"), None) for name in "SVFQ"),
            (date(2026, 2, 28), "heartwave 1", "N", D("50.00"), None),
            (date(2026, 2, 28), "heartwave 1", "S", D("0.00"), None),
            (date(2026, 2, 28), "heartwave 1", "V", D("50.00"), None),
            *((date(2026, 2, 28), "heartwave 1", name, D("0.00"), None) for name in "FQ"),
            *((date(2026, 1, 5), "heartwave 1", name, D(f"{100 * (name == 'V')}.00"), None) for name in "NSVFQ"),
        ],
    ),
    "drift_of_the_last_night": (
        "night model_version kind name psi threshold is_alarming n_recordings",
        [(date(2026, 3, 2), 1, "labels", "class", D("0.400"), D("0.250"), True, 60)],
    ),
    "frequent_ventricular_beats": (
        "recording_id n_ventricular n_beats ventricular_percent hours",
        [("clinic/a", 5, 10, D("50.0"), D("0.50")), ("clinic/b", 5, 12, D("41.7"), D("0.50"))],
    ),
    "hardest_patients": (
        "protocol recording_id n_ectopic_beats n_found found_percent",
        [("ds1_ds2", "clinic/y", 4, 1, D("25.0")), ("ds1_ds2", "clinic/x", 6, 4, D("66.7"))],
    ),
    "heart_rate_per_recording": (
        "recording_id n_intervals mean_bpm slow_bpm fast_bpm",
        [
            ("clinic/a", 9, D("60.0"), D("60.0"), D("60.0")),
            # Ten intervals of 0.5 s and one of 3.5 s: 11 beats in 8.5 s. The 1st percentile of eleven lies a tenth
            # of the way from the slowest (17.1 bpm) to the next (120).
            ("clinic/b", 11, D("77.6"), D("27.4"), D("120.0")),
            ("clinic/c", 3, D("60.0"), D("60.0"), D("60.0")),
        ],
    ),
    "held_recordings": (
        "held_id recording_id model n_labels reasons",
        [(1, "clinic/d", "heartwave 1", 2, "100 % of the beats are V.")],
    ),
    "hourly_burden": (
        "recording_id hour n_beats heart_rate_bpm supraventricular_percent ventricular_percent",
        [
            ("clinic/a", 0, 10, D(60), D("0.00"), D("50.00")),
            ("clinic/b", 0, 12, D(78), D("8.33"), D("41.67")),
            ("clinic/c", 0, 3, D(60), D("0.00"), D("0.00")),
            ("clinic/c", 1, 2, D(60), D("0.00"), D("0.00")),
        ],
    ),
    "labels_per_night": (
        (
            "night model_name model_version n_recordings n_labels normal_percent supraventricular_percent "
            "ventricular_percent fusion_percent unknown_or_paced_percent"
        ),
        [
            (date(2026, 3, 2), "heartwave", 1, 2, 17, D("58.8"), D("5.9"), D("29.4"), D("0.0"), D("5.9")),
            (date(2026, 3, 2), "heartwave", 2, 1, 10, D("100.0"), D("0.0"), D("0.0"), D("0.0"), D("0.0")),
            (date(2026, 2, 28), "heartwave", 1, 1, 10, D("50.0"), D("0.0"), D("50.0"), D("0.0"), D("0.0")),
            (date(2026, 1, 5), "heartwave", 1, 1, 2, D("0.0"), D("0.0"), D("100.0"), D("0.0"), D("0.0")),
        ],
    ),
    "longest_pauses": (
        "recording_id from_s to_s pause_s ended_by",
        [("clinic/b", D("3.50"), D("7.00"), D("3.50"), "S")],
    ),
    "models_compared": (
        "model_a model_b n_beats agreement_percent only_a_right only_b_right",
        [("heartwave 1", "heartwave 2", 10, D("50.00"), 5, 0)],
    ),
    "quarantined_recordings": (
        "recording_id code reason remedy first_seen_at",
        [("../../x", "bad_name", "The name climbs out of the bucket.", "Rename it.", ...)],
    ),
    "review_queue": (
        "recording_id r_peak_sample time_s class_name confidence second_choice",
        [("clinic/c", 3602 * 360, D("3602.00"), "unknown or paced", D("0.400"), "F")],
    ),
    "scoring_runs": (
        "dag_run_id night model code_version n_recordings n_labels n_held duration_s labels_per_s inputs labels",
        [
            ("manual__2026", date(2026, 1, 5), "heartwave 1", "0.1.0", 1, 2, 1, ..., ..., ..., ...),
            ("manual__2026", date(2026, 3, 2), "heartwave 1", "0.1.0", 2, 17, 0, ..., ..., ..., ...),
            ("manual__2026", date(2026, 3, 2), "heartwave 2", "0.1.0", 1, 10, 0, ..., ..., ..., ...),
            ("manual__2026", date(2026, 2, 28), "heartwave 1", "0.1.0", 1, 10, 0, ..., ..., ..., ...),
        ],
    ),
    "ventricular_runs": (
        "recording_id start_s n_beats kind rate_bpm",
        [
            ("clinic/a", D("7.00"), 3, "run", D(60)),
            ("clinic/a", D("3.00"), 2, "couplet", D(60)),
        ],
    ),
    "ventricular_runs_by_islands": (
        "recording_id start_s n_beats rate_bpm",
        [("clinic/a", D("7.00"), 3, D(60))],
    ),
}


@pytest.fixture
def analysed(plant: Planter, database: DatabaseUrls) -> DatabaseUrls:
    """A database with three labelled recordings, two model versions, an evaluation and a refused recording."""
    champion = plant.model(1, trained_on=["clinic/c"], promoted=True)
    challenger = plant.model(2)
    a, b, c = (plant.recording(f"clinic/{name}", n_beats) for name, n_beats in (("a", 10), ("b", 12), ("c", 5)))
    every_second = list(range(1, 11))
    reference = "NNVVNNVVVS"
    plant.score(a, champion, labels_of("NNVVNNVVVN", every_second, reference), date(2026, 2, 28))
    plant.score(a, challenger, labels_of("NNNNNNNNNN", every_second, reference), date(2026, 3, 2))
    paused = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 7, 7.5, 8, 8.5, 9]
    plant.score(b, champion, labels_of("NVNVNVNSNVNV", paused), date(2026, 3, 2))
    interrupted = labels_of("NNNNQ", [1, 2, 3, 3601, 3602], "NNNNN")
    interrupted.rr_previous_s[3] = np.nan  # no beats were recorded in between: that is no pause
    interrupted.probabilities[4] = 0.15, 0.1, 0.1, 0.25, 0.4
    interrupted.confidence[4] = 0.4
    plant.score(c, champion, interrupted, date(2026, 3, 2))
    d = plant.recording("clinic/d", 2)
    plant.store.save_labels(
        scoring_row(d, champion, date(2026, 1, 5)), labels_of("VV", [1, 2]), ["100 % of the beats are V."]
    )
    figure = DriftFigure(kind="labels", name="class", psi=0.4, n_recordings=60, threshold=0.25, is_alarming=True)
    plant.store.save_drift(date(2026, 3, 2), champion, [figure])
    plant.store.save_evaluation(
        EvaluationRows(
            model_version_id=champion,
            protocol="ds1_ds2",
            n_beats=100,
            n_recordings=2,
            accuracy=0.9,
            macro_f1=0.8,
            weighted_f1=0.9,
            nsv_mean_f1=0.7,
            cohen_kappa=0.6,
            j_kappa=0.5,
            ece=0.01,
            confusion={"N": {"N": 90}},
            classes=[
                ClassEvaluation(beat_class="N", n_beats=90, sensitivity=0.99, positive_predictivity=0.955, f1=0.972),
                ClassEvaluation(beat_class="V", n_beats=10, sensitivity=0.5, positive_predictivity=None, f1=0.6),
            ],
            recordings=[
                RecordingEvaluation(recording_id="clinic/x", beat_class="N", n_beats=60, n_found=60, n_called=62),
                RecordingEvaluation(recording_id="clinic/x", beat_class="V", n_beats=6, n_found=4, n_called=4),
                RecordingEvaluation(recording_id="clinic/y", beat_class="V", n_beats=4, n_found=1, n_called=1),
            ],
        )
    )
    plant.store.quarantine(
        QuarantineRow(
            recording_id="../../x",
            listing_fingerprint="1",
            code="bad_name",
            reason="The name climbs out of the bucket.",
            remedy="Rename it.",
        )
    )
    return database


def test_every_recipe_gives_the_known_answer(analysed: DatabaseUrls) -> None:
    """Each file runs as the reader role and returns the columns and numbers that were worked out by hand."""
    assert {path.stem for path in RECIPES} == set(EXPECTED)
    connection = psycopg2.connect(analysed.reader)
    with connection, connection.cursor() as cursor:
        for path in RECIPES:
            columns, expected = EXPECTED[path.stem]
            cursor.execute(path.read_text(encoding="utf-8"))
            found = cursor.fetchall()
            assert [column.name for column in cursor.description or ()] == columns.split(), path.name
            masked = [
                tuple(... if mask is ... else value for value, mask in zip(row, like, strict=True))
                for row, like in zip(found, expected, strict=False)
            ]
            assert masked == expected, path.name
            assert len(found) == len(expected), path.name
    connection.close()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_says_what_it_is(path: Path) -> None:
    """A recipe starts with a one-line title and a description, and is one statement."""
    title, blank, *rest = path.read_text(encoding="utf-8").splitlines()
    description = [line for line in rest if line.startswith("-- ")]
    assert title.startswith("-- ")
    assert len(title) < 70
    assert blank == "--"
    assert description
    statement = "\n".join(line for line in rest if not line.startswith("--"))
    assert statement.count(";") == 1
    assert statement.rstrip().endswith(";")
