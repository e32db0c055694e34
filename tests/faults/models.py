"""Two small models, registered as retraining registers them: good enough to label, made in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.beat_objects import read_beats
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import ModelVersionRow, PredictionStore
from heartwave_tasks.stores.registry import FILES_FOLDER, MANIFEST, ModelFiles, Registry

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

_SMALL: Final = {"pacing_rounds": 10, "form_rounds": 20, "rhythm_rounds": 20, "threads": 1}


def plant_models(settings: Settings) -> list[int]:
    """Train versions 1 and 2 on all annotated recordings; return their ids."""
    client, ids = s3_client(settings), []
    registry = Registry(settings)
    with PredictionStore(settings.require_database_url()) as store:
        beats = Beats.concatenate(
            read_beats(
                client,
                settings.lake_bucket,
                lake.BeatsRef(
                    recording_id=ref.recording_id, beats_key=ref.beats_key, content_sha256=ref.content_sha256
                ),
            )
            for ref in store.annotated_revisions()
        )
        for version in (1, 2):
            model = ARCHITECTURES["relative"].train(beats, groups=beats.recording_id, seed=version, params=_SMALL)
            files = ModelFiles(architecture="relative", classes=tuple(model.classes), files=model.files())
            with registry.run(f"version {version}", {}) as run:
                for name, content in {**files.files, MANIFEST: files.manifest()}.items():
                    run.log_file(f"{FILES_FOLDER}/{name}", content)
            row = ModelVersionRow(
                model_name=settings.model_name,
                version=version,
                mlflow_run_id=run.run_id,
                architecture="relative",
                label_scheme="aami",
                manifest_sha256=files.manifest_sha256(),
                training_digest="none",
                n_training_beats=len(beats),
            )
            ids.append(store.register_model(row, []))
    return ids
