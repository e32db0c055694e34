"""Notices that DAGs attach: to failures, to deadlines, and to questions that wait for a person.

Here and not beside the DAGs, because the triggerer, which tells of missed deadlines, knows this folder and not theirs.
Every Airflow process loads its plugins, so nothing heavy is imported before there is something to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import AsyncCallback, BaseNotifier, DeadlineAlert, DeadlineReference

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Context


class Notice(BaseNotifier):
    """Sends a sentence, with a link to the run, to the addresses of ``HEARTWAVE_NOTIFY_URLS``.

    Parameters
    ----------
    title, sentence
        What happened, and what to do; Jinja templates. Never a recording's name: notices leave the house.
    kind
        ``info``, ``success``, ``warning`` or ``failure``.
    """

    def __init__(self, *, title: str, sentence: str, kind: str = "info", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.title, self.sentence, self.kind = title, sentence, kind

    def notify(self, context: Context) -> None:
        """Send it."""
        from heartwave_tasks.settings import get_settings
        from heartwave_tasks.stores import notices

        # Rendered here, not by the base class, which would keep what it said of the first run for every other.
        environment = self.get_template_env(dag=context.get("dag"))
        title, sentence = (self.render_template(text, context, environment) for text in (self.title, self.sentence))
        notices.send(get_settings(), title, f"{sentence} {_address(context)}".rstrip(), kind=self.kind)

    async def async_notify(self, context: Context) -> None:
        """Send it without keeping the triggerer waiting."""
        from anyio import to_thread

        await to_thread.run_sync(self.notify, context)


def late(what: str, after: timedelta) -> DeadlineAlert:
    """Tell when a run has not ended so long after it was queued.

    Parameters
    ----------
    what
        What people miss, as the beginning of a sentence: "Tonight's labels".
    """
    told = {
        "title": f"{what} are late",
        "sentence": "{{ dag_run.dag_id }} {{ dag_run.dag_run_id }} has not ended "
        f"{after.total_seconds() / 3600:g} hours after it was queued; see which tasks wait, fail or hang.",
        "kind": "warning",
    }
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, after, AsyncCallback(Notice, kwargs=told), name=what)


FAILED = Notice(
    title="{{ dag.dag_id }} failed",
    sentence="Run {{ run_id }} failed{% if ti is defined %} in the task {{ ti.task_id }}{% endif %}: its log says why. "
    "What was finished is kept; clearing the task, or the next run, does the rest.",
    kind="failure",
)
"""For `on_failure_callback` of a DAG."""

WAITS_FOR_APPROVAL = Notice(
    title="A model waits for your approval",
    sentence="{{ ti.xcom_pull(task_ids='compare')['reasons'] | join(' ') }} "
    "Approve or reject it in Airflow under Required Actions, within six days.",
)
"""For an operator that asks a person."""


def _address(context: Context) -> str:
    """Return where the run is shown."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    run: Any = context.get("dag_run")
    if isinstance(run, dict):  # a missed deadline knows the run as JSON
        dag_id, run_id = run["dag_id"], run["dag_run_id"]
    else:
        dag_id, run_id = context["dag"].dag_id, context["run_id"]
    return f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}" if base else ""
