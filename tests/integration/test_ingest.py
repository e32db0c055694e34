"""Ingest against a real S3 server and PostgreSQL, without Airflow: good recordings become beats, bad ones wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import wfdb
from pydantic import SecretStr

from heartwave_tasks.jobs import ingest
from heartwave_tasks.stores import objects, recordings
from heartwave_tasks.stores.objects import StoredObject, s3_client
from heartwave_tasks.stores.pseudonyms import known_as
from heartwave_tasks.stores.recordings import find_recordings
from heartwave_tasks.stores.strips import strip_key
from heartwave_tasks.stores.upload import upload_recordings
from tests.integration.ward import Ward, rename
from tests.unit.signal_files import write_csv, write_edf

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_good_and_bad(ward: Ward) -> None:
    """A sound recording becomes beats in the lake, a damaged one a row with a reason; again, nothing is to do."""
    ward.put_record("ward3/good")
    ward.put_record("ward3/bad", dat=b"nothing")

    counts = ward.ingest()

    assert (counts.recordings, counts.quarantined) == (1, 1)
    ((recording_id, key, n_beats),) = ward.ask("SELECT recording_id, beats_key, n_beats FROM recording_revisions")
    assert recording_id == "ward3/good"
    assert n_beats == counts.beats > 10
    assert ward.keys(ward.settings.lake_bucket) == [key, strip_key(key)]
    assert ward.ask("SELECT recording_id, code FROM quarantine") == [("ward3/bad", "truncated")]
    assert ingest.plan(ward.settings) == []


def test_a_recording_over_its_limits_stops_nothing(ward: Ward) -> None:
    """A recording whose reading takes too much is quarantined by its limit, and the others are cut."""
    ward.put_record("ward3/small")
    # Length costs no memory, but forty leads at once do.
    ward.put("ward3/large.hea", b"large 40 360 125000\n" + 40 * b"large.dat 16 200 16 0 0 0 0 I\n")
    ward.put("ward3/large.dat", bytes(10_000_000))
    tight = ward.settings.model_copy(update={"read_memory_bytes": 32 << 20})
    (shard,) = ingest.plan(tight)

    counts = ingest.segment_shard(tight, shard)

    assert (counts.recordings, counts.quarantined) == (1, 1)
    assert ward.ask("SELECT recording_id, code FROM quarantine") == [("ward3/large", "over_memory")]


def test_every_format_arrives(ward: Ward, tmp_path: Path) -> None:
    """EDF, CSV and a record of segments in a folder of its own, all uploaded from one directory, become beats."""
    record = ward.records["syn001"]
    (tmp_path / "syn001.hea").write_bytes(record["hea"])
    (tmp_path / "syn001.dat").write_bytes(record["dat"])
    millivolts = wfdb.rdrecord(str(tmp_path / "syn001")).p_signal
    write_edf(tmp_path / "night.edf", millivolts, frequency=360)
    write_csv(tmp_path, {"II": [f"{value:.3f}" for value in millivolts[:, 0]]}, {"II": "mV"}, 360)
    n_samples = len(millivolts)
    (tmp_path / "joined.hea").write_text(f"joined/2 2 360 {2 * n_samples}\nsyn001 {n_samples}\nsyn001 {n_samples}\n")

    summary = upload_recordings(ward.settings, tmp_path, "ward3")
    counts = ward.ingest()

    assert (summary.recordings, summary.incomplete) == (3, ())
    assert (counts.recordings, counts.quarantined) == (3, 0)
    assert "ward3/joined/syn001.dat" in ward.keys(ward.settings.recordings_bucket)
    found = dict(ward.ask("SELECT recording_id, n_samples FROM recording_revisions"))
    assert found == {"ward3/joined": 2 * n_samples, "ward3/night": n_samples, "ward3/r": n_samples}
    assert upload_recordings(ward.settings, tmp_path, "ward3").uploaded == 0


def test_the_inbox(ward: Ward) -> None:
    """What lies in a source's inbox is the source's; what is half there waits, and is taken up once it is whole."""
    parts = {suffix: content for suffix, content in ward.records["syn001"].items() if suffix != "atr"}
    ward.put("inbox/ward3/whole.hea", rename(parts["hea"], "syn001", "whole"))
    ward.put("inbox/ward3/whole.dat", parts["dat"])
    ward.put("inbox/ward3/half.hea", rename(parts["hea"], "syn001", "half"))
    ward.put("inbox/ward3/early.dat", parts["dat"])

    assert ward.ingest().recordings == 1
    assert ward.ask("SELECT recording_id, source FROM recordings") == [("ward3/whole", "ward3")]
    assert ward.ask("SELECT recording_id, code FROM current_quarantine") == [("ward3/half", "incomplete")]
    ward.put("inbox/ward3/half.dat", parts["dat"])
    ward.put("inbox/ward3/early.hea", rename(parts["hea"], "syn001", "early"))

    assert ward.ingest().recordings == 2
    assert ward.ask("SELECT count(*) FROM current_quarantine") == [(0,)]


def test_recordings_are_found_among_many(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few recordings are found alike where their source has sent few others and where it has sent many."""
    names = (
        "ward3/r1.hea",
        "ward3/r1.dat",
        "inbox/ward3/r2.hea",
        "ward3/r3/r3.hea",
        "ward3/r3/more.dat",
        "other/r1.hea",
    )
    for key in names:
        ward.put(key, b"1 1")
    ward.put("ward3/r11.hea", b"another")
    wanted = ("ward3/r1", "ward3/r2", "ward3/r3", "ward3/gone")
    client = s3_client(ward.settings)

    few = find_recordings(client, ward.settings, wanted)
    monkeypatch.setattr(objects, "FEW", 1)
    among_many = find_recordings(client, ward.settings, wanted)

    assert few == among_many
    assert {listing.recording_id: sorted(listing.objects) for listing in few.values()} == {
        "ward3/r1": ["r1.dat", "r1.hea"], "ward3/r2": ["r2.hea"], "ward3/r3": ["more.dat", "r3.hea"],
    }  # fmt: skip


