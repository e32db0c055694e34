"""Training networks, as seen from where TensorFlow is not: inputs in, progress on the way, ONNX out.

TensorFlow keeps what it has once taken, and a little more with every training: after fifteen of them, as a retraining
has, a process of 0.9 GB has grown to two. So trainings are done by `network_worker`.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

import heartwave_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from heartwave_tasks.models.architectures import Params, Progress

_PROGRAM: Final = "heartwave_tasks.models.network_worker"

JOB: Final = "job.json"
"""What is to be trained: network, seed, parameters, and names of the inputs, each in a file of its own."""

NETWORK: Final = "network.onnx"
"""What comes of it."""


def train_network(
    network: Literal["extractor", "joined"],
    inputs: Mapping[str, NDArray[np.float32]],
    target: NDArray[np.integer],
    weights: NDArray[np.float32],
    *,
    seed: int,
    params: Params,
    progress: Progress,
) -> bytes:
    """Build a network and fit it; the same inputs, seed and parameters give the same bytes.

    Parameters
    ----------
    network
        One of `networks.BUILDERS`.
    inputs
        float32 (n, ...) by name, in the network's order.
    target, weights
        (n,) class of every row in 0 to k - 1, and how much it counts.

    Returns
    -------
    bytes
        What is kept of the network, as ONNX.

    Raises
    ------
    ChildProcessError
        If the training ends without a network; trying again may help, as where memory had run out.
    """
    with tempfile.TemporaryDirectory(prefix="heartwave-network-") as directory:
        job = Path(directory)
        for name, values in {**inputs, "target": target, "weights": weights}.items():
            np.save(job / f"{name}.npy", values)
        told = {"network": network, "seed": seed, "params": dict(params), "inputs": list(inputs)}
        (job / JOB).write_text(json.dumps(told), "utf-8")
        _worker.train(job, progress)
        return (job / NETWORK).read_bytes()


class _Worker:
    """The process that trains, started when it is first needed, and kept: loading TensorFlow takes seconds."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def train(self, job: Path, progress: Progress) -> None:
        """Have a job done, telling of its progress; whoever breaks off ends the worker, and with it the training."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{job}\n")
            process.stdin.flush()
            for line in process.stdout:
                told = json.loads(line)
                if "status" in told:
                    return _judge(told["status"])
                progress(told["share"], told["sentence"])
        except BaseException:
            self.close()
            raise
        self.close()
        raise ChildProcessError("The process that trains networks has ended; what it wrote to the log says why.")

    def close(self) -> None:
        """End the worker, and whatever it trains."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            root = str(Path(heartwave_tasks.__file__).parents[1])
            paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        return self._process


def _judge(status: int) -> None:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        msg = f"A network's training was ended by {name}; where that is SIGKILL, memory has run out as a rule."
        raise ChildProcessError(msg)
    if os.WEXITSTATUS(status):
        raise ChildProcessError("A network's training has failed; what it wrote to the log says why.")


_worker: Final = _Worker()
atexit.register(_worker.close)
