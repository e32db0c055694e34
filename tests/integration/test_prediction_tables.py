"""Recordings, quarantine and models in the predictions store, against a real PostgreSQL."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.stores.predictions import (
    ClassEvaluation,
    ComparisonRow,
    ContradictionError,
    EvaluationRows,
    FigureComparison,
    FigureEvaluation,
    ModelVersionRow,
    PredictionStore,
    QuarantineRow,
    RecordingEvaluation,
)
from tests.integration.planting import labels_of, random_labels, rows, sha256

if TYPE_CHECKING:
    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter


def test_content_that_comes_back_becomes_current_again(plant: Planter, database: DatabaseUrls) -> None:
    """Content A, then B, then A again: two revisions, and A counts."""
    first = plant.recording("clinic/a", 3)
    second = plant.recording("clinic/a", 4, content_sha256=sha256("B"), listing_fingerprint="B")
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"B"}}

    again = plant.recording("clinic/a", 3, listing_fingerprint="A uploaded again")

    assert again == first != second
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"A uploaded again"}}
    assert rows(database.reader, "SELECT revision_id, n_beats FROM current_recordings") == [(first, 3)]
    assert [ref.revision_id for ref in plant.store.annotated_revisions()] == [first]


def test_a_new_segmenter_version_makes_everything_unknown(plant: Planter) -> None:
    """Recordings cut by another version of the segmenter are listed as work again."""
    plant.recording("clinic/a", 3)

    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a"}}
    assert plant.store.known_fingerprints("2") == {}


def test_the_same_content_cannot_have_other_beats(plant: Planter) -> None:
    """A segmenter that changed its results without a new version is found out."""
    plant.recording("clinic/a", 3)

    with pytest.raises(ContradictionError, match=r"clinic/a: segmenter 1 cut the same content"):
        plant.recording("clinic/a", 4)


def test_annotated_revisions_leaves_out_the_others(plant: Planter) -> None:
    """Only recordings with reference labels are offered for training."""
    plant.recording("clinic/a", 3)
    plant.recording("clinic/b", 3, annotated=False, r_peak_source="detector", second_lead=None)

    assert [ref.recording_id for ref in plant.store.annotated_revisions()] == ["clinic/a"]


def test_quarantine_ends_when_good_content_arrives(plant: Planter, database: DatabaseUrls) -> None:
    """A refused recording is known until something else arrives under its name."""
    refused = QuarantineRow(
        recording_id="clinic/a", listing_fingerprint="bad", code="truncated", reason="too short", remedy="send it again"
    )
    plant.store.quarantine(refused)
    plant.store.quarantine(dataclasses.replace(refused, reason="still too short"))
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"bad"}}
    assert rows(database.reader, "SELECT recording_id, reason FROM current_quarantine") == [
        ("clinic/a", "still too short")
    ]

    plant.recording("clinic/a", 3)
    assert rows(database.reader, "SELECT * FROM current_quarantine") == []
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a"}}

    plant.store.quarantine(refused)
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a", "bad"}}


def test_quarantine_ends_when_the_bad_content_is_taken_away(plant: Planter) -> None:
    """What is no longer listed, or listed with other content, no longer waits for somebody."""
    for name, fingerprint in (("stays", "1"), ("goes", "2"), ("changes", "3")):
        plant.store.quarantine(
            QuarantineRow(recording_id=name, listing_fingerprint=fingerprint, code="c", reason="r", remedy="m")
        )

    assert plant.store.resolve_quarantine([("stays", "1"), ("changes", "4")]) == 2
    assert plant.store.known_fingerprints("1") == {"stays": {"1"}}
    assert plant.store.resolve_quarantine([]) == 1


def test_quarantine_takes_any_name_and_reason(plant: Planter, database: DatabaseUrls) -> None:
    """Hostile names, NUL bytes, broken Unicode and endless messages are stored, not tripped over."""
    plant.store.quarantine(
        QuarantineRow(
            recording_id="../../x'; DROP TABLE labels; --",
            listing_fingerprint="\0\udcff",
            code="bad_name",
            reason="x\0y" * 10_000,
            remedy="%s %(x)s {}",
        )
    )

    ((name, reason, remedy),) = rows(database.reader, "SELECT recording_id, reason, remedy FROM current_quarantine")
    assert name == "../../x'; DROP TABLE labels; --"
    assert reason.startswith("x\N{REPLACEMENT CHARACTER}yx")
    assert len(reason) == 2_000
    assert remedy == "%s %(x)s {}"


# Models -------------------------------------------------------------------------------------------------------------


def test_registering_again_gives_the_same_version(plant: Planter) -> None:
    """A retried registration finds its row; another model under the same version is refused."""
    first = plant.model(1, trained_on=["clinic/a"])
    assert plant.model(1, trained_on=["clinic/a"]) == first
    registered = plant.store.model_version("heartwave", 1)
    assert registered is not None
    assert registered.model_version_id == first
    assert plant.store.model_version("heartwave", 2) is None

    other = dataclasses.replace(registered, manifest_sha256=sha256("other"))
    fields = {f.name: getattr(other, f.name) for f in dataclasses.fields(ModelVersionRow)}
    with pytest.raises(ContradictionError, match="version 1 is registered already"):
        plant.store.register_model(ModelVersionRow(**fields), [])


def test_the_champion_is_who_was_promoted_last(plant: Planter, database: DatabaseUrls) -> None:
    """Promotion moves the champion, also back; promoting the champion changes nothing, not even eight times at once."""
    assert plant.store.champion() is None
    first, second = plant.model(1, promoted=True), plant.model(2)

    def promote(_: int) -> bool:
        with PredictionStore(database.writer) as store:
            return store.promote(second, "test", "better")

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(promote, range(8))) == 1
    champion = plant.store.champion()
    assert champion is not None
    assert champion.model_version_id == second
    assert plant.store.promote(first, "test", "back")
    assert rows(database.reader, "SELECT model_version, promoted_by, reason FROM champion") == [(1, "test", "back")]
    assert rows(database.writer, "SELECT count(*) FROM heartwave.promotions") == [(3,)]


def test_a_comparison_is_kept_once_per_run(plant: Planter, database: DatabaseUrls) -> None:
    """A retried task finds the comparison it has stored; figures, verdict and what a person decided are in one view."""
    first, second = plant.model(1, promoted=True), plant.model(2)
    figure = FigureComparison(
        place=1,
        figure="N/S/V mean F1",
        decides=True,
        challenger=0.9,
        champion=0.8,
        difference_low=0.05,
        difference_high=float("nan"),
    )
    comparison = ComparisonRow(
        model_version_id=second,
        champion_id=first,
        protocol="patient_folds",
        dag_run_id="manual__1",
        n_beats=100,
        n_patients=5,
        passed=True,
        reasons="Better.",
        figures=[figure],
    )

    comparison_id = plant.store.save_comparison(comparison)
    assert plant.store.save_comparison(comparison) == comparison_id
    assert plant.store.save_comparison(dataclasses.replace(comparison, dag_run_id="manual__2")) != comparison_id
    plant.store.save_decision(comparison_id, approved=True, by="Ada", note="seen the strips")
    plant.store.save_decision(comparison_id, approved=False, by="Bob", note="too late")
    plant.store.promote(second, "Ada", "Better.", comparison_id=comparison_id)

    columns = "challenger_version, champion_version, figure, challenger, difference_high, passed, approved, decided_by"
    found = rows(database.reader, f"SELECT {columns} FROM model_comparison ORDER BY comparison_id")
    assert found[0] == (2, 1, "N/S/V mean F1", 0.9, None, True, True, "Ada")
    assert found[1][-2:] == (None, None)
    assert rows(database.reader, "SELECT comparison_id FROM model_promotions WHERE model_version = 2") == [
        (comparison_id,)
    ]


def test_evaluations_are_replaced_whole(plant: Planter, database: DatabaseUrls) -> None:
    """Saved twice, an evaluation is there once, with undefined figures as NULL and numpy's numbers understood."""
    model_version_id = plant.model(1, promoted=True)
    evaluation = EvaluationRows(
        model_version_id=model_version_id,
        protocol="ds1_ds2",
        n_beats=100,
        n_recordings=2,
        accuracy=np.float64(0.9),
        macro_f1=0.5,
        weighted_f1=0.6,
        nsv_mean_f1=0.7,
        cohen_kappa=None,
        j_kappa=None,
        ece=0.1,
        confusion=[[90, 0], [10, 0]],
        classes=[
            ClassEvaluation(beat_class="N", n_beats=90, sensitivity=1.0, positive_predictivity=0.9, f1=0.95),
            ClassEvaluation(beat_class="S", n_beats=10, sensitivity=0.0, positive_predictivity=None, f1=0.0),
        ],
        recordings=[RecordingEvaluation(recording_id="clinic/a", beat_class="N", n_beats=90, n_found=90, n_called=100)],
        figures=[
            FigureEvaluation(figure="accuracy", value=0.9, low=0.8, high=0.95),
            FigureEvaluation(figure="sensitivity_S_without_232", value=0.0),
        ],
    )
    worse = dataclasses.replace(
        evaluation,
        accuracy=float("nan"),
        n_beats=np.int64(3),
        classes=evaluation.classes[:1],
        recordings=(),
        figures=(),
    )

    plant.store.save_evaluation(worse)
    plant.store.save_evaluation(evaluation)
    assert plant.store.evaluation(model_version_id, "ds1_ds2") == evaluation
    plant.store.save_evaluation(worse)
    assert plant.store.evaluation(model_version_id, "ds1_ds2") == dataclasses.replace(
        worse, accuracy=None, recordings=[], classes=list(worse.classes), figures=[]
    )
    assert plant.store.evaluation(model_version_id, "random_split") is None
    leaderboard = rows(
        database.reader, "SELECT place, protocol, model_version, is_champion, n_beats FROM model_leaderboard"
    )
    assert leaderboard == [(1, "ds1_ds2", 1, True, 3)]


