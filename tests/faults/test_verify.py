"""`heartwave verify` and the checks on the way: what differs is found, named, and mended where it can be."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

from heartwave_tasks.cli.app import main
from heartwave_tasks.jobs import orphans, score
from heartwave_tasks.jobs.publishing import publish_labels
from heartwave_tasks.jobs.reconciliation import UnreconciledError
from heartwave_tasks.jobs.verify import verify
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import get_object, list_objects, s3_client
from heartwave_tasks.stores.published_labels import recording_of
from heartwave_tasks.stores.recordings import find_recordings
from heartwave_tasks.stores.strips import strip_key

if TYPE_CHECKING:
    from heartwave_tasks.jobs.findings import Report
    from tests.faults.laboratory import Laboratory


pytestmark = pytest.mark.timeout(900)  # servers and models are set up in the first test's time

REVISIONS = "SELECT recording_id, revision_id FROM heartwave.recording_revisions"


@pytest.fixture
def estate(lab: Laboratory) -> Laboratory:
    """The laboratory, everything taken in and labelled."""
    lab.reset(ingested=False)
    lab.run_again(ingest=True)
    return lab


def look(lab: Laboratory, *, mend: bool = False) -> Report:
    """Verify without telling how far it is."""
    return verify(lab.direct, lambda _station, _done, _total: None, mend=mend)


def wrong(report: Report) -> set[tuple[str, str]]:
    """Return stations and things that differ."""
    return {(finding.station.value, finding.what) for finding in report.findings if finding.is_wrong}


def keys(lab: Laboratory) -> dict[str, str]:
    """Return the keys of the beats by recording."""
    return dict(lab.execute("SELECT recording_id, beats_key FROM heartwave.recording_revisions"))


def spoil(lab: Laboratory, key: str) -> None:
    """Flip one bit of an object in the lake."""
    client = s3_client(lab.direct)
    content = bytearray(get_object(client, lab.direct.lake_bucket, key))
    content[len(content) // 2] ^= 1
    client.put_object(Bucket=lab.direct.lake_bucket, Key=key, Body=bytes(content))


def test_all_is_well(estate: Laboratory) -> None:
    """An estate nobody has touched has nothing to report, and every label was read."""
    published = publish_labels(estate.direct)

    report = look(estate)

    assert report.findings == []
    assert report.n_labels == estate.compare().n_labels > 0
    assert report.checked == {"recordings": 4, "beats": 4, "strips": 4, "objects": 8, "models": 2, "ledger": 4,
                              "labels": 4, "partitions": 1, "published": published.recordings}  # fmt: skip


def test_everything_that_differs_is_named(estate: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotten, lost and strange objects, changed labels and a wrong ledger are each found, with a remedy."""
    monkeypatch.setattr(orphans, "AGE", timedelta())
    client, lake, beats = s3_client(estate.direct), estate.direct.lake_bucket, keys(estate)
    one, two, three, four = sorted(beats)
    estate.execute("UPDATE heartwave.held_scorings SET released_at = now(), released_by = 'a test'")
    publish_labels(estate.direct)
    published = {recording_of(entry.key): entry.key for entry in list_objects(client, lake, "labels/")}
    spoil(estate, published[one])
    spoil(estate, beats[one])
    spoil(estate, strip_key(beats[two]))
    client.delete_object(Bucket=lake, Key=beats[three])
    client.put_object(Bucket=lake, Key="beats/segmenter=0/x/y.parquet", Body=b"left behind")
    of = {name: f"revision_id = {revision_id}" for name, revision_id in estate.execute(REVISIONS)}
    last = f"(SELECT max(r_peak_sample) FROM heartwave.labels WHERE {of[one]})"
    estate.execute(f"UPDATE heartwave.labels SET confidence = 0.5 WHERE {of[one]} AND r_peak_sample = {last}")
    estate.execute(f"DELETE FROM heartwave.labels WHERE {of[two]} AND r_peak_sample < 500")
    estate.execute(f"UPDATE heartwave.scorings SET n_n = n_n + 1, n_labels = n_labels + 1 WHERE {of[three]}")
    estate.execute(f"DELETE FROM heartwave.scorings WHERE {of[four]}")
    estate.execute("CREATE TABLE heartwave.labels_1999_01 (LIKE heartwave.labels)")
    estate.execute("SELECT heartwave.ensure_label_partition('2000-01-01')")
    (model_file,) = list(Path(str(estate.artifacts)).rglob("rhythm*"))[:1]
    kept = model_file.read_bytes()
    model_file.write_bytes(kept + b" ")

    report = look(estate)

    model_file.write_bytes(kept)
    estate.execute("DROP TABLE heartwave.labels_1999_01, heartwave.labels_2000_01")
    found = wrong(report)
    assert found >= {
        ("beats", one), ("strips", two), ("beats", three), ("objects", "beats/segmenter=0/x/y.parquet"),
        ("labels", f"{one} by heartwave version 1"), ("labels", f"{two} by heartwave version 1"),
        ("labels", f"{three} by heartwave version 1"), ("ledger", f"{three} by heartwave version 1"),
        ("partitions", "labels_1999_01"), ("partitions", "labels_2000_01"),
        ("published", published[one]), ("published", published[four]),
    }  # fmt: skip
    assert [what for station, what in found if station == "models"]
    assert f"revision {of[four].rpartition(' ')[2]} by model version 1" in {what for _, what in found}
    assert len(found) == 14
    assert all(finding.remedy for finding in report.findings)


