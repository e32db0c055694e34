"""Links from a task to what it made: the MLflow run, the model version, its report, the HeartWave page.

They are read from what the task returned, so the tasks know nothing of them. Airflow offers them on every task; where
there is nothing to link to, it shows none.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

PAGES = {
    "ingest_recordings": "recordings?order=newest",
    "score_recordings": "tonight",
    "retrain_models": "models",
}
"""Where the page shows what a DAG did."""


class _Link(BaseOperatorLink):
    """A link that knows what the task returned."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, empty where there is none."""
        return self.address(ti_key) if operator.dag_id in PAGES else ""

    @abstractmethod
    def address(self, ti_key: TaskInstanceKey) -> str:
        """Return the address for a task of ours."""


class MlflowRun(_Link):
    """The MLflow run in which a model was trained."""

    name = "MLflow run"

    def address(self, ti_key: TaskInstanceKey) -> str:
        """Return the run's page in MLflow."""
        run_id = _returned(ti_key).get("run_id")
        return f"{_mlflow()}/#/runs/{run_id}" if run_id else ""


class ModelVersion(_Link):
    """The version that was registered in MLflow."""

    name = "Model version"

    def address(self, ti_key: TaskInstanceKey) -> str:
        """Return the version's page in MLflow."""
        from heartwave_tasks.settings import get_settings

        version = _returned(ti_key).get("version")
        return f"{_mlflow()}/#/models/{get_settings().model_name}/versions/{version}" if version else ""


class Report(_Link):
    """The report on the version, as the page shows it."""

    name = "Report"

    def address(self, ti_key: TaskInstanceKey) -> str:
        """Return the report's address."""
        version = _returned(ti_key).get("version")
        return f"{_airflow()}/heartwave/data/models/{version}/report" if version else ""


class HeartWave(_Link):
    """The view of the page that shows what the task did."""

    name = "HeartWave"

    def address(self, ti_key: TaskInstanceKey) -> str:
        """Return the view's address."""
        return f"{_airflow()}/heartwave/#/{PAGES[ti_key.dag_id]}"


def _returned(ti_key: TaskInstanceKey) -> dict[str, Any]:
    """Return what a task returned, where that is a dictionary."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            key="return_value",
            run_id=ti_key.run_id,
            dag_ids=ti_key.dag_id,
            task_ids=ti_key.task_id,
            map_indexes=ti_key.map_index,
        )
        found = session.execute(query.with_only_columns(XComModel.value)).first()
    value = found.value if found else None
    returned = json.loads(value) if isinstance(value, str) else value
    return returned if isinstance(returned, dict) else {}


def _airflow() -> str:
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def _mlflow() -> str:
    from heartwave_tasks.settings import get_settings

    settings = get_settings()
    return (settings.mlflow_url or settings.mlflow_tracking_uri or "").rstrip("/")


LINKS = [MlflowRun(), ModelVersion(), Report(), HeartWave()]
