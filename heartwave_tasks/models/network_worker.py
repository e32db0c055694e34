"""The program networks are trained in: it loads TensorFlow once and forks a child for each training.

`heartwave_tasks.models.network_training` starts it. Whatever TensorFlow takes in a training, and it keeps a good deal
of it, is given back when the child ends; this process itself has TensorFlow loaded, and lets it do nothing.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.lineage import end_with_parent
from heartwave_tasks.models import networks
from heartwave_tasks.models.network_training import JOB, NETWORK

if TYPE_CHECKING:
    from typing import TextIO

logger = logging.getLogger(__name__)


def main() -> None:
    """Train what is asked for on standard input, a job's directory a line; tell of it in lines of JSON."""
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # TensorFlow and what it brings along may say what they like
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                end_with_parent()
                _train(Path(line.rstrip("\n")), answers)
                code = 0
            except Exception:
                logger.exception("A network could not be trained.")
            finally:
                os._exit(code)
        answers.write(json.dumps({"status": os.waitpid(child, 0)[1]}) + "\n")


def _train(job: Path, answers: TextIO) -> None:
    told = json.loads((job / JOB).read_text("utf-8"))
    inputs = [np.load(job / f"{name}.npy", mmap_mode="r") for name in told["inputs"]]
    target, weights = np.load(job / "target.npy"), np.load(job / "weights.npy")

    def progress(share: float, sentence: str) -> None:
        answers.write(json.dumps({"share": share, "sentence": sentence}) + "\n")

    networks.begin(told["seed"])
    built = networks.BUILDERS[told["network"]](inputs, int(target.max()) + 1)
    networks.fit(built, inputs, target, weights, told["params"], progress)
    (job / NETWORK).write_bytes(networks.to_onnx(built.kept))


if __name__ == "__main__":
    main()
