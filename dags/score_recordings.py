"""Score recordings: the champion labels every beat it has not labelled yet, every night and after a promotion."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Metadata, dag, get_current_context, task
from heartwave_assets import CHAMPION, LABELS
from heartwave_notices import FAILED, Notice, late
from heartwave_retries import default_args


@dag(
    schedule=AssetOrTimeSchedule(
        # The next tick, not the last one: what was just installed has nothing to catch up on.
        timetable=CronTriggerTimetable("0 2 * * *", timezone="UTC", run_immediately=timedelta()),
        assets=[CHAMPION],
    ),
    catchup=False,
    on_failure_callback=FAILED,
    deadline=late("Tonight's labels", timedelta(hours=4)),
    default_args=default_args(retries=3, at_most=timedelta(hours=2)),
    tags=["heartwave", "nightly"],
    doc_md="""
### Beats become labels

Pins the **champion** as it is when the run begins, finds the recordings it has not labelled, and labels them shard by
shard. Each recording's labels and its line in the ledger are committed in **one transaction**: all of them are
there, once, or none. Repeating a run, or running two at once, changes nothing.

Labels that look implausible are **held** (`heartwave held list`). All others are written to the lake as **Parquet**,
too, and the night is compared with what the champion learnt from (`SELECT * FROM population_drift`).

`SELECT * FROM current_labels` reads the result.
""",
)
def score_recordings() -> None:
    @task
    def plan_shards() -> list[dict]:
        """Pin the champion, and share out what it has not labelled."""
        from heartwave_tasks.jobs import score
        from heartwave_tasks.settings import get_settings

        night = get_current_context()["dag_run"].run_after.date()
        return [asdict(shard) for shard in score.plan(get_settings(), night)]

    @task(
        # Known before the task begins; when it has ended, its title says what came of it.
        map_index_template="{{ shard_title or 'shard %s of %s · %s beats' | format(ti.task.op_kwargs.shard.number, "
        "ti.task.op_kwargs.shard.of, ti.task.op_kwargs.shard.n_beats) }}",
        doc_md="Label a shard's beats and commit them recording by recording.",
    )
    def label(shard: dict) -> dict:
        from heartwave_tasks.jobs import score
        from heartwave_tasks.settings import get_settings

        context = get_current_context()
        chosen = score.ScoreShard(**shard)
        counts = score.score_shard(get_settings(), chosen, context["dag_run"].run_id)
        context["shard_title"] = f"{chosen.title} · {counts.sentence}"
        return asdict(counts)

    # Also when there was nothing to label: a file may be missing, or labels were released.
    @task(trigger_rule="none_failed", outlets=[LABELS])
    def publish():
        """Write to the lake, as Parquet, what it lacks of the labels that are committed and not held."""
        from airflow.sdk.exceptions import AirflowSkipException

        from heartwave_tasks.jobs import publishing
        from heartwave_tasks.settings import get_settings

        night = get_current_context()["dag_run"].run_after.date()
        counts = publishing.publish_labels(get_settings(), night)
        if not counts.recordings:
            raise AirflowSkipException("The lake has all labels.")
        yield Metadata(LABELS, extra=asdict(counts))

    @task
    def watch() -> list[str]:
        """Measure how far the night is from what the champion learnt from, and tell what people should look at."""
        from heartwave_tasks.jobs import monitoring
        from heartwave_tasks.settings import get_settings

        context = get_current_context()
        alerts = monitoring.watch_night(get_settings(), context["dag_run"].run_after.date())
        if alerts:
            Notice(title="Look at tonight's labels", sentence=" ".join(alerts), kind="warning").notify(context)
        return alerts

    label.expand(shard=plan_shards()) >> [publish(), watch()]


score_recordings()
