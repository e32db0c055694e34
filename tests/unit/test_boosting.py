"""Boosting grows the same trees whether a value is undefined or beyond all others."""

from __future__ import annotations

import numpy as np

from heartwave_tasks.models.balancing import Sample
from heartwave_tasks.models.boosting import boost

PARAMS = {
    "rounds": 20,
    "depth": 3,
    "learning_rate": 0.3,
    "row_share": 1.0,
    "column_share": 1.0,
    "l2": 1.0,
    "smallest_leaf_weight": 1.0,
    "bins": 64,
    "threads": 1,
}


def test_undefined_values_are_answered_as_taught() -> None:
    """Rows of class 2 lack a value: a booster grown without any gap still tells them by the gap when asked."""
    random = np.random.default_rng(0)
    classes = np.repeat([0, 2, 4], 300)
    table = random.standard_normal((len(classes), 5)).astype(np.float32)
    table[:, 1] += 4 * (classes == 4)
    table[classes == 2, 3] = np.nan
    asked = table.copy()
    booster = boost(Sample(table, classes, np.ones(len(classes), dtype=np.float32)), PARAMS, seed=0)
    called = np.array([0, 2, 4])[booster.inplace_predict(asked).argmax(axis=1)]
    assert (called == classes).mean() > 0.97
    assert (called[classes == 2] == 2).all()


def test_what_was_never_undefined_is_answered_as_the_greatest() -> None:
    """A gap where training had none goes with the greatest values, as gaps do everywhere."""
    random = np.random.default_rng(1)
    table = random.uniform(-1, 1, (400, 2)).astype(np.float32)
    classes = (table[:, 0] > 0).astype(np.int64)
    booster = boost(Sample(table, classes, np.ones(400, dtype=np.float32)), PARAMS, seed=0)
    gap, great = np.array([[np.nan, 0.0]], dtype=np.float32), np.array([[9.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(booster.inplace_predict(gap), booster.inplace_predict(great))
    assert booster.inplace_predict(gap).argmax() == 1
