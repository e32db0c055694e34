"""MLflow as HeartWave uses it, with MLflow's own store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.registry import EXPERIMENT, Registry

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_trainings_that_begin_at_once_share_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a new installation, a training whose sister makes the experiment a moment before it goes on with hers."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    settings = Settings(mlflow_tracking_uri=uri)
    look_up = MlflowClient.get_experiment_by_name

    def overtaken(client: MlflowClient, name: str) -> Any:
        """See nothing yet, then let somebody else be quicker; later, look."""
        monkeypatch.setattr(MlflowClient, "get_experiment_by_name", look_up)
        MlflowClient(uri).create_experiment(EXPERIMENT, artifact_location=tmp_path.as_uri())
        return None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", overtaken)
    with Registry(settings).run("second", {}) as run:
        found = MlflowClient(uri).get_run(run.run_id)

    assert found.info.experiment_id == MlflowClient(uri).get_experiment_by_name(EXPERIMENT).experiment_id


def test_trainings_log_the_same_beats_at_once(tmp_path: Path) -> None:
    """Trainings that name the same new set of beats at the same moment all have it as their input."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowClient(uri).create_experiment(EXPERIMENT, artifact_location=tmp_path.as_uri())
    together = Barrier(4)

    def train(number: int) -> set[str]:
        with Registry(Settings(mlflow_tracking_uri=uri)).run(f"training {number}", {}) as run:
            for digest in "abcdef":
                together.wait(timeout=30)  # or one that fails would have the others wait for ever
                run.log_dataset("annotated beats", digest, {"N": 3}, "s3://lake/beats/")
        return {each.dataset.digest for each in MlflowClient(uri).get_run(run.run_id).inputs.dataset_inputs}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, range(4))) == [set("abcdef")] * 4
