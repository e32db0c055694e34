"""Retraining on the real stack: the same again is the same model, people approve, and nothing wrong is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import SecretStr

from heartwave_tasks.airflow_api import AirflowError
from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.matching import Detection
from heartwave_tasks.jobs import evaluation, promotion
from heartwave_tasks.jobs.detected_evaluation import evaluate_detected
from heartwave_tasks.jobs.score import load_model
from heartwave_tasks.jobs.versions import list_versions
from heartwave_tasks.models import metrics
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.registry import FILES_FOLDER, Registry, TamperedModelError
from tests.system.conftest import APPROVER_SAYS, SOURCE

if TYPE_CHECKING:
    from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_who_approved_and_why_is_kept(system: System, labelled: set[str]) -> None:
    """The person's name and words stand in Postgres with the promotion, and on the version in MLflow."""
    ((version, by, reason),) = system.ask(
        "SELECT model_version, promoted_by, reason FROM model_promotions ORDER BY promotion_id LIMIT 1"
    )
    ((approved, decided_by, note),) = system.ask(
        f"SELECT approved, decided_by, note FROM model_comparison WHERE challenger_version = {version} LIMIT 1"
    )
    tags = Registry(system.settings).version_tags(version)

    assert labelled
    assert approved is True
    assert decided_by == by == system.settings.airflow_username
    assert note == APPROVER_SAYS
    assert APPROVER_SAYS in reason
    assert (tags["approved_by"], tags["approved_because"]) == (by, APPROVER_SAYS)


def test_same_beats_and_seed_give_the_same_model(system: System, labelled: set[str]) -> None:
    """Training again registers a version whose files are the one's before, byte for byte; the same is not better."""
    system.run("retrain_models", {"protocols": []})  # other tests have changed the lake and reviewed beats meanwhile
    first = list_versions(system.settings)[0].model
    champion = system.ask("SELECT model_version FROM champion")

    system.run("retrain_models", {"protocols": []})

    newest = list_versions(system.settings)[0]
    assert newest.model.version > first.version
    assert newest.model.training_digest == first.training_digest
    assert newest.model.manifest_sha256 == first.manifest_sha256
    assert newest.aliases == ("challenger",)
    assert system.ask("SELECT model_version FROM champion") == champion
    ((passed, reasons),) = system.ask(
        "SELECT DISTINCT passed, reasons FROM model_comparison "
        f"WHERE challenger_version = {newest.model.version} AND champion_version IS NOT NULL"
    )
    assert passed is False
    assert "so the champion stays" in reasons or "not tested on the same rows" in reasons


def test_a_tampered_model_is_refused(system: System, labelled: set[str]) -> None:
    """One changed byte in a version's files, and it is not loaded; the error names the version."""
    model = list_versions(system.settings)[-1].model
    mlflow = system.stack._seaweed.identities[2]  # only MLflow may write there
    keys = {"s3_access_key_id": mlflow.access_key, "s3_secret_access_key": SecretStr(mlflow.secret_key)}
    client, bucket = s3_client(system.settings.model_copy(update=keys)), system.settings.models_bucket
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = [item["Key"] for page in pages for item in page.get("Contents", ())]
    (key,) = [key for key in there if key.endswith(f"{model.mlflow_run_id}/artifacts/{FILES_FOLDER}/form.ubj")]
    content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    try:
        client.put_object(Bucket=bucket, Key=key, Body=bytes(changed))
        with pytest.raises(TamperedModelError, match=rf"{model.model_name} version {model.version}: form\.ubj"):
            load_model(system.settings, model)
    finally:
        client.put_object(Bucket=bucket, Key=key, Body=content)
    assert load_model(system.settings, model).architecture == model.architecture


def test_what_cannot_be_trained_is_refused_in_a_sentence(system: System, labelled: set[str]) -> None:
    """A source without recordings fails the run with what to do; a form value out of range starts none."""
    before = [summary.model.version for summary in list_versions(system.settings)]

    with pytest.raises(CommandError, match="holds no annotated recording of nosuch to train on; upload some"):
        system.run("retrain_models", {"sources": ["nosuch"]})
    for conf in ({"tuning_trials": -1}, {"time_budget_minutes": 0}, {"class_balancing": "luck"}, {"seed": 2**31}):
        with pytest.raises(AirflowError, match="400"):
            system.client.trigger("retrain_models", conf)

    assert [summary.model.version for summary in list_versions(system.settings)] == before


