"""The whole path, from S3 objects to committed labels: the jobs themselves, in processes as Airflow starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from heartwave_tasks.jobs import ingest, score
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import ModelVersionRow, PredictionStore
from heartwave_tasks.stores.registry import FILES_FOLDER, MANIFEST, ModelFiles, Registry
from tests.integration.planting import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heartwave_tasks.models.architectures import BeatModel
    from heartwave_tasks.settings import Settings
    from tests.bench.servers import Servers

_ROOT: Final = Path(__file__).parents[2]
_SETTINGS: Final = (
    "s3_endpoint_url", "s3_access_key_id", "s3_secret_access_key", "recordings_bucket", "lake_bucket", "database_url",
    "mlflow_tracking_uri",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One job over all of its shards; seconds by the clock and of processor time, the workers' and the servers'."""

    job: str
    tasks: int
    beats: int
    wall_s: float
    cpu_s: float
    servers_cpu_s: float
    peak_bytes: int
    child_peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Journey:
    """Ingest and scoring of all recordings of an estate by so many workers at once."""

    name: str
    workers: int
    recordings: int
    beats: int
    n_bytes: int
    legs: tuple[Leg, ...]
    digest: str

    @property
    def wall_s(self) -> float:
        """Seconds by the clock, from the first object read to the last label committed."""
        return sum(leg.wall_s for leg in self.legs)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time of all workers."""
        return sum(leg.cpu_s for leg in self.legs)

    @property
    def beats_per_s(self) -> float:
        """Beats a second by the clock."""
        return self.beats / self.wall_s

    @property
    def peak_bytes(self) -> int:
        """Resident memory of the largest process."""
        return max(max(leg.peak_bytes, leg.child_peak_bytes) for leg in self.legs)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        derived = {
            "beats_per_s": self.beats_per_s,
            "beats_per_cpu_s": self.beats / self.cpu_s,
            "peak_bytes": self.peak_bytes,
        }
        return {**asdict(self), **derived}


def upload(settings: Settings, files: Iterable[tuple[str, bytes]]) -> int:
    """Put objects into the recordings bucket, by key, and return how many bytes they are."""
    client = s3_client(settings)

    def put(file: tuple[str, bytes]) -> int:
        client.put_object(Bucket=settings.recordings_bucket, Key=file[0], Body=file[1])
        return len(file[1])

    total = 0
    with ThreadPoolExecutor(4) as pool:
        batch: list[tuple[str, bytes]] = []
        for file in files:
            batch.append(file)
            if len(batch) == 64:
                total, batch = total + sum(pool.map(put, batch)), []
        return total + sum(pool.map(put, batch))


def install(settings: Settings, model: BeatModel) -> None:
    """Make a model the champion of an estate: its files in MLflow, its version in Postgres."""
    files = ModelFiles(architecture=model.architecture, classes=model.classes, files=model.files())
    with Registry(settings).run("bench", {}) as run:
        for name, content in {**files.files, MANIFEST: files.manifest()}.items():
            run.log_file(f"{FILES_FOLDER}/{name}", content)
    version = ModelVersionRow(
        model_name=settings.model_name,
        version=1,
        mlflow_run_id=run.run_id,
        architecture=model.architecture,
        label_scheme="aami",
        manifest_sha256=files.manifest_sha256(),
        training_digest="bench",
        n_training_beats=0,
    )
    with PredictionStore(settings.require_database_url()) as store:
        store.promote(store.register_model(version, []), "bench", "it is measured")


def travel(
    name: str, servers: Servers, settings: Settings, n_bytes: int, *, workers: int, one_each: bool = False
) -> Journey:
    """Ingest and score what lies in an estate, by as many workers at once, each on a core of its own.

    Tasks are planned as for Airflow, or with ``one_each`` one for every worker.
    """
    shares = {"shard_recordings": 1, "shard_beats": 1, "max_shards": workers} if one_each else {}
    planning = settings.model_copy(update=shares)
    ingested = _leg("ingest", servers, settings, [asdict(shard) for shard in ingest.plan(planning)], workers)
    night = datetime.now(UTC).date()
    scored = _leg("score", servers, settings, [asdict(shard) for shard in score.plan(planning, night)], workers)
    with PredictionStore(settings.require_database_url()) as store:
        n_labels, digest = store.label_digest()
    assert settings.reader_database_url is not None
    reader = settings.reader_database_url.get_secret_value()
    ((recordings,),) = rows(reader, "SELECT count(*) FROM current_recordings")
    assert n_labels == ingested.beats == scored.beats, f"{n_labels} labels of {ingested.beats} beats"
    return Journey(
        name=name, workers=workers, recordings=recordings, beats=n_labels, n_bytes=n_bytes, legs=(ingested, scored),
        digest=digest,
    )  # fmt: skip


def _leg(job: str, servers: Servers, settings: Settings, shards: list[dict[str, Any]], workers: int) -> Leg:
    cores = _cores()
    free = list(cores[:workers])
    before = servers.cpu_s()

    def work(shard: dict[str, Any]) -> dict[str, Any]:
        core = free.pop()
        try:
            return _work(job, settings, shard, core)
        finally:
            free.append(core)

    begun = time.perf_counter()
    with ThreadPoolExecutor(min(workers, len(cores))) as pool:
        done = list(pool.map(work, shards))
    wall_s = time.perf_counter() - begun
    return Leg(
        job=job,
        tasks=len(shards),
        beats=sum(one["beats"] for one in done),
        wall_s=wall_s,
        cpu_s=sum(one["cpu_s"] for one in done),
        servers_cpu_s=servers.cpu_s() - before,
        peak_bytes=max(one["peak_bytes"] for one in done),
        child_peak_bytes=max(one["child_peak_bytes"] for one in done),
    )


def _work(job: str, settings: Settings, shard: dict[str, Any], core: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.worker", job]
    ran = subprocess.run(
        command, input=json.dumps(shard), env=environment(settings), cwd=_ROOT, capture_output=True, text=True,
        check=False, preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"{job} failed:\n{ran.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that hands settings on to a worker."""
    told = {}
    for name in _SETTINGS:
        value = getattr(settings, name)
        told[f"HEARTWAVE_{name.upper()}"] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **one_thread, **told}


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
