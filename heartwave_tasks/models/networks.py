"""Networks: convolutional networks, trained with Keras and handed on as ONNX. Only `network_worker` imports this."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import keras
import onnx
import tensorflow as tf
from keras import layers

from heartwave_tasks.models.inputs import WINDOW_SHAPE

# Trainings run side by side, and a network comes out the same however many cores there are.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from heartwave_tasks.models.architectures import Params, Progress

EXTRACTOR_FILTERS: Final = (16, 32, 64)
"""Filters of the extractor's convolutions; the last are its output's values."""

JOINED_FILTERS: Final = (16, 32, 64, 64)
"""Filters of the convolutions of the network that joins window and features."""

KERNEL: Final = 5
"""Samples a filter spans (42 ms at 120 Hz)."""

DENSE_UNITS: Final = (128, 64)
"""Units of the layers on the features, and of the one on window and features together."""


@dataclass(frozen=True)
class Networks:
    """A classifier, and its part that is kept: itself, or the extractor inside it."""

    classifier: keras.Model
    kept: keras.Model


def build_extractor(n_classes: int) -> Networks:
    """Build convolutions over a window, averaged to 64 values, which a linear layer tells `n_classes` from."""
    window = keras.Input(WINDOW_SHAPE, name="window")
    values = layers.GlobalAveragePooling1D()(_convolve(window, EXTRACTOR_FILTERS))
    called = layers.Dense(n_classes, activation="softmax")(values)
    return Networks(keras.Model(window, called), keras.Model(window, values))


def build_joined(n_features: int, n_classes: int) -> Networks:
    """Build convolutions over a window and dense layers over features, joined to tell `n_classes`."""
    window = keras.Input(WINDOW_SHAPE, name="window")
    features = keras.Input((n_features,), name="features")
    convolved = layers.GlobalAveragePooling1D()(_convolve(window, JOINED_FILTERS))
    dense = features
    for units in DENSE_UNITS:
        dense = layers.Dropout(0.1)(layers.Dense(units, activation="relu")(dense))
    both = layers.Dense(DENSE_UNITS[-1], activation="relu")(layers.Concatenate()([convolved, dense]))
    called = layers.Dense(n_classes, activation="softmax")(both)
    model = keras.Model([window, features], called)
    return Networks(model, model)


BUILDERS: Final[dict[str, Callable[[list[NDArray[np.float32]], int], Networks]]] = {
    "extractor": lambda _inputs, n_classes: build_extractor(n_classes),
    "joined": lambda inputs, n_classes: build_joined(inputs[1].shape[1], n_classes),
}
"""Networks by name, each built for its inputs and a number of classes."""


def fit(
    networks: Networks,
    inputs: list[NDArray[np.float32]],
    target: NDArray[np.integer],
    weights: NDArray[np.float32],
    params: Params,
    progress: Progress,
) -> None:
    """Fit a classifier to targets (n,) in 0 to k - 1, with a learning rate that falls to nearly nothing."""
    epochs, batch = int(params["epochs"]), int(params["batch_beats"])
    steps = epochs * -(-len(target) // batch)
    rate = keras.optimizers.schedules.CosineDecay(float(params["network_learning_rate"]), steps, alpha=0.01)
    networks.classifier.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _logs: progress((epoch + 1) / epochs, f"network, epoch {epoch + 1} of {epochs}")
    )
    networks.classifier.fit(
        inputs[0] if len(inputs) == 1 else inputs,
        target,
        sample_weight=weights,
        batch_size=batch,
        epochs=epochs,
        verbose=0,
        callbacks=[told],
    )


def begin(seed: int) -> None:
    """Start afresh from a seed: what is built and fitted next comes out the same on the same kind of machine."""
    tf.config.experimental.enable_op_determinism()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def to_onnx(model: keras.Model) -> bytes:
    """Return a model as ONNX; the same weights give the same bytes."""
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)  # six lines of how, at every fold
    blank = [tf.zeros((1, *given.shape[1:])) for given in model.inputs]
    model(blank[0] if len(blank) == 1 else blank)  # Keras exports only what was called
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "network.onnx")
        model.export(path, format="onnx", verbose=False)
        exported = onnx.load(path)
    _name_in_order(exported.graph)
    content: bytes = exported.SerializeToString(deterministic=True)
    return content


def _name_in_order(graph: onnx.GraphProto) -> None:
    """Name values in the order they are used: tf2onnx counts on from export to export, and sorts by those names."""
    names = {given.name: given.name for given in graph.input}
    for node in graph.node:
        node.name = ""
        for values in (node.input, node.output):
            values[:] = [names.setdefault(name, f"v{len(names)}") for name in values]
    for value in (*graph.output, *graph.initializer):
        value.name = names[value.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "beats"
    constants = sorted(graph.initializer, key=lambda constant: constant.name)
    del graph.initializer[:], graph.value_info[:]
    graph.ClearField("doc_string")
    graph.initializer.extend(constants)


def _convolve(window: Any, filters: tuple[int, ...]) -> Any:
    values = window
    for number in filters:
        values = layers.Conv1D(number, KERNEL, padding="same", activation="relu")(values)
        values = layers.MaxPooling1D(2)(layers.BatchNormalization()(values))
    return values
