"""Maintain storage: partitions ahead of time, retention, and objects nobody refers to; daily."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task
from heartwave_notices import FAILED
from heartwave_retries import default_args


@dag(
    # The next tick, not the last one: what was just installed has nothing to catch up on.
    schedule=CronTriggerTimetable("30 0 * * *", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    on_failure_callback=FAILED,
    max_active_runs=1,
    default_args=default_args(retries=3, at_most=timedelta(hours=1)),
    tags=["heartwave", "daily"],
    doc_md="""
### Housekeeping

Creates the coming months' label partitions, drops labels older than `HEARTWAVE_RETENTION_MONTHS` (the ledger keeps
its counts), deletes Parquet files that no recording revision refers to, and refused bytes that nobody has waited for
`HEARTWAVE_QUARANTINE_DAYS`.
""",
)
def maintain_storage() -> None:
    @task
    def add_partitions() -> None:
        """Create the label partitions of this month and the next ones."""
        from heartwave_tasks.jobs import maintain
        from heartwave_tasks.settings import get_settings

        maintain.add_partitions(get_settings(), get_current_context()["dag_run"].run_after.date())

    @task
    def drop_old_labels() -> list[str]:
        """Drop label partitions older than the retention."""
        from heartwave_tasks.jobs import maintain
        from heartwave_tasks.settings import get_settings

        return maintain.drop_old_labels(get_settings(), get_current_context()["dag_run"].run_after.date())

    @task
    def sweep_orphans() -> int:
        """Delete beats no revision refers to."""
        from heartwave_tasks.jobs import maintain
        from heartwave_tasks.settings import get_settings

        return maintain.sweep_orphans(get_settings())

    @task
    def sweep_quarantine() -> int:
        """Delete refused bytes nobody waits for any more."""
        from heartwave_tasks.jobs import quarantine
        from heartwave_tasks.settings import get_settings

        return quarantine.sweep(get_settings())

    add_partitions() >> drop_old_labels()
    sweep_orphans()
    sweep_quarantine()


maintain_storage()
