"""Balancing makes rare classes count, within the rows it is given."""

from __future__ import annotations

import numpy as np
import pytest

from heartwave_tasks.models import balancing
from heartwave_tasks.models.balancing import METHODS, Sample, balance, draw_sample
from tests.unit.evaluations import beats_of


@pytest.fixture
def sample() -> Sample:
    """Return 400 normal beats, 30 of S and V each, 4 of F; some values undefined, one column wholly."""
    classes = np.repeat([0, 1, 2, 3], [400, 30, 30, 4])
    table = np.random.default_rng(0).standard_normal((len(classes), 6)).astype(np.float32) * [1, 10, 1, 1, 100, 1]
    table += 3 * classes[:, None]
    table[::7, 2] = np.nan
    table[:, 3] = np.nan
    return Sample(table.astype(np.float32), classes, np.ones(len(classes), dtype=np.float32))


def test_smote_raises_s_and_f_alone(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """S and F come up to the target, real rows first and untouched; V and N stay as they are."""
    monkeypatch.setattr(balancing, "SMOTE_BEATS", 100)
    balanced = balance(sample, "smote", seed=0)
    assert np.bincount(balanced.classes).tolist() == [400, 100, 30, 100]
    n = len(sample.classes)
    np.testing.assert_array_equal(balanced.table[:n], sample.table)
    np.testing.assert_array_equal(balanced.classes[:n], sample.classes)
    assert len(balanced.weights) == len(balanced.classes)


def test_synthetic_beats_lie_between_real_ones(sample: Sample) -> None:
    """Every made value lies within its class's values; what nobody has stays undefined; nothing else is."""
    balanced = balance(sample, "smote", seed=0)
    made = slice(len(sample.classes), None)
    assert np.isnan(balanced.table[made, 3]).all()
    for index in (1, 3):
        real = sample.table[sample.classes == index][:, [0, 1, 4, 5]]
        rows = balanced.table[made][balanced.classes[made] == index][:, [0, 1, 4, 5]]
        assert len(rows)
        assert (rows >= real.min(axis=0) - 1e-3).all()
        assert (rows <= real.max(axis=0) + 1e-3).all()
    assert np.isfinite(balanced.table[made][:, [0, 1, 2, 4, 5]]).all()


def test_synthetic_beats_are_those_of_smote_on_the_whole_sample(sample: Sample) -> None:
    """SMOTE is handed the rare rows alone, which saves memory and changes nothing."""
    from imblearn.over_sampling import SMOTE

    columns = [0, 1, 2, 4, 5]
    median = np.nanmedian(sample.table[:, columns], axis=0)
    filled = np.where(np.isnan(sample.table[:, columns]), median, sample.table[:, columns])
    whole = SMOTE(sampling_strategy={1: 400, 3: 400}, k_neighbors=3, random_state=5)
    expected, _ = whole.fit_resample((filled - median) / filled.std(axis=0), sample.classes)
    made = balance(sample, "smote", seed=5).table[len(sample.classes) :, columns]
    np.testing.assert_allclose((made - median) / filled.std(axis=0), expected[len(sample.classes) :], atol=1e-4)


def test_no_class_is_raised_above_the_commonest(sample: Sample) -> None:
    """In a small lake the target of 5 000 would turn the rare into the common."""
    assert np.bincount(balance(sample, "smote", seed=0).classes).tolist() == [400, 400, 30, 400]


def test_same_seed_gives_the_same_beats(sample: Sample) -> None:
    """What is made hangs on the seed alone."""
    first, second, other = (balance(sample, "smote", seed=seed).table for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other, equal_nan=True)


def test_weights_rise_with_rarity(sample: Sample) -> None:
    """Weighing changes no row, and a fusion beat then counts for ten normal ones."""
    weighed = balance(sample, "weights", seed=0)
    assert weighed.table is sample.table
    assert weighed.weights.mean() == pytest.approx(1, abs=1e-5)
    assert weighed.weights[-1] / weighed.weights[0] == pytest.approx(10, rel=1e-3)
    assert balance(sample, "off", seed=0) is sample


@pytest.mark.parametrize("method", METHODS)
def test_only_rows_with_a_reference_are_drawn(method: str) -> None:
    """Marks and beats without a reference are no part of a sample, nor of what is made from it."""
    beats = beats_of({"a/1": "N" * 40 + "A" * 5 + "~" * 9, "a/2": " " * 20})
    sample = draw_sample(
        beats, lambda some: some.window[:, :4].astype(np.float32), {"balancing": method, "normal_share": 1.0}, seed=0
    )
    assert np.bincount(sample.classes).tolist() == [40, 40 if method == "smote" else 5]


def test_kept_normal_beats_weigh_for_those_left_out() -> None:
    """With half of the normal beats drawn, each of them weighs about as two."""
    beats = beats_of({"a/1": "N" * 400 + "V" * 50})
    sample = draw_sample(
        beats, lambda some: some.window[:, :4].astype(np.float32), {"balancing": "off", "normal_share": 0.5}, seed=0
    )
    normal = sample.classes == 0
    assert 150 < normal.sum() < 250
    assert sample.weights[normal].sum() / sample.weights[~normal].sum() == pytest.approx(8, rel=1e-3)
