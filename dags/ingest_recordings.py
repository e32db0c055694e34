"""Ingest recordings: from the recordings bucket to beats in the lake, every hour."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Metadata, dag, get_current_context, task
from heartwave_assets import BEATS
from heartwave_notices import FAILED
from heartwave_retries import default_args


@dag(
    # The next tick, not the last one: what was just installed has nothing to catch up on.
    schedule=CronTriggerTimetable("0 * * * *", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    on_failure_callback=FAILED,
    max_active_runs=1,
    default_args=default_args(retries=3, at_most=timedelta(hours=2)),
    tags=["heartwave", "nightly"],
    doc_md="""
### Recordings become beats

Finds recordings in the recordings bucket that are **new or changed**, checks them, cuts them into beats, and writes
one Parquet file per recording revision to the lake. A recording that cannot be used goes to **quarantine** with the
reason and the remedy (`heartwave quarantine list`, or `SELECT * FROM current_quarantine`); the run goes on with the
others. When a source's share of refused recordings jumps, a notice is sent.

Running it again does nothing until something new arrives.
""",
)
def ingest_recordings() -> None:
    @task
    def plan_shards() -> list[dict]:
        """Find what is new or changed, and share it out among tasks."""
        from heartwave_tasks.jobs import ingest
        from heartwave_tasks.settings import get_settings

        return [asdict(shard) for shard in ingest.plan(get_settings())]

    @task(
        # Known before the task begins; when it has ended, its title says what came of it.
        map_index_template="{{ shard_title or 'shard %s of %s' | format(ti.task.op_kwargs.shard.number, "
        "ti.task.op_kwargs.shard.of) }}",
        doc_md="Cut a shard's recordings into beats; bad ones go to quarantine.",
    )
    def segment(shard: dict) -> dict:
        from heartwave_tasks.jobs import ingest
        from heartwave_tasks.settings import get_settings

        chosen = ingest.IngestShard(**shard)
        context = get_current_context()
        counts = ingest.segment_shard(get_settings(), chosen)
        context["shard_title"] = f"{chosen.title} · {counts.sentence}"
        return asdict(counts)

    @task(outlets=[BEATS])
    def publish(counts: list[dict]):
        """Say what was ingested; tell the DAGs that wait for beats."""
        from airflow.sdk.exceptions import AirflowSkipException

        from heartwave_tasks.jobs import ingest
        from heartwave_tasks.settings import get_settings

        total = ingest.summarise(get_settings(), [ingest.IngestCounts(**one) for one in counts])
        if not total.recordings:
            raise AirflowSkipException("No recording was ingested.")
        yield Metadata(BEATS, extra=asdict(total))

    publish(segment.expand(shard=plan_shards()))


ingest_recordings()
