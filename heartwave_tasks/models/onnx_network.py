"""ONNX networks: a trained network as a file, run without the library that trained it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime as ort

from heartwave_tasks.models.search_space import Real, Whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.models.search_space import SearchSpace

ROWS_AT_ONCE: Final = 4096
"""Bounds the memory of a network's layers: about 30 MB."""

TRAINING_BOUNDS: Final[SearchSpace] = {
    "epochs": Whole(3, 12),
    "network_learning_rate": Real(5e-4, 1e-2, log=True),
}
"""What is tuned of a network's training."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A network with float32 inputs (n, ...) and one float32 output (n, k), run on one core."""

    content: bytes

    def run(self, *inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer rows, given the inputs in the network's order, at least one row."""
        names = [given.name for given in self._session.get_inputs()]
        parts = []
        for start in range(0, len(inputs[0]), ROWS_AT_ONCE):
            rows = (np.ascontiguousarray(values[start : start + ROWS_AT_ONCE]) for values in inputs)
            parts.append(self._session.run(None, dict(zip(names, rows, strict=True)))[0])
        answers: NDArray[np.float32] = np.concatenate(parts)
        return answers

    @cached_property
    def _session(self) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # scoring is parallel over shards
        options.log_severity_level = 3
        return ort.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])
