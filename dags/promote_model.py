"""Promote a model: a person chooses who labels from now on, or goes back to the champion before; by hand only."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Metadata, Param, dag, get_current_context, task
from heartwave_assets import CHAMPION
from heartwave_notices import FAILED
from heartwave_retries import default_args


@dag(
    schedule=None,
    catchup=False,
    on_failure_callback=FAILED,
    max_active_runs=1,
    default_args=default_args(retries=2, at_most=timedelta(minutes=10)),
    tags=["heartwave", "by hand"],
    params={
        "version": Param(
            None,
            type=["null", "integer"],
            title="Version",
            description="Which version labels from now on; HeartWave → Models lists them. "
            "Empty goes back to the champion before the present one.",
            minimum=1,
            maximum=1_000_000_000,
        ),
        "reason": Param(
            "",
            type="string",
            title="Reason",
            description="Why, in a sentence: it is kept beside your name, in Postgres and on the version in MLflow.",
            minLength=3,
            maxLength=500,
        ),
    },
    doc_md="""
### A person decides who labels

Makes the version **champion**, whatever the gate says of it; what the gate would have said is kept beside your name and
reason. Without a version it **rolls back** to the champion before. HeartWave → Models has a button for both.

The next `score_recordings` starts by itself, and labels with the new champion whatever it has not labelled yet. Labels
of other versions stay in `all_labels`.
""",
)
def promote_model() -> None:
    @task
    def note_champion() -> int:
        """Note who is champion as the run begins, so that a retry does not go back twice."""
        from heartwave_tasks.jobs import versions
        from heartwave_tasks.settings import get_settings

        return versions.find_version(get_settings(), "").version

    @task(outlets=[CHAMPION])
    def promote(leaving: int):
        """Make the version champion, in whose name and for which reason."""
        from airflow.sdk.exceptions import AirflowSkipException

        from heartwave_tasks.jobs import promotion
        from heartwave_tasks.settings import get_settings

        context = get_current_context()
        version, reason = context["params"]["version"], context["params"]["reason"]
        by = context["dag_run"].triggering_user_name or "somebody in Airflow"
        if version is None:
            promoted = promotion.rollback(get_settings(), by=by, reason=reason, leaving=leaving)
        else:
            promoted = promotion.promote_version(get_settings(), int(version), by=by, reason=reason)
        if not promoted.promoted:
            raise AirflowSkipException(" ".join(promoted.reasons))
        yield Metadata(CHAMPION, extra=asdict(promoted))

    promote(note_champion())


promote_model()