def test_the_newer_of_two_counts(ward: Ward) -> None:
    """A recording that comes by the inbox, though it is there already, is its next revision."""
    ward.put_record("ward3/r")
    ward.ingest()
    record = ward.records["syn002"]
    for suffix in ("atr", "dat", "hea"):
        content = record[suffix]
        ward.put(f"inbox/ward3/r.{suffix}", rename(content, "syn002", "r") if suffix == "hea" else content)

    counts = ward.ingest()

    assert counts.recordings == 1
    assert ward.ask("SELECT count(*) FROM recording_revisions WHERE recording_id = 'ward3/r'") == [(2,)]
    assert ingest.plan(ward.settings) == []


def test_within_a_second_the_inbox_is_newer(ward: Ward) -> None:
    """Times are told to the second: whichever is listed first, what came by the inbox is what counts."""
    now = datetime.now(UTC)
    old, new = (
        StoredObject(key=key, size=1, etag=key, last_modified=now) for key in ("ward3/r.hea", "inbox/ward3/r.hea")
    )
    for entries in ((old, new), (new, old)):
        (listing,) = recordings._recordings(ward.settings, entries)
        assert listing.objects == {"r.hea": new}
    later = replace(old, last_modified=now + timedelta(seconds=1))
    (listing,) = recordings._recordings(ward.settings, [later, new])
    assert listing.objects == {"r.hea": later}


def test_pseudonyms(ward: Ward) -> None:
    """A source's recordings are known by keyed hashes where it is configured so; another key gives other names."""
    told = {"pseudonymous_sources": "clinic, ward3", "pseudonym_key": SecretStr("a key")}
    pseudonymous = replace(ward, settings=ward.settings.model_copy(update=told))
    pseudonymous.put_record("ward3/Quandt_1931")
    pseudonymous.put_record("open/r")
    pseudonymous.put_record("ward3/Quandt_1932", dat=b"nothing")

    counts = pseudonymous.ingest()

    assert (counts.recordings, counts.quarantined) == (2, 1)
    known = known_as(pseudonymous.settings, "ward3", "Quandt_1931")
    assert known.startswith("ward3/p")
    assert ward.ask("SELECT recording_id FROM recordings ORDER BY 1") == [("open/r",), (known,)]
    assert ingest.plan(pseudonymous.settings) == []
    told_of = ward.ask("SELECT recording_id || reason || remedy FROM quarantine")
    assert "Quandt" not in str(told_of)
    other = pseudonymous.settings.model_copy(update={"pseudonym_key": SecretStr("another")})
    assert known_as(other, "ward3", "Quandt_1931") != known
