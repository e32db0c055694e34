"""What recordings say of a patient stays in the bucket they arrived in, and a forgotten recording is nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.jobs.forget import forget
from heartwave_tasks.stores.pseudonyms import known_as
from heartwave_tasks.stores.registry import Registry
from tests.system import planted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def known(
    system: System, labelled: set[str], record_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Recordings that name a patient everywhere, ingested and labelled; their pseudonyms by file name."""
    record = record_files / min(labelled).rpartition("/")[2]
    files = planted.write_planted(tmp_path_factory.mktemp("planted") / "files", record)
    for name, content in files.items():
        system.put(f"inbox/{planted.SOURCE}/{name}", content)
    system.run("ingest_recordings")
    system.run("score_recordings")
    records = sorted({name.partition(".")[0] for name in files})
    return {record: known_as(system.settings, planted.SOURCE, record) for record in records}


def test_no_patient_is_anywhere(system: System, known: dict[str, str]) -> None:
    """Comments, EDF fields, columns, lead names and file names are in no store, table, XCom, log or model."""
    cut = {row[0] for row in system.ask("SELECT recording_id FROM current_recordings")}
    waiting = {row[0] for row in system.ask("SELECT recording_id FROM current_quarantine")}
    *good, bad = known.values()

    assert set(good) <= cut
    assert bad in waiting
    assert system.ask(f"SELECT count(*) FROM scoring_ledger WHERE recording_id = '{good[0]}'") == [(1,)]
    assert planted.find(system.settings, planted.WORDS) == []
    # The search itself finds what is there.
    assert planted.find(system.settings, [good[0]])


def test_a_forgotten_recording_is_nowhere(system: System, known: dict[str, str]) -> None:
    """After `heartwave forget`, no store mentions the recording any more; logs and XComs of earlier runs do."""
    name, pseudonym = next(iter(known.items()))

    (receipt,) = forget(system.settings, f"{planted.SOURCE}/{name}", "a test")

    assert receipt.objects["recordings"] == 3
    assert receipt.objects["lake"] >= 2
    found = {place for place, _ in planted.find(system.settings, [pseudonym])}
    assert {place for place in found if ".log" not in place and not place.startswith("airflow: ")} == set()


def test_reports_forget_too(system: System) -> None:
    """In MLflow a recording's name is replaced in texts, reports that draw it are deleted, and others stay."""
    registry = Registry(system.settings)
    with registry.run("a trial", {}) as run:
        run.log_file("report.html", "<p>ward3/r17</p>")
        run.log_file("training_recordings.txt", "ward3/r17 abc\nward3/r18 def\n")
        run.log_file("evaluations/other.json", '{"recording": "ward3/r18"}')

    assert registry.unname([run.run_id], "ward3/r17", "ward3/forgotten-1") == 2

    assert registry.find_artifact(run.run_id, "report.html") is None
    assert registry.artifact(run.run_id, "training_recordings.txt") == b"ward3/forgotten-1 abc\nward3/r18 def\n"
    assert registry.find_artifact(run.run_id, "evaluations/other.json") is not None
