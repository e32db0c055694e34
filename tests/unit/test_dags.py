"""DAG files load fast and refuse wrong form values; whole runs are tested in `tests/system`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from heartwave_tasks.models import protocols
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

DAGS = sorted(path.stem for path in (PROJECT_ROOT / "dags").glob("*.py") if not path.stem.startswith("heartwave_"))
# Not boto3: Airflow itself loads it when a task is mapped.
HEAVY = (
    "heartwave_tasks",
    "mlflow",
    "numpy",
    "pandas",
    "psycopg2",
    "pyarrow",
    "scipy",
    "tensorflow",
    "xgboost",
)

LOAD = """
import json, sys
from importlib import import_module
import airflow.sdk
before = set(sys.modules)
sys.path[:0] = json.loads(sys.argv[1])
module = import_module(sys.argv[2])
loaded = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
dag = getattr(module, sys.argv[2])()
refused = []
for name, value in json.loads(sys.argv[3]):
    try:
        dag.params.get_param(name).resolve(value)
    except Exception:
        refused.append([name, value])
print(json.dumps({
    "loaded": loaded,
    "refused": refused,
    "dag_id": dag.dag_id,
    "doc": bool(dag.doc_md),
    "tells": dag.on_failure_callback is not None,
    "longest_first": getattr(module, "LONGEST_FIRST", []),
    "at_once": {task.task_id: task.max_active_tis_per_dagrun for task in dag.tasks},
    "undocumented": [task.task_id for task in dag.tasks if not task.doc_md],
    "params": {
        name: {**dag.params.get_param(name).schema, "description": dag.params.get_param(name).description}
        for name in dag.params
    },
}))
"""


def load(name: str, directory: Path, values: list[tuple[str, Any]] | None = None) -> dict[str, Any]:
    """Import one DAG file in a process of its own, and say what that took and how its form judges some values."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "HEARTWAVE"))},
        "AIRFLOW_HOME": str(directory),
        "PYTHONPATH": str(PROJECT_ROOT),
    }
    # As Airflow does: the folder of DAGs, and that of plugins.
    folders = json.dumps([str(PROJECT_ROOT / folder) for folder in ("dags", "plugins")])
    command = [sys.executable, "-c", LOAD, folders, name, json.dumps(values or [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("name", DAGS)
def test_dag_is_light_and_documented(name: str, tmp_path: Path) -> None:
    """A DAG file is named like its DAG, explains itself, tells of failures, and imports nothing heavy."""
    found = load(name, tmp_path)

    assert found["dag_id"] == name
    assert found["doc"]
    assert found["undocumented"] == []
    assert found["tells"]
    assert set(found["loaded"]) & set(HEAVY) == set()


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("architectures", [], ["relative"]),
        ("architectures", ["transformer"], ["relative"]),
        ("protocols", ["leaky"], []),
        ("sources", ["../x y"], ["mitdb", "inbox/ward3"]),
        ("seed", -1, 0),
        ("seed", "seven", 7),
    ],
)
def test_retrain_form_refuses_wrong_values(field: str, wrong: object, right: object, tmp_path: Path) -> None:
    """The form takes right values and refuses wrong ones before anything runs."""
    found = load("retrain_models", tmp_path, [(field, wrong), (field, right)])

    assert found["refused"] == [[field, wrong]]


def test_retrain_form_explains_every_field(tmp_path: Path) -> None:
    """Each field has a title and a description, and offers what there is."""
    fields = load("retrain_models", tmp_path)["params"]

    assert all(field.get("title") and len(field.get("description", "")) > 30 for field in fields.values())
    assert set(fields["architectures"]["items"]["enum"]) == set(ARCHITECTURES)
    assert {*fields["protocols"]["items"]["enum"], "patient_folds"} == set(protocols.PROTOCOLS)


def test_trainings_are_ordered_and_bounded(tmp_path: Path) -> None:
    """Every architecture has its place in the order, and no more than two are tuned or trained at once."""
    found = load("retrain_models", tmp_path)

    assert sorted(found["longest_first"]) == sorted(ARCHITECTURES)
    assert found["at_once"]["tune"] == found["at_once"]["train"] == 2
