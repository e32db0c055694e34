"""Where the demo takes recordings from: a given path, PhysioNet's public bucket, or synthetic ones."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from heartwave_tasks.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heartwave_tasks.settings import Settings

PHYSIONET_BUCKET: Final = "physionet-open"
PHYSIONET_REGION: Final = "us-east-1"
MITDB_PREFIX: Final = "mitdb/1.0.0/"

_SUFFIXES: Final = (".hea", ".dat", ".atr")
_CONNECT_TIMEOUT_S: Final = 4
_N_THREADS: Final = 8
_N_SYNTHETIC: Final = 24
_SYNTHETIC_SEED: Final = 2026


@dataclass(frozen=True)
class DemoRecordings:
    """Recordings for the demo: where they lie, which source they are uploaded as, and what to tell people."""

    path: Path
    source: str
    told: str


def find_recordings(settings: Settings, given: Path | None, tell: Callable[[str], None]) -> DemoRecordings:
    """Return MIT-BIH from the given path or PhysioNet, or synthetic recordings where neither is to be had.

    Raises `CommandError` when a path was given and does not exist: nobody who names one wants another.
    """
    path = given or settings.mitdb
    if path is not None:
        if not path.exists():
            raise CommandError(f"{path} does not exist. Give MIT-BIH as a directory, .zip or .tar.xz, or leave it out.")
        return DemoRecordings(path, "mitdb", f"MIT-BIH Arrhythmia Database from {path}")
    tell("Downloading the MIT-BIH Arrhythmia Database from PhysioNet's public bucket (100 MB) …")
    try:
        directory = download_mitdb(settings.home / "downloads" / "mitdb")
    except (BotoCoreError, ClientError) as error:
        tell(f"PhysioNet cannot be reached ({type(error).__name__}).")
    else:
        return DemoRecordings(directory, "mitdb", "MIT-BIH Arrhythmia Database from PhysioNet")
    directory = settings.home / "downloads" / "synthetic"
    write_synthetic(directory)
    return DemoRecordings(
        directory,
        "synthetic",
        f"{_N_SYNTHETIC} SYNTHETIC recordings, drawn by a program: figures say nothing about real hearts",
    )


def download_mitdb(directory: Path, client: Any = None) -> Path:
    """Download the 48 records into a directory, keeping what is there already in the right size.

    Raises botocore's errors when the bucket cannot be reached.
    """
    client = client or _physionet_client()
    listing = client.list_objects_v2(Bucket=PHYSIONET_BUCKET, Prefix=MITDB_PREFIX, Delimiter="/")
    directory.mkdir(parents=True, exist_ok=True)

    def fetch(item: dict[str, Any]) -> None:
        target = directory / item["Key"].rpartition("/")[2]
        if target.is_file() and target.stat().st_size == item["Size"]:
            return
        partial = target.with_name(f"{target.name}.partial")
        client.download_file(PHYSIONET_BUCKET, item["Key"], str(partial))
        os.replace(partial, target)  # noqa: PTH105 - Path.replace says less clearly that it is atomic

    wanted = [item for item in listing.get("Contents", ()) if item["Key"].endswith(_SUFFIXES)]
    with ThreadPoolExecutor(_N_THREADS) as pool:
        list(pool.map(fetch, wanted))
    return directory


def write_synthetic(directory: Path) -> None:
    """Write the synthetic WFDB recordings, the same ones every time."""
    from heartwave_tasks.synthetic import write_recordings  # noqa: PLC0415 - wfdb takes its time

    directory.mkdir(parents=True, exist_ok=True)
    write_recordings(directory, count=_N_SYNTHETIC, seed=_SYNTHETIC_SEED)


def _physionet_client() -> Any:
    config = Config(
        signature_version=UNSIGNED,
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=_N_THREADS,
    )
    return boto3.client("s3", region_name=PHYSIONET_REGION, config=config)
