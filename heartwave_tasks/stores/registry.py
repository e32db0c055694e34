"""The model registry: runs, versions and aliases in MLflow, and model files that are checked before they are used.

A version's files are listed with their SHA-256 in a manifest; the manifest's own SHA-256 is kept in Postgres. Scoring
reads the native files by name and runs no code from an artifact; the pyfunc wrapper around them is for other tools.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import pyarrow as pa
import urllib3

from heartwave_tasks.stores.failures import is_collision, is_transient_mlflow, persistent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

    from heartwave_tasks.settings import Settings

EXPERIMENT: Final = "heartwave"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
MANIFEST: Final = "manifest.json"
_DRAWN: Final = (".html", ".svg")
_TEXTS: Final = (*_DRAWN, ".json", ".txt", ".md", ".csv")
FILES_FOLDER: Final = "model_files"
EVALUATIONS_FOLDER: Final = "evaluations"
_PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""A silent or missing server is asked again for about a minute, as S3 and Postgres are; MLflow's own defaults wait
sixteen. The environment is where its client reads this, at every request; what an operator has set there counts."""
_WRAPPER: Final = Path(__file__).with_name("registry_pyfunc.py")


def evaluation_path(protocol: str) -> str:
    """Return where a run keeps what belongs to a protocol, without suffix; a source's slashes make no folders."""
    return f"{EVALUATIONS_FOLDER}/{protocol.replace(':', '.').replace('/', '.')}"


class TamperedModelError(RuntimeError):
    """A registered model's files are not those that were registered; nothing was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model as files, with what has to be known to load it."""

    architecture: str
    classes: tuple[str, ...]
    files: Mapping[str, bytes]

    def manifest(self) -> bytes:
        """Return architecture, classes and every file's SHA-256 as JSON, always the same for the same files."""
        document = {
            "architecture": self.architecture,
            "classes": list(self.classes),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())},
        }
        return json.dumps(document, indent=1, sort_keys=True).encode()

    def manifest_sha256(self) -> str:
        """Return the SHA-256 of the manifest: the model's identity."""
        return hashlib.sha256(self.manifest()).hexdigest()