def test_unscored_lists_what_a_version_has_not_labelled(plant: Planter) -> None:
    """A new version and a new revision of a recording mean work; a superseded revision does not."""
    first, second = plant.model(1, promoted=True), plant.model(2)
    a, b = plant.recording("clinic/a", 3), plant.recording("clinic/b", 3)
    plant.score(a, first, random_labels(3))

    assert [ref.revision_id for ref in plant.store.unscored(first)] == [b]
    assert [ref.revision_id for ref in plant.store.unscored(second)] == [a, b]
    changed = plant.recording("clinic/a", 5, content_sha256=sha256("new"))
    (todo, _) = plant.store.unscored(first)
    assert (todo.revision_id, todo.recording_id, todo.n_beats) == (changed, "clinic/a", 5)
    assert (todo.content_sha256, todo.beats_key) == (sha256("new"), "beats/clinic/a.parquet")


def test_current_labels_are_those_of_the_newest_champion_that_has_labelled(
    plant: Planter, database: DatabaseUrls
) -> None:
    """Until a new champion has labelled a recording the old one's labels stay; challengers never show."""
    current = (
        "SELECT recording_id, model_version, string_agg(class::text, '' ORDER BY time_s) "
        "FROM current_labels GROUP BY 1, 2 ORDER BY 1"
    )
    first, second, challenger = plant.model(1, promoted=True), plant.model(2), plant.model(3)
    a, b = plant.recording("clinic/a", 3), plant.recording("clinic/b", 3)
    for revision_id in (a, b):
        plant.score(revision_id, first, labels_of("NNN", [1, 2, 3]))
    plant.score(a, second, labels_of("VVV", [1, 2, 3]))
    plant.score(a, challenger, labels_of("QQQ", [1, 2, 3]))
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN"), ("clinic/b", 1, "NNN")]

    plant.store.promote(second, "test", "better")
    assert rows(database.reader, current) == [("clinic/a", 2, "VVV"), ("clinic/b", 1, "NNN")]
    plant.store.promote(first, "test", "back")
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN"), ("clinic/b", 1, "NNN")]
    plant.recording("clinic/b", 4, content_sha256=sha256("new"))
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN")]
