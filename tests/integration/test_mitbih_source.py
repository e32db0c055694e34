"""Where the demo takes its recordings from, against a real S3 server in PhysioNet's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from heartwave_tasks.cli import mitbih_source
from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.record_files import open_records
from tests.integration.s3_server import run_s3_server
from tests.unit.wfdb_files import record_files

if TYPE_CHECKING:
    from pathlib import Path


def test_mitdb_is_downloaded_once(tmp_path: Path) -> None:
    """Records alone are downloaded, none from the folders beside them, and what is there is kept."""
    server_home = tmp_path / "s3"
    server_home.mkdir()
    files = {f"mitdb/1.0.0/{name}": content for name, content in record_files("100").items()}
    others = {"mitdb/1.0.0/RECORDS": b"100\n", "mitdb/1.0.0/x_mitdb/x_108.hea": b"x", "svdb/1.0.0/800.hea": b"x"}
    with run_s3_server(server_home) as settings:
        client = s3_client(settings)
        client.create_bucket(Bucket=mitbih_source.PHYSIONET_BUCKET)
        for key, content in {**files, **others}.items():
            client.put_object(Bucket=mitbih_source.PHYSIONET_BUCKET, Key=key, Body=content)
        directory = mitbih_source.download_mitdb(tmp_path / "mitdb", client)
        assert sorted(path.name for path in directory.iterdir()) == ["100.atr", "100.dat", "100.hea"]
        before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
        (directory / "100.dat").write_bytes(b"cut")
        mitbih_source.download_mitdb(directory, client)
        assert (directory / "100.dat").read_bytes() == b"signal"
        assert (directory / "100.hea").stat().st_mtime_ns == before["100.hea"]


def test_offline_the_recordings_are_synthetic_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PhysioNet cannot be reached, synthetic records are written and announced as such."""
    nowhere = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}),
    )
    monkeypatch.setattr(mitbih_source, "_physionet_client", lambda: nowhere)
    monkeypatch.setattr(mitbih_source, "_N_SYNTHETIC", 2)
    monkeypatch.delenv("HEARTWAVE_MITDB", raising=False)
    told: list[str] = []
    recordings = mitbih_source.find_recordings(Settings(home=tmp_path), None, told.append)
    assert recordings.source == "synthetic"
    assert "SYNTHETIC" in recordings.told
    assert any("cannot be reached" in line for line in told)
    with open_records(recordings.path, 1 << 30) as found:
        assert len(found.records) == 2
        assert not any(record.missing for record in found.records)


def test_a_given_path_is_never_replaced(tmp_path: Path) -> None:
    """Who names a path that does not exist is told, and gets no other recordings instead."""
    with pytest.raises(CommandError, match="does not exist"):
        mitbih_source.find_recordings(Settings(home=tmp_path), tmp_path / "mitdb.zip", print)