class Registry:
    """MLflow as HeartWave uses it. Raises MLflow's `MlflowException` when the server cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        self._uri = settings.mlflow_tracking_uri
        self._name = settings.model_name

    @cached_property
    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient  # noqa: PLC0415 - with pandas, a second of imports that scoring saves

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @cached_property
    def _http(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=30), retries=False)

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """Open a run for one training; it ends as finished, or as failed when the block raises."""
        run = self._client.create_run(persistent(is_collision)(self._experiment), run_name=name, tags=dict(tags))
        try:
            yield Run(self._client, run.info.run_id)
        except BaseException:
            self._client.set_terminated(run.info.run_id, "FAILED")
            raise
        self._client.set_terminated(run.info.run_id, "FINISHED")

    def _experiment(self) -> str:
        """Return the id of the experiment, made by whoever comes first: several trainings begin at once."""
        found = self._client.get_experiment_by_name(EXPERIMENT)
        return str(found.experiment_id if found else self._client.create_experiment(EXPERIMENT))

    def register(self, run_id: str, model_uri: str, tags: Mapping[str, str]) -> int:
        """Make a run's model a version of the registered model, once however often it is asked for."""
        from mlflow.exceptions import RestException  # noqa: PLC0415

        try:
            self._client.create_registered_model(self._name, description="Labels heartbeats; see the version's report.")
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        for version in self._client.search_model_versions(f"name = '{self._name}'"):
            if version.run_id == run_id:
                return int(version.version)
        created = self._client.create_model_version(
            self._name, model_uri, run_id=run_id, tags=dict(tags), model_id=model_uri.rpartition("/")[2]
        )
        return int(created.version)

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias at a version."""
        self._client.set_registered_model_alias(self._name, alias, str(version))

    def aliases(self) -> dict[str, int]:
        """Return the version behind every alias; none before the first version is registered."""
        from mlflow.exceptions import RestException  # noqa: PLC0415

        try:
            found = self._client.get_registered_model(self._name)
        except RestException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(version) for alias, version in found.aliases.items()}

    def tag_version(self, version: int, tags: Mapping[str, str]) -> None:
        """Note something on a version."""
        for name, value in tags.items():
            self._client.set_model_version_tag(self._name, str(version), name, value)

    def version_tags(self, version: int) -> dict[str, str]:
        """Return what was noted on a version."""
        return dict(self._client.get_model_version(self._name, str(version)).tags)

    def evaluations(self, run_id: str) -> list[bytes]:
        """Fetch the evaluation documents of a run."""
        paths = [entry.path for entry in self._client.list_artifacts(run_id, EVALUATIONS_FOLDER)]
        return [self.artifact(run_id, path) for path in sorted(paths) if path.endswith(".json")]

    def model_files(self, run_id: str, manifest_sha256: str, label: str) -> ModelFiles:
        """Fetch a version's files and check them against the manifest that was registered.

        Parameters
        ----------
        run_id
            The MLflow run that trained it.
        manifest_sha256
            What the predictions store says the manifest's SHA-256 is.
        label
            How to name the version in errors.

        Raises
        ------
        TamperedModelError
            If the manifest or a file has changed since registration, or is missing.
        """
        manifest = self.artifact(run_id, f"{FILES_FOLDER}/{MANIFEST}")
        if hashlib.sha256(manifest).hexdigest() != manifest_sha256:
            msg = f"{label}: the manifest is not the one that was registered. Nothing was loaded; retrain or roll back."
            raise TamperedModelError(msg)
        document = json.loads(manifest)
        files = {}
        for name, expected in document["files"].items():
            files[name] = self.artifact(run_id, f"{FILES_FOLDER}/{name}")
            if hashlib.sha256(files[name]).hexdigest() != expected:
                msg = f"{label}: {name} is not the file that was registered. Nothing was loaded; retrain or roll back."
                raise TamperedModelError(msg)
        return ModelFiles(architecture=document["architecture"], classes=tuple(document["classes"]), files=files)

    def unname(self, run_ids: Sequence[str], recording_id: str, instead: str) -> int:
        """Take a recording out of the artifacts of runs; return how many of them it was in.

        Reports, which draw its beats, are deleted; in texts its name is replaced. Model files hold numbers alone.
        """
        from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - as mlflow itself
            get_artifact_repository,
        )

        n_changed = 0
        for run_id in run_ids:
            repository = get_artifact_repository(self._client.get_run(run_id).info.artifact_uri, self._uri)
            for path in self._paths(run_id):
                content = self.artifact(run_id, path) if path.endswith(_TEXTS) else b""
                if recording_id.encode() not in content:
                    continue
                if path.endswith(_DRAWN):
                    repository.delete_artifacts(path)  # type: ignore[no-untyped-call]
                else:
                    changed = content.replace(recording_id.encode(), instead.encode())
                    Run(self._client, run_id).log_file(path, changed)
                n_changed += 1
        return n_changed

    def _paths(self, run_id: str) -> list[str]:
        """Return the paths of a run's artifacts, but for model files."""
        paths, folders = [], [""]
        while folders:
            for entry in self._client.list_artifacts(run_id, folders.pop() or None):
                if not entry.is_dir:
                    paths.append(entry.path)
                elif entry.path != FILES_FOLDER:
                    folders.append(entry.path)
        return sorted(paths)

    def artifact(self, run_id: str, path: str) -> bytes:
        """Fetch one artifact of a run; one that breaks off half-way is asked for again."""
        plain = self._plain_artifact(run_id, path)
        if plain is not None:
            return plain

        def fetch() -> bytes:
            with tempfile.TemporaryDirectory() as directory:
                return Path(self._client.download_artifacts(run_id, path, directory)).read_bytes()

        return persistent(is_transient_mlflow)(fetch)

    def _plain_artifact(self, run_id: str, path: str) -> bytes | None:
        """Fetch an artifact over MLflow's REST API, without the package.

        None when it does not come that way: then MLflow's own client is asked, which knows about passwords, proxies,
        certificates, patience and other places for artifacts, and says what is wrong.
        """
        if self._uri is None or not self._uri.startswith(("http://", "https://")):
            return None
        api = f"{self._uri.rstrip('/')}/api/2.0"
        try:
            answer = self._http.request("GET", f"{api}/mlflow/runs/get", fields={"run_id": run_id})
            if answer.status != HTTPStatus.OK:
                return None
            scheme, _, place = str(answer.json()["run"]["info"]["artifact_uri"]).partition(":")
            if scheme != "mlflow-artifacts":
                return None
            where = quote(f"{urlsplit(place).path.strip('/')}/{path}")
            answer = self._http.request("GET", f"{api}/mlflow-artifacts/artifacts/{where}")
        except (urllib3.exceptions.HTTPError, ValueError, LookupError):
            return None
        return answer.data if answer.status == HTTPStatus.OK else None

    def find_evaluation(self, run_id: str, protocol: str) -> bytes | None:
        """Fetch the evaluation document of a run under one protocol, None where there is none."""
        return self.find_artifact(run_id, f"{evaluation_path(protocol)}.json")

    def find_artifact(self, run_id: str, path: str) -> bytes | None:
        """Fetch one artifact of a run, None if the run has none of that name."""
        folder = path.rpartition("/")[0]
        if path not in {entry.path for entry in self._client.list_artifacts(run_id, folder or None)}:
            return None
        return self.artifact(run_id, path)


