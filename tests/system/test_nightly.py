"""A night from end to end, by the real scheduler: recordings in S3 become labels in Postgres, whatever happens."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.published_labels import PREFIX
from tests.system.conftest import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sink import Taken
    from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

PROTOCOLS = {"patient_folds", "random_beats", "inter_patient"} if SOURCE == "mitdb" else {"patient_folds"}
"""Those that these recordings allow."""

TASK_RUNNER = re.compile(r"airflow worker -- [0-9a-f-]{36}")
"""Title Airflow gives to the process that runs one task."""

SCORING_PROCESS = """
import json, re, sys
from heartwave_tasks.jobs import score
from heartwave_tasks.settings import get_settings
from heartwave_tasks.stores.predictions import PredictionStore

settings = get_settings()
with PredictionStore(settings.require_database_url()) as store:
    champion = store.champion()
    refs = store.annotated_revisions()
shard = score.ScoreShard(
    number=1,
    of=1,
    model_name=champion.model_name,
    model_version=champion.version,
    night="2026-01-01",
    n_beats=0,
    revision_ids=[ref.revision_id for ref in refs],
)
counts = score.score_shard(settings, shard, "test")
heavy = {"airflow", "keras", "mlflow", "pandas", "scipy.signal", "sklearn", "tensorflow"} & set(sys.modules)
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
print(json.dumps({"already": counts.already, "heavy": sorted(heavy), "peak": peak}))
"""
"""Labels every recording again, as a task of a second run would, and says what it took."""


HURRY = """
UPDATE deadline SET deadline_time = now() - interval '1 second'
FROM dag_run WHERE dag_run.id = deadline.dagrun_id AND dag_run.run_id = %s
"""
"""Four hours are over at once."""

EXCHANGE = """
UPDATE heartwave.model_populations SET population = jsonb_set(population, '{class_shares}', (
    SELECT jsonb_agg(share ORDER BY place DESC)
    FROM jsonb_array_elements(population -> 'class_shares') WITH ORDINALITY AS of (share, place)
))
"""
"""Say that models have learnt from as many Q as there were N, and the other way round; twice, and all is as before."""


def test_dags_load(system: System) -> None:
    """Every DAG file imports without an error."""
    assert system.client.import_problems() == []


def test_good_recordings_become_beats(system: System, ingested: set[str]) -> None:
    """All good recordings are in the lake, with windows that are beats or signal marks."""
    rows = system.ask("SELECT recording_id, n_windows, n_beats, n_marks FROM current_recordings")

    assert {row[0] for row in rows} == ingested
    assert all(windows == beats + marks and beats > 0 for _, windows, beats, marks in rows)


def test_bad_recordings_are_quarantined(system: System, ingested: set[str]) -> None:
    """Each bad recording has a reason and a remedy, and stopped nothing."""
    rows = system.ask("SELECT recording_id, code, reason, remedy FROM current_quarantine")

    assert ingested
    assert {recording_id: code for recording_id, code, _, _ in rows} == {
        "bad/flipped": "checksum",
        "bad/truncated": "truncated",
        "bad/lonely": "incomplete",
        "bad/endless": "too_large",
        "bad/escaping": "unsafe_name",
    }
    assert all(reason and remedy for _, _, reason, remedy in rows)


def test_ingesting_again_does_nothing(system: System, ingested: set[str]) -> None:
    """What is known, good or bad, is not looked at again."""
    before = system.ask("SELECT recording_id, revision_id, ingested_at FROM current_recordings ORDER BY 1")

    system.run("ingest_recordings")

    assert ingested
    assert system.ask("SELECT recording_id, revision_id, ingested_at FROM current_recordings ORDER BY 1") == before


def test_one_label_per_beat(system: System, labelled: set[str]) -> None:
    """Every beat of every good recording has exactly one label by the champion, with probabilities that add up."""
    rows = system.ask(
        """
        SELECT recording_id, count(*), count(DISTINCT r_peak_sample), max(abs(p_n + p_s + p_v + p_f + p_q - 1))
        FROM current_labels GROUP BY recording_id
        """
    )
    beats = dict(system.ask("SELECT recording_id, n_beats FROM current_recordings"))

    assert {recording_id: n for recording_id, n, _, _ in rows} == beats
    assert set(beats) == labelled
    assert all(n == distinct for _, n, distinct, _ in rows)
    assert all(error < 1e-4 for _, _, _, error in rows)


def test_model_is_registered_with_its_figures(system: System, labelled: set[str]) -> None:
    """The champion has figures on patients it has not seen, and finds most ventricular beats."""
    rows = system.ask("SELECT protocol, accuracy FROM model_leaderboard")

    assert labelled
    # Recordings with paced beats are reported apart, where there are any.
    assert {protocol.removesuffix("_paced") for protocol, _ in rows} == PROTOCOLS
    # Of the drawn recordings one alone is paced: a model that has not seen it knows no paced beat.
    assert all(0.5 < accuracy <= 1 for protocol, accuracy in rows if not protocol.endswith("_paced"))


def test_labels_are_in_the_lake_and_the_night_is_watched(system: System, labelled: set[str]) -> None:
    """The run has a row of its own, every recording's labels a Parquet file, and the night's drift is measured."""
    runs = system.ask("SELECT sum(n_recordings)::int, sum(n_labels)::int, sum(n_held)::int FROM scoring_runs")
    beats = system.ask("SELECT count(*)::int, sum(n_beats)::int FROM current_recordings")
    files = list(list_objects(s3_client(system.settings), system.settings.lake_bucket, f"{PREFIX}/"))
    drift = system.ask("SELECT kind, count(*)::int FROM population_drift GROUP BY kind ORDER BY kind")

    assert runs == [(*beats[0], 0)]
    assert len(files) == len(labelled)
    assert drift == [("feature", len(CONTEXT_FEATURES)), ("labels", 1)]


def test_people_are_told_what_waits_for_them_and_who_labels(system: System, labelled: set[str], told: Taken) -> None:
    """A retraining that asked a person told them so, with the gate's reasons and a link, and then who labels."""
    waits, labels = (_wait_for_notice(told, title) for title in ("A model waits for", "Version 1 labels from now on"))

    assert labelled
    assert told.index(waits) < told.index(labels)
    assert "Required Actions" in waits["message"]
    assert f"{system.stack.airflow_url}/dags/retrain_models/runs/" in waits["message"]
    assert f"promoted by {system.settings.airflow_username}" in labels["message"]


