"""Quarantine that people can work with: what was refused is kept with its reason, tried again, or given up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.cli.app import _run
from heartwave_tasks.jobs import ingest, quarantine
from heartwave_tasks.stores.objects import get_object, s3_client
from tests.integration.ward import Ward, rename

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def refused(ward: Ward) -> int:
    """A damaged recording that waits; its number."""
    ward.put_record("ward3/bad", dat=b"nothing")
    assert ward.ingest().quarantined == 1
    ((number,),) = ward.ask("SELECT quarantine_id FROM current_quarantine")
    return int(number)


def test_refused_bytes_are_kept_with_the_reason(ward: Ward, refused: int, tmp_path: Path) -> None:
    """The bytes that were refused can still be had after the source has overwritten them."""
    row, files = quarantine.find(ward.settings, refused)
    assert row.kept_prefix is not None
    ward.put("ward3/bad.dat", b"other")

    saved = quarantine.save(ward.settings, files, tmp_path / "saved")

    assert {path.name for path in saved} == {"bad.hea", "bad.dat", "bad.atr"}
    assert (tmp_path / "saved" / "bad.dat").read_bytes() == b"nothing"
    told = json.loads(
        get_object(s3_client(ward.settings), ward.settings.recordings_bucket, f"{row.kept_prefix}reason.json")
    )
    assert (told["code"], told["remedy"]) == (row.code, row.remedy)
    assert [shard.recording_ids for shard in ingest.plan(ward.settings)] == [["ward3/bad"]]


def test_a_good_revision_ends_the_waiting(ward: Ward, refused: int) -> None:
    """When a better one arrives under its name, a recording is tried again by itself, and waits no longer."""
    assert ingest.plan(ward.settings) == []
    ward.put("ward3/bad.dat", ward.records["syn001"]["dat"])

    assert ward.ingest().recordings == 1

    assert ward.ask("SELECT resolution FROM quarantine") == [("gone",)]
    assert quarantine.waiting(ward.settings) == []


def test_retry(ward: Ward, refused: int) -> None:
    """What is released for another try is tried by the next run, and counted when it fails again."""
    assert quarantine.retry(ward.settings, [refused]) == 1
    assert ward.ingest().quarantined == 1

    (row,) = quarantine.waiting(ward.settings)
    assert (row.quarantine_id, row.n_attempts) == (refused, 2)


def test_discard(ward: Ward, refused: int) -> None:
    """What is given up is not tried again, its kept bytes are gone, and what arrived is left alone."""
    assert quarantine.discard(ward.settings, [refused]) == 1

    assert ingest.plan(ward.settings) == []
    assert quarantine.waiting(ward.settings) == []
    assert ward.keys(ward.settings.recordings_bucket, "quarantine/") == []
    assert "ward3/bad.dat" in ward.keys(ward.settings.recordings_bucket)


def test_unsafe_names_keep_their_bytes(ward: Ward) -> None:
    """A file whose name could be a path is kept under a number."""
    ward.put("ward3/$(id).hea", b"x 1 360 10\n")
    ward.ingest()

    (row,) = quarantine.waiting(ward.settings)

    _, files = quarantine.find(ward.settings, row.quarantine_id)
    assert row.code == "unsafe_name"
    assert list(files) == ["file-001"]


def test_old_bytes_are_swept(ward: Ward, refused: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are kept as long as somebody waits, and some days longer."""
    monkeypatch.setattr(quarantine, "timedelta", lambda days: quarantine.datetime.resolution * -days)
    assert quarantine.sweep(ward.settings) == 0
    quarantine.retry(ward.settings, [refused])

    assert quarantine.sweep(ward.settings) == 4
    assert ward.keys(ward.settings.recordings_bucket, "quarantine/") == []


def test_a_jump_of_refusals_is_told(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    """When far more of a source is refused than usual, a notice names the source and no recording."""
    for number in range(5):
        ward.put_record(f"ward3/r{number}", **({} if number < 2 else {"dat": b"nothing"}))
        ward.put(f"ward4/half{number}.hea", rename(ward.records["syn001"]["hea"], "syn001", f"half{number}"))

    counts = ward.ingest()

    assert counts.refusals == {"ward3": [5, 3]}
    (told,) = [record.getMessage() for record in caplog.records if "were refused" in record.getMessage()]
    assert "3 of 5 recordings of ward3" in told
    assert ward.ask("SELECT source, is_alarming FROM source_failures") == [("ward3", True)]


def test_the_command(
    ward: Ward, refused: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`heartwave quarantine` lists, shows and saves, and refuses to guess what is meant."""
    monkeypatch.setattr("heartwave_tasks.settings.Settings.load", lambda: ward.settings)

    assert _run(["quarantine", "list"]) == 0
    assert "ward3/bad" in capsys.readouterr().out
    assert _run(["quarantine", "show", str(refused), "--save", str(tmp_path / "out")]) == 0
    assert "3 files written" in capsys.readouterr().out
    assert _run(["quarantine", "show", "999999"]) == 1
    assert "quarantine list" in capsys.readouterr().err
    assert _run(["quarantine", "discard"]) == 1
    assert _run(["quarantine", "retry", "999999"]) == 1
    assert _run(["quarantine", "retry", "--source", "ward3"]) == 0
    assert "1 recording will be looked at again" in capsys.readouterr().out
    assert _run(["quarantine", "list"]) == 0
    assert "Nothing waits" in capsys.readouterr().out
