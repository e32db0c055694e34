"""Forgetting: a recording leaves every store, others stay, and a receipt says what was deleted without naming it."""

from __future__ import annotations

import psycopg2
import pytest
from psycopg2 import errors
from pydantic import SecretStr

from heartwave_tasks.cli.app import INTERRUPTED, _run
from heartwave_tasks.jobs import forget, ingest
from heartwave_tasks.settings import Settings, SettingsError
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.pseudonyms import known_as
from heartwave_tasks.stores.registry import Registry
from tests.integration.planting import Planter, random_labels
from tests.integration.ward import Ward


@pytest.fixture
def full(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """Two recordings in every store: arrived, refused before, cut, labelled, reviewed, published, trained on."""
    settings = ward.settings.model_copy(update={"pseudonym_key": SecretStr("a key")})
    found = Ward(settings, ward.database, ward.records)
    for record in ("leaves", "stays"):
        found.put_record(f"ward3/{record}", dat=b"nothing")
        found.put(f"inbox/ward3/{record}.hea", b"x 1 360 10\n")
    found.ingest()
    for record in ("leaves", "stays"):
        found.put_record(f"ward3/{record}")
    # The inbox holds what is newer, and worse.
    client = s3_client(settings)
    for record in ("leaves", "stays"):
        client.delete_object(Bucket=settings.recordings_bucket, Key=f"inbox/ward3/{record}.hea")
        found.put(f"inbox/ward3/{record}.dat", b"early")
    assert found.ingest().recordings == 2
    with PredictionStore(found.database.writer) as store:
        planter = Planter(store)
        model = planter.model(1, trained_on=["ward3/leaves", "ward3/stays"], promoted=True)
        for revision_id, n_beats in found.ask("SELECT revision_id, n_beats FROM recording_revisions"):
            assert planter.score(revision_id, model, random_labels(n_beats))
    for recording_id, sample in found.ask(
        "SELECT recording_id, min(r_peak_sample) FROM labels JOIN recording_revisions USING (revision_id) GROUP BY 1"
    ):
        found.ask(f"SELECT review_beat('{recording_id}', {sample}, 'V', 'Dr. Who')")
        client.put_object(
            Bucket=settings.lake_bucket,
            Key=f"labels/model=heartwave/version=1/{recording_id}/x.parquet",
            Body=b"labels",
        )
    monkeypatch.setattr(Registry, "unname", lambda *_arguments: 3)  # MLflow itself is asked in the system tests
    return found


def everything(ward: Ward) -> str:
    """Return all keys and all rows there are."""
    keys = [key for bucket in (ward.settings.recordings_bucket, ward.settings.lake_bucket) for key in ward.keys(bucket)]
    tables = ward.ask(
        "SELECT relname FROM pg_class WHERE relnamespace = 'heartwave'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition"
    )
    rows = [ward.ask(f"SELECT t::text FROM heartwave.{table} AS t") for (table,) in tables]
    return "\n".join([*keys, str(rows)])


def test_a_recording_is_forgotten_everywhere(full: Ward) -> None:
    """No key and no row mentions a forgotten recording; another keeps all it had, and ingest finds nothing to do."""
    before = everything(full)
    revisions = dict(full.ask("SELECT recording_id, revision_id FROM recording_revisions"))
    assert before.count("leaves") == before.count("stays") > 10
    kept = full.ask(f"SELECT count(*) FROM labels WHERE revision_id = {revisions['ward3/stays']}")

    (receipt,) = forget.forget(full.settings, "ward3/leaves", "data protection")

    after = everything(full)
    assert "leaves" not in after
    assert after.count("stays") == before.count("stays")
    assert full.ask(f"SELECT count(*) FROM labels WHERE revision_id = {revisions['ward3/stays']}") == kept
    assert full.ask(f"SELECT count(*) FROM labels WHERE revision_id = {revisions['ward3/leaves']}") == [(0,)]
    assert ingest.plan(full.settings) == []
    assert receipt.objects["recordings"] == 4
    assert receipt.objects["quarantine"] > 0
    assert receipt.objects["lake"] == 3
    assert receipt.rows["labels"] > 10
    assert receipt.rows["beat_reviews"] == 1
    assert [(model["model"], model["version"]) for model in receipt.trained] == [("heartwave", 1)]
    # Asked again, nothing changes, and the same receipt is shown.
    assert forget.forget(full.settings, "ward3/leaves", "somebody else") == [receipt]
    assert forget.forget(full.settings, "ward3/never", "somebody") == []
    assert full.ask("SELECT count(*) FROM forgotten_recordings") == [(1,)]


def test_killed_half_way(full: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """When it dies between the objects and the rows, asking again completes it; the command shows the receipt."""
    monkeypatch.setattr("heartwave_tasks.settings.Settings.load", lambda: full.settings)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("heartwave_tasks.stores.forgotten_tables.ForgettingStore.forget", die)
        assert _run(["forget", "ward3/leaves", "--yes"]) == INTERRUPTED

    assert _run(["forget", "ward3/leaves", "--yes", "--for", "ticket 12"]) == 0

    told = capsys.readouterr().out
    assert "asked for by ticket 12" in told
    assert "heartwave version 1 was trained on it" in told
    assert "leaves" not in everything(full)


def test_by_either_name(ward: Ward) -> None:
    """Of a pseudonymous source, a recording is forgotten by its file's name as well as by its pseudonym."""
    told = {"pseudonymous_sources": "ward3", "pseudonym_key": SecretStr("a key")}
    pseudonymous = Ward(ward.settings.model_copy(update=told), ward.database, ward.records)
    for record in ("Quandt_1931", "Quandt_1932"):
        pseudonymous.put_record(f"ward3/{record}")
    pseudonymous.ingest()

    assert forget.forget(pseudonymous.settings, "ward3/Quandt_1931", "x")
    known = known_as(pseudonymous.settings, "ward3", "Quandt_1932")
    assert forget.forget(pseudonymous.settings, known, "x")

    assert ward.ask("SELECT count(*) FROM recordings") == [(0,)]
    assert ward.keys(ward.settings.recordings_bucket) == []


def test_the_owner_alone(ward: Ward) -> None:
    """The writer's role cannot delete a label, and without the owner's nothing is deleted at all."""
    with pytest.raises(errors.InsufficientPrivilege), psycopg2.connect(ward.database.writer) as connection:
        connection.cursor().execute("DELETE FROM heartwave.labels")
    ward.put_record("ward3/stays")
    poor = ward.settings.model_copy(update={"owner_database_url": None})

    with pytest.raises(SettingsError, match="OWNER"):
        forget.forget(poor, "ward3/stays", "x")

    assert "ward3/stays.hea" in ward.keys(ward.settings.recordings_bucket)


@pytest.mark.parametrize("name", ["gone", "../gone", "ward3/", "ward3/%", "ward3/gone/../stays", ""])
def test_names_that_are_none(name: str) -> None:
    """What is no name of a recording is refused before anything is looked up."""
    with pytest.raises(forget.ForgetError):
        forget.forget(Settings(), name, "x")
