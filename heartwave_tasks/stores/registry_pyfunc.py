"""MLflow's pyfunc flavour of a HeartWave model, logged as code: a DataFrame of beats in, labels and probabilities out.

HeartWave itself never loads this; it is there for tools that speak pyfunc. Nothing in it is pickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

if TYPE_CHECKING:
    from mlflow.pyfunc import PythonModelContext


class HeartWaveModel(PythonModel):
    """Labels beats given as the lake's columns."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the native files."""
        from heartwave_tasks.models.architectures import ARCHITECTURES  # noqa: PLC0415 - packed with the model

        folder = Path(context.artifacts["model_files"])
        manifest = json.loads((folder / "manifest.json").read_bytes())
        files = {name: (folder / name).read_bytes() for name in manifest["files"]}
        self._model = ARCHITECTURES[manifest["architecture"]].load(files)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Label every row: `class`, and the probabilities `p_n` to `p_q`."""
        import pyarrow as pa  # noqa: PLC0415

        from heartwave_tasks.stores.beats import SCHEMA, from_arrow  # noqa: PLC0415

        beats = from_arrow(pa.Table.from_pandas(model_input, schema=SCHEMA, preserve_index=False))
        probabilities = self._model.predict_proba(beats)
        classes = np.array(self._model.classes)
        columns = {f"p_{name.lower()}": probabilities[:, index] for index, name in enumerate(classes)}
        return pd.DataFrame({**columns, "class": classes[probabilities.argmax(axis=1)]})


mlflow.models.set_model(HeartWaveModel())
