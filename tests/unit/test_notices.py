"""Notices reach a real HTTP server through Apprise; work goes on when they do not."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.settings import PROJECT_ROOT, Settings
from heartwave_tasks.stores import notices
from tests.sink import take_notices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sink import Taken


@pytest.fixture
def sink() -> Iterator[tuple[str, Taken]]:
    """A server that takes notices: its Apprise address, and what it was sent."""
    with take_notices() as found:
        yield found


def settings(urls: str | None) -> Settings:
    """Settings that send notices to these addresses."""
    return Settings(notify_urls=urls)


def test_notice_reaches_every_address(sink: tuple[str, Taken]) -> None:
    """All addresses of the one setting get title, sentence and kind."""
    url, taken = sink

    assert notices.send(settings(f"{url}/one {url}/two"), "Drift", "S is twice as common as usual.", kind="warning")

    assert [(one["title"], one["message"], one["type"]) for one in taken] == [
        ("Drift", "S is twice as common as usual.", "warning")
    ] * 2


def test_messengers_that_fail_break_nothing(sink: tuple[str, Taken], caplog: pytest.LogCaptureFixture) -> None:
    """Without an address, with a wrong one or one that refuses, the notice is logged, and no password with it."""
    url, taken = sink
    with caplog.at_level(logging.INFO):
        assert not notices.send(settings(None), "Drift", "It drifts.")
        assert not notices.send(settings("nonsense://secret-token"), "Drift", "It drifts.")
        assert not notices.send(settings(f"{url}/refuse?+token=secret-token"), "Drift", "It drifts.")

    assert len(taken) == 1
    assert caplog.text.count("Drift: It drifts.") == 3
    assert "did not reach" in caplog.text
    assert "secret-token" not in caplog.text


NOTIFY = """
import json, sys
import airflow.sdk
import heartwave_notices as told
from types import SimpleNamespace
if sys.argv[1] == "failed":
    dag = airflow.sdk.DAG("score_recordings", schedule=None)
    for run_id in ("manual__0", "manual__1"):
        told.FAILED({"dag": dag, "run_id": run_id, "ti": SimpleNamespace(task_id="label")})
else:
    import asyncio
    from datetime import timedelta
    alert = told.late("Tonight's labels", timedelta(hours=4))
    assert alert.callback.path == "heartwave_notices.Notice"
    context = {"dag_run": {"dag_id": "score_recordings", "dag_run_id": "manual__1"}, "deadline": {}}
    async def main():
        await told.Notice(**alert.callback.kwargs, context=context)
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("event", "title", "words"),
    [
        ("failed", "score_recordings failed", ["manual__1", "task label", "/dags/score_recordings/runs/manual__1"]),
        ("late", "Tonight's labels are late", ["score_recordings manual__1", "4 hours", "/runs/manual__1"]),
    ],
)
def test_airflow_tells_of_failures_and_late_labels(
    sink: tuple[str, Taken], tmp_path: Path, event: str, title: str, words: list[str]
) -> None:
    """Airflow's notifier names the run, the task and where to look, for a failure and for a missed deadline."""
    url, taken = sink
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "HEARTWAVE"))},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__API__BASE_URL": "http://airflow.example",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
        "HEARTWAVE_HOME": str(tmp_path),
        "HEARTWAVE_NOTIFY_URLS": url,
        "PYTHONPATH": str(PROJECT_ROOT),
    }
    command = [sys.executable, "-c", NOTIFY, event]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert {one["title"] for one in taken} == {title}
    for word in words:
        assert word in taken[-1]["message"]