class Run:
    """One training's run: what it was given, what came out, and its model."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log what the training was given."""
        from mlflow.entities import Param  # noqa: PLC0415

        self._client.log_batch(self.run_id, params=[Param(name, str(value)) for name, value in params.items()])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log figures; undefined ones (NaN) are left out."""
        from mlflow.entities import Metric  # noqa: PLC0415

        kept = [Metric(name, value, 0, step) for name, value in metrics.items() if value == value]  # noqa: PLR0124
        self._client.log_batch(self.run_id, metrics=kept)

    def log_file(self, path: str, content: bytes | str) -> None:
        """Log one artifact under a path within the run."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, name)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            self._client.log_artifact(self.run_id, str(file), folder or None)

    def log_dataset(self, name: str, digest: str, profile: Mapping[str, object], source: str) -> None:
        """Log what the model was trained on, by its digest."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type="s3",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(profile)),
        )
        training = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        # All architectures of a retraining learn from the same beats, and say so at the same moment.
        persistent(is_collision)(self._client.log_inputs, self.run_id, training)

    def log_model(self, model: ModelFiles, requirements: list[str], example: pa.Table, code: Path) -> str:
        """Log the native files with their manifest, and the pyfunc model around them; return its URI.

        Parameters
        ----------
        example
            A few beats, columns as in the lake.
        code
            The package the wrapper imports, packed with the model.
        """
        import mlflow  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory, FILES_FOLDER)
            folder.mkdir()
            for name, content in {**model.files, MANIFEST: model.manifest()}.items():
                (folder / name).write_bytes(content)
            self._client.log_artifacts(self.run_id, str(folder), FILES_FOLDER)
            # The pyfunc flavour is only to be had through MLflow's process-wide state.
            mlflow.set_tracking_uri(self._client.tracking_uri)
            with mlflow.start_run(run_id=self.run_id, nested=True):
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(_WRAPPER),
                    artifacts={FILES_FOLDER: str(folder)},
                    code_paths=[str(code)],
                    pip_requirements=requirements,
                    signature=_signature(example.schema, model.classes),
                    input_example=_frame(example),
                )
        return str(logged.model_uri)


def _signature(schema: pa.Schema, classes: tuple[str, ...]) -> ModelSignature:
    """Say what goes in and comes out, in MLflow's types."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415
    from mlflow.types.schema import Array  # noqa: PLC0415

    def kind(field_type: pa.DataType) -> DataType | Array:
        if pa.types.is_fixed_size_list(field_type):
            return Array(kind(field_type.value_type))
        if pa.types.is_dictionary(field_type):
            return DataType.string
        if pa.types.is_boolean(field_type):
            return DataType.boolean
        # MLflow converts no wider number to a narrower one, and what tools send is wide.
        return DataType.double if pa.types.is_floating(field_type) else DataType.long

    given = Schema([ColSpec(kind(field.type), field.name, required=not field.nullable) for field in schema])
    answered = [ColSpec(DataType.float, f"p_{name.lower()}") for name in classes]
    return ModelSignature(given, Schema([*answered, ColSpec(DataType.string, "class")]))


def _frame(example: pa.Table) -> pd.DataFrame:
    """Lay a few beats out as plain Python values, which MLflow can write as JSON."""
    import pandas as pd  # noqa: PLC0415 - only training needs it

    return pd.DataFrame(example.to_pydict())