def test_a_spoiled_recording_is_set_aside_and_mended(estate: Laboratory) -> None:
    """Beats with a flipped bit are not labelled, the others are; verify has them cut again, and then all is well."""
    estate.execute("TRUNCATE heartwave.labels, heartwave.scorings CASCADE")
    recording_id, key = min(keys(estate).items())
    spoil(estate, key)
    (shard,) = score.plan(estate.direct, estate.night)

    with pytest.raises(UnreconciledError, match=f"1 of 4 recordings .* {recording_id}: .* has SHA-256"):
        score.score_shard(estate.direct, shard, "faults")
    assert recording_id not in {labelled for labelled, _, _ in estate.labels().rows}
    assert len(estate.labels().rows) == 3

    assert wrong(look(estate, mend=True)) == {("beats", recording_id)}
    estate.run_again(ingest=True)
    assert look(estate).n_wrong == 0
    assert estate.compare().same


def test_a_recording_that_rotted_in_its_bucket_is_named(estate: Laboratory) -> None:
    """Files that are listed as before but hold other bytes are told by their hashes, and nothing is cut from them."""
    recording_id, key = min(keys(estate).items())
    client, bucket = s3_client(estate.direct), estate.direct.recordings_bucket
    kept = get_object(client, bucket, f"{recording_id}.dat")
    client.put_object(Bucket=bucket, Key=f"{recording_id}.dat", Body=kept[:-1] + bytes([kept[-1] ^ 1]))
    # No S3 server changes bytes and keeps the ETag; it is the ledger that is told the new one.
    listing = find_recordings(client, estate.direct, [recording_id])[recording_id]
    estate.execute(
        f"UPDATE heartwave.recording_revisions SET listing_fingerprint = '{listing.fingerprint}' "
        f"WHERE recording_id = '{recording_id}'"
    )
    spoil(estate, key)

    report = look(estate, mend=True)

    client.put_object(Bucket=bucket, Key=f"{recording_id}.dat", Body=kept)
    assert wrong(report) == {("recordings", recording_id), ("beats", recording_id)}
    found = {finding.station.value: finding for finding in report.findings}
    assert re.fullmatch("its files hold content [0-9a-f]{12}, not [0-9a-f]{12} as .*", found["recordings"].difference)
    assert "backup" in found["recordings"].remedy
    assert "cannot be cut again" in found["beats"].remedy
    assert not report.mendable


def test_a_beat_labelled_twice_is_seen(estate: Laboratory) -> None:
    """The key of the labels holds the night: a copy under another night is one label too many."""
    estate.execute(
        "CREATE TEMP TABLE copied AS SELECT * FROM heartwave.labels ORDER BY revision_id, r_peak_sample LIMIT 1;"
        "UPDATE copied SET night = night - 1; SELECT heartwave.ensure_label_partition(night) FROM copied;"
        "INSERT INTO heartwave.labels SELECT * FROM copied"
    )

    (finding,) = look(estate).findings

    assert "more than one" in finding.difference


def test_the_command_tells_and_fails(
    estate: Laboratory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`heartwave verify` ends with 0 when all is well and with 1 when something differs; JSON says what."""
    monkeypatch.setattr(Settings, "load", lambda: estate.direct)

    def run(*options: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["verify", *options])
        return ended.value.code, capsys.readouterr().out

    assert run() == (0, ANY)
    spoil(estate, min(keys(estate).values()))
    code, told = run("--format", "json")

    document = json.loads(told)
    assert (code, document["ok"]) == (1, False)
    assert [finding["station"] for finding in document["findings"]] == ["beats"]
    code, told = run()
    assert code == 1
    assert "Found 1 that differ." in told