def test_a_rejected_challenger_changes_nothing(system: System, labelled: set[str]) -> None:
    """A no is kept with the version, with who said it and why, and the champion stays; so it is when nobody answers."""
    champion = system.ask("SELECT model_version FROM champion")
    with PredictionStore(system.settings.require_database_url()) as store:
        model = list_versions(system.settings)[-1].model
        row = promotion.ComparisonRow(
            model_version_id=model.model_version_id,
            champion_id=None,
            protocol="patient_folds",
            dag_run_id="a test's",
            n_beats=0,
            n_patients=0,
            passed=True,
            reasons="Better.",
        )
        comparison_id = store.save_comparison(row)
    comparison = promotion.Comparison(
        comparison_id=comparison_id, version=model.version, passed=True, reasons=["Better."]
    )
    answer = {"chosen_options": ["Reject"], "params_input": {"reason": "calls noise V"}, "responded_by_user": None}

    settled = promotion.settle(system.settings, comparison, answer, run="run")

    assert not settled.promoted
    assert system.ask("SELECT model_version FROM champion") == champion
    assert system.ask(
        f"SELECT approved, decided_by, note FROM model_comparison WHERE comparison_id = {comparison_id}"
    ) == [(False, "nobody in time", "calls noise V")]
    assert Registry(system.settings).version_tags(model.version)["rejected_because"] == "calls noise V"


def test_evaluate_tells_what_was_stored(system: System, labelled: set[str]) -> None:
    """The champion's figures come back as its run kept them, by protocol, and for one source alone."""
    evaluated = evaluation.evaluate(system.settings)
    judged = {found.evaluation.protocol: found for found in evaluated.found}
    ((accuracy,),) = system.ask(
        "SELECT accuracy FROM model_leaderboard WHERE is_champion AND protocol = 'patient_folds'"
    )
    of_source = evaluation.evaluate(system.settings, source=SOURCE)

    assert judged["patient_folds"].origin == "stored"
    assert judged["patient_folds"].evaluation.accuracy == pytest.approx(accuracy)
    assert of_source.found[0].evaluation.accuracy == pytest.approx(accuracy)
    assert np.isnan(of_source.found[0].evaluation.expected_calibration_error)
    with pytest.raises(evaluation.EvaluationError, match="no annotated recording of source 'nosuch'"):
        evaluation.evaluate(system.settings, source="nosuch")


def test_evaluate_tells_what_detected_r_peaks_are_worth(system: System, labelled: set[str]) -> None:
    """Every annotated recording is searched anew, and labelled twice by models of the recipe that have not seen it."""
    protocol = "inter_patient" if SOURCE == mitbih.SOURCE else "patient_folds"
    evaluated = evaluate_detected(system.settings, protocol=protocol, source=SOURCE)
    labels = evaluated.labels[0]
    ((n_beats,),) = system.ask(
        f"SELECT sum(n_beats) FROM current_recordings WHERE recording_id = '{labels.recordings[0]}'"
    )
    gross = sum((each.detection for each in evaluated.recordings.values()), Detection())

    assert labelled <= evaluated.recordings.keys()
    assert evaluated.left_out == {}
    assert gross.sensitivity > 0.97
    assert gross.positive_predictivity > 0.97
    assert labels.annotated[0].sum() == n_beats
    assert metrics.mean_f1(labels.detected.sum(axis=0), (metrics.N, metrics.V)) == pytest.approx(
        metrics.mean_f1(labels.annotated.sum(axis=0), (metrics.N, metrics.V)), abs=0.03
    )
    assert all(seconds > 0 for seconds in evaluated.trainings.values())
    with pytest.raises(evaluation.EvaluationError, match="name another protocol"):
        evaluate_detected(system.settings, protocol="random_beats")