def test_scoring_again_changes_nothing(system: System, labelled: set[str]) -> None:
    """Repeating a run, and running two at once, leaves the labels as they are, row for row."""
    before = system.ask("SELECT n_labels, digest FROM label_digest")

    runs = [system.client.trigger("score_recordings", {}) for _ in range(2)]
    for run_id in runs:
        system.wait("score_recordings", run_id)

    assert labelled
    assert system.ask("SELECT n_labels, digest FROM label_digest") == before


def test_a_scoring_process_is_light(system: System, labelled: set[str]) -> None:
    """A process that labels recordings loads neither TensorFlow nor pandas nor MLflow, and stays under 800 MB."""
    environment = system.stack.airflow_environment()
    ran = subprocess.run(
        [sys.executable, "-c", SCORING_PROCESS], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["already"] == len(labelled)
    assert found["heavy"] == []
    assert found["peak"] < 800e6


def test_new_content_under_an_old_name_is_a_new_revision(
    system: System, labelled: set[str], record_files: Path, told: Taken
) -> None:
    """A replaced recording is labelled again, and people are told how unlike the night is what the champion knows."""
    recording_id = min(labelled)
    record = recording_id.rpartition("/")[2]
    before = system.ask(f"SELECT revision_id FROM current_recordings WHERE recording_id = '{recording_id}'")
    header = (record_files / f"{record}.hea").read_bytes()

    system.put(f"{recording_id}.hea", header + b"# seen again\n")
    system.run("ingest_recordings")
    with learnt_from_others(system):
        system.run("score_recordings")

    after = system.ask(f"SELECT revision_id FROM current_recordings WHERE recording_id = '{recording_id}'")
    assert after != before
    labels = system.ask(f"SELECT DISTINCT revision_id FROM current_labels WHERE recording_id = '{recording_id}'")
    assert labels == after
    drift = _wait_for_notice(told, "Look at tonight's labels")
    assert "distributed unlike those the champion learnt from" in drift["message"]
    assert not any(f"{SOURCE}/" in one["message"] for one in told)


def test_killed_scoring_task_leaves_the_labels_of_an_undisturbed_run(
    system: System, labelled: set[str], record_files: Path, told: Taken
) -> None:
    """SIGKILL of a running task of a late run: people are told, and every beat has its one label, as before."""
    labels = "SELECT recording_id, r_peak_sample, class, confidence FROM current_labels ORDER BY 1, 2"
    undisturbed = system.ask(labels)
    for recording_id in labelled:
        header = (record_files / f"{recording_id.rpartition('/')[2]}.hea").read_bytes()
        system.put(f"{recording_id}.hea", header + b"# and again\n")
    system.run("ingest_recordings")
    assert system.ask("SELECT count(*) FROM current_labels") == [(0,)]
    run_id = system.client.trigger("score_recordings", {})
    system.meddle("airflow", HURRY, run_id)

    killed = _kill_task_runner(system, "score_recordings", run_id, "label")

    system.wait("score_recordings", run_id)
    assert killed
    assert system.ask(labels) == undisturbed
    late = _wait_for_notice(told, "Tonight's labels are late")
    assert f"score_recordings {run_id} has not ended" in late["message"]


def test_no_secret_in_the_logs(system: System, labelled: set[str]) -> None:
    """No generated password is written to any log."""
    home = system.settings.home
    secrets = json.loads((home / "stack.json").read_text())["secrets"]
    logs = [file for file in home.rglob("*.log") if file.is_file()]

    assert labelled
    assert logs
    leaks = [
        (file.name, name)
        for file in logs
        for name, secret in secrets.items()
        if secret in file.read_text("utf-8", "replace")
    ]
    assert leaks == []


@contextlib.contextmanager
def learnt_from_others(system: System) -> Iterator[None]:
    """Say for a while that every model has learnt from other beats."""
    system.meddle("heartwave", EXCHANGE)
    try:
        yield
    finally:
        system.meddle("heartwave", EXCHANGE)


def _wait_for_notice(told: Taken, title: str, timeout_s: float = 60.0) -> dict[str, str]:
    """Return the notice that begins so, when it has come."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for one in told:
            if one["title"].startswith(title):
                return one
        time.sleep(0.2)
    raise AssertionError(f"Nobody was told {title!r}, but {[one['title'] for one in told]}.")


def _kill_task_runner(system: System, dag_id: str, run_id: str, task_id: str, timeout_s: float = 90.0) -> bool:
    """Kill the process of one of a run's tasks while Airflow says that the task is running."""
    scheduler = next(server.pid for server in system.stack.status() if server.name == "airflow-scheduler")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        tasks = system.client.task_instances(dag_id, run_id)
        if any(task.task_id == task_id and task.state == "running" for task in tasks):
            for process in psutil.Process(scheduler).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if TASK_RUNNER.fullmatch(" ".join(process.cmdline()).strip()):
                        process.kill()
                        return True
        time.sleep(0.1)
    return False
