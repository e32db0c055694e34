"""Figures of an evaluation agree with hand calculation and scikit-learn, and survive being written down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from heartwave_tasks.models import intervals, metrics
from heartwave_tasks.models.evaluation import evaluate
from heartwave_tasks.models.evaluation_document import EvaluationDocumentError, from_json, to_json
from tests.unit.evaluations import evaluation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows are reference N, S, V, F; columns what was called. Both matrices are published with the jκ that follows from
# them: github.com/mondejar/ecg-classification, python/aux/evaluation_cm.py and README.md.
DE_CHAZAL = [[38444, 1904, 303, 3509], [173, 1395, 252, 16], [117, 321, 2504, 176], [33, 1, 7, 347]]
SINGLE_SVM = [[39446, 2404, 340, 1843], [443, 1374, 186, 47], [28, 162, 3005, 25], [240, 2, 35, 111]]

# Small enough to follow by hand.
BY_HAND = np.array([[6, 2, 0, 0, 0], [1, 3, 0, 0, 0], [0, 0, 4, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])

ANSWERS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        arrays(np.int64, n, elements=st.integers(0, 4)), arrays(np.int64, n, elements=st.integers(0, 4))
    )
)


def _padded(confusion: list[list[int]]) -> NDArray[np.int64]:
    return np.pad(np.array(confusion), ((0, 1), (0, 1)))


def test_figures_of_a_small_matrix_are_those_computed_by_hand() -> None:
    """Sensitivity, +P, F1, their means and κ of 17 beats are the fractions one gets with a pencil."""
    np.testing.assert_allclose(metrics.sensitivity(BY_HAND), [6 / 8, 3 / 4, 1, 0, np.nan])
    np.testing.assert_allclose(metrics.positive_predictivity(BY_HAND), [6 / 7, 3 / 5, 4 / 5, np.nan, np.nan])
    np.testing.assert_allclose(metrics.f1(BY_HAND), [12 / 15, 6 / 9, 8 / 9, 0, np.nan])
    assert metrics.accuracy(BY_HAND) == pytest.approx(13 / 17)
    assert metrics.macro_f1(BY_HAND) == pytest.approx((12 / 15 + 6 / 9 + 8 / 9 + 0) / 4)
    assert metrics.mean_f1(BY_HAND, metrics.RHYTHM_CLASSES) == pytest.approx((12 / 15 + 6 / 9 + 8 / 9) / 3)
    assert metrics.weighted_f1(BY_HAND) == pytest.approx((8 * 12 / 15 + 4 * 6 / 9 + 4 * 8 / 9) / 17)
    by_chance = (8 * 7 + 4 * 5 + 4 * 5 + 1 * 0) / 17**2
    assert metrics.cohen_kappa(BY_HAND) == pytest.approx((13 / 17 - by_chance) / (1 - by_chance))


def test_fusion_beats_called_ventricular_count_against_v_only_outside_ec57() -> None:
    """EC57 forgives a fusion beat called V, the plain positive predictivity does not."""
    assert metrics.ec57_positive_predictivity(BY_HAND)[metrics.V] == 1
    assert metrics.positive_predictivity(BY_HAND)[metrics.V] == pytest.approx(4 / 5)


@pytest.mark.parametrize(("confusion", "accuracy", "j_kappa"), [(DE_CHAZAL, 0.862, 0.612), (SINGLE_SVM, 0.884, 0.640)])
def test_j_kappa_of_published_matrices_is_the_published_one(
    confusion: list[list[int]], accuracy: float, j_kappa: float
) -> None:
    """From the published confusion matrices follow the accuracy and jκ that Mondéjar-Guerra 2019 tabulates."""
    matrix = _padded(confusion)
    assert round(float(metrics.accuracy(matrix)), 3) == accuracy
    assert round(float(metrics.j_kappa(matrix)), 3) == j_kappa


def test_de_chazal_s_ventricular_predictivity_is_the_published_one() -> None:
    """EC57's way of counting gives the 81.9 % that de Chazal 2004 reports for V, and 38.5 % for S."""
    predictive = metrics.ec57_positive_predictivity(_padded(DE_CHAZAL))
    assert round(100 * predictive[metrics.V], 1) == 81.9
    assert round(100 * predictive[metrics.S], 1) == 38.5


@given(ANSWERS)
def test_figures_agree_with_scikit_learn(answers: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    """Whatever was called, our figures are scikit-learn's."""
    reference, called = answers
    confusion = metrics.confusion_matrices(np.zeros_like(reference), reference, called, 1)[0]
    labels = list(range(5))
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(reference, called, labels=labels))
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        reference, called, labels=labels, zero_division=np.nan
    )
    np.testing.assert_allclose(metrics.sensitivity(confusion), recall)
    np.testing.assert_allclose(metrics.positive_predictivity(confusion), precision)
    np.testing.assert_allclose(metrics.f1(confusion), f1)
    np.testing.assert_allclose(metrics.macro_f1(confusion), f1[support > 0].mean())
    np.testing.assert_allclose(
        metrics.weighted_f1(confusion),
        sklearn_metrics.f1_score(reference, called, average="weighted", zero_division=0),
    )
    assert metrics.accuracy(confusion) == pytest.approx(sklearn_metrics.accuracy_score(reference, called))
    if len(set(reference) | set(called)) > 1:
        assert metrics.cohen_kappa(confusion) == pytest.approx(
            sklearn_metrics.cohen_kappa_score(reference, called), abs=1e-12
        )
    else:
        assert np.isnan(metrics.cohen_kappa(confusion))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=40).filter(
        lambda rows: any(positive for positive, _ in rows)
    )
)
def test_average_precision_agrees_with_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    """Ties between scores included, the area under the precision-recall steps is scikit-learn's."""
    positive = np.array([row[0] for row in rows])
    score = np.array([row[1] for row in rows]) / 12
    recall, precision, average = metrics.precision_recall(positive, score)
    assert average == pytest.approx(sklearn_metrics.average_precision_score(positive, score))
    theirs_precision, theirs_recall, _ = sklearn_metrics.precision_recall_curve(positive, score)
    np.testing.assert_allclose(recall, theirs_recall[-2::-1])
    np.testing.assert_allclose(precision, theirs_precision[-2::-1])


def test_calibration_error_agrees_with_scikit_learn_s_bins() -> None:
    """The weighted gap between confidence and share of right labels is what scikit-learn's calibration curve gives."""
    generator = np.random.default_rng(5)
    confidence = generator.uniform(0.2, 1, 5000)
    right = generator.uniform(size=5000) < confidence**2
    found = metrics.reliability(confidence, right)
    share_right, mean_confidence = calibration_curve(right, confidence, n_bins=15)
    beats = np.array([n for n in found.n_beats if n])
    assert found.expected_calibration_error == pytest.approx(
        (np.abs(share_right - mean_confidence) * beats).sum() / 5000
    )
    assert found.overconfidence == pytest.approx(confidence.mean() - right.mean())


def test_confidences_fall_into_bins_closed_above() -> None:
    """A confidence of exactly 1/15 is in the first of fifteen bins, anything above in the second, and 1 in the last."""
    found = metrics.reliability(np.array([0.0, 0.01, 1 / 15, 0.067, 0.95, 1.0]), np.array([1, 0, 1, 1, 0, 1], np.bool_))
    assert found.n_beats == (3, 1, *(0,) * 12, 2)
    assert found.n_right == (2, 1, *(0,) * 12, 1)
    assert found.confidence_sum[-1] == pytest.approx(1.95)


def test_brier_score_of_a_coin_toss_and_of_certainty() -> None:
    """Certain and right is 0, certain and wrong 2, and half-half 0.5."""
    probabilities = np.array([[1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 1, 0, 0, 0]])
    assert metrics.brier_score(np.array([0, 0, 0]), probabilities) == pytest.approx((0 + 0.5 + 2) / 3)


def test_recordings_of_one_patient_are_resampled_together() -> None:
    """Records 201 and 202 are one draw: their matrices are added before patients are drawn."""
    confusions = np.arange(75).reshape(3, 5, 5)
    summed = intervals.by_patient(confusions, ("b", "a", "b"))
    np.testing.assert_array_equal(summed, [confusions[1], confusions[0] + confusions[2]])


def test_interval_is_the_bootstrap_s_and_wider_with_fewer_patients() -> None:
    """For a mean of patients of equal size the interval is that of the textbook, about ±1.96 standard errors."""
    generator = np.random.default_rng(0)
    found = generator.integers(60, 100, 50)
    confusions = np.zeros((50, 5, 5), np.int64)
    confusions[:, 0, 0], confusions[:, 0, 1] = found, 100 - found
    bounds = intervals.class_intervals(confusions, metrics.sensitivity)[0]
    error = 1.96 * found.std() / 100 / np.sqrt(50)
    assert bounds.low == pytest.approx(found.mean() / 100 - error, abs=0.004)
    assert bounds.high == pytest.approx(found.mean() / 100 + error, abs=0.004)
    few = intervals.class_intervals(confusions[:8], metrics.sensitivity)[0]
    assert few.high - few.low > 1.5 * (bounds.high - bounds.low)


def test_a_class_of_a_single_patient_has_no_interval() -> None:
    """Fusion beats of one patient say nothing about the next, so no interval is claimed."""
    evaluation = evaluation_of(
        {"mitdb/213": [[90, 0, 0, 0], [0] * 4, [0] * 4, [3, 0, 0, 9]], "mitdb/100": [[80, 1], [1, 8]]}
    )
    fusion = evaluation.class_figures[metrics.F]
    assert (fusion.n_beats, fusion.n_patients, fusion.sensitivity) == (12, 1, 0.75)
    assert np.isnan(fusion.sensitivity_interval.low)
    assert evaluation.class_figures[metrics.N].sensitivity_interval.low > 0.9


def test_supraventricular_figures_are_given_without_232_and_without_202() -> None:
    """Whoever reads S learns how much of it is record 232, and what is left without 201's second recording."""
    evaluation = evaluation_of(
        {"mitdb/232": [[300, 0], [0, 1300]], "mitdb/202": [[900, 0], [50, 0]], "mitdb/100": [[2000, 20], [10, 20]]}
    )
    gross, without_202, without_232 = sorted(evaluation.supraventricular_subsets, key=lambda figures: figures.left_out)
    assert (gross.left_out, gross.n_beats) == ((), 1380)
    assert gross.sensitivity == pytest.approx(1320 / 1380)
    assert (without_202.left_out, without_202.n_beats) == (("mitdb/202",), 1330)
    assert without_232.sensitivity == pytest.approx(20 / 80)
    assert without_232.positive_predictivity == pytest.approx(20 / 40)


def test_recording_counts_name_what_was_there_found_and_called() -> None:
    """Each recording's row holds its beats, the true positives and the calls of a class; empty classes are left out."""
    counts = {
        (row.recording_id, row.beat_class): row for row in evaluation_of({"a/1": [[7, 2], [1, 4]]}).recording_counts
    }
    assert set(counts) == {("a/1", "N"), ("a/1", "S")}
    row = counts["a/1", "S"]
    assert (row.n_beats, row.n_found, row.n_called) == (5, 4, 6)


def test_least_confident_beats_hold_the_errors_they_hold() -> None:
    """Of 200 beats with 10 errors, six among the least confident twentieth, the review queue says 60 %."""
    confidence = np.linspace(0.5, 0.99, 200)
    wrong = np.zeros(200, np.bool_)
    wrong[[0, 2, 4, 5, 8, 9, 50, 80, 120, 199]] = True
    reference = np.where(wrong, 1, 0)
    probabilities = np.zeros((200, 5))
    probabilities[:, 0], probabilities[:, 4] = confidence, 1 - confidence
    shuffled = np.random.default_rng(3).permutation(200)
    evaluation = evaluate(
        protocol="patient_folds",
        scheme="aami",
        reference=reference[shuffled],
        probabilities=probabilities[shuffled],
        recording_id=np.full(200, "a/1"),
        patient=np.full(200, "a/1"),
        r_peak_sample=shuffled,
    )
    one, five, ten = evaluation.least_confident
    assert [(part.share, part.n_beats, part.n_wrong) for part in (one, five, ten)] == [
        (0.01, 2, 1),
        (0.05, 10, 6),
        (0.10, 20, 6),
    ]
    assert five.share_of_errors == pytest.approx(0.6)
    assert five.confidence_below == pytest.approx(confidence[9])


def test_rows_in_another_order_give_the_same_document() -> None:
    """An evaluation depends on the beats, not on the order in which they were answered."""
    generator = np.random.default_rng(1)
    n = 400
    columns = {
        "reference": generator.integers(0, 5, n),
        "probabilities": generator.dirichlet(np.ones(5), n).astype(np.float32),
        "recording_id": np.array([f"a/{index % 7}" for index in range(n)]),
        "patient": np.array([f"p{index % 7}" for index in range(n)]),
        "r_peak_sample": np.arange(n),
    }
    order = generator.permutation(n)
    first = evaluate(protocol="p", scheme="aami", **columns)
    second = evaluate(protocol="p", scheme="aami", **{name: column[order] for name, column in columns.items()})
    assert first.row_digests == second.row_digests
    np.testing.assert_array_equal(first.confusions, second.confusions)
    assert to_json(first) == to_json(evaluate(protocol="p", scheme="aami", **columns))


@given(ANSWERS, st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_document_brings_the_evaluation_back(answers: tuple[NDArray[np.int64], NDArray[np.int64]], seed: int) -> None:
    """Writing, reading and writing again changes no letter, and every figure survives."""
    reference, _ = answers
    n = len(reference)
    generator = np.random.default_rng(seed)
    evaluation = evaluate(
        protocol="patient_folds",
        scheme="aami",
        reference=reference,
        probabilities=generator.dirichlet(np.ones(5) / 2, n).astype(np.float32),
        recording_id=np.array([f"a/{index % 3}" for index in range(n)]),
        patient=np.array([f"a/{index % 2}" for index in range(n)]),
        r_peak_sample=np.arange(n),
    )
    text = to_json(evaluation)
    back = from_json(text)
    assert to_json(back) == text
    assert back.summary() == evaluation.summary()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda document: document.update(format="other"), "format"),
        (lambda document: document.update(extra=1), "extra"),
        (lambda document: document.update(classes=["N", "S"]), "classes"),
        (lambda document: document["recordings"][0].update(rows_sha256="no"), "rows_sha256"),
        (lambda document: document["recordings"][0]["confusion"].pop(), "confusion"),
        (lambda document: document["recordings"][0]["confusion"][0].__setitem__(0, -1), "confusion"),
        (lambda document: document["recordings"][0]["confusion"][0].__setitem__(0, 9999), "reliability"),
        (lambda document: document["recordings"].append(document["recordings"][0]), "not unique"),
        (lambda document: document["least_confident"][0].update(n_wrong_overall=0), "least confident"),
        (lambda document: document.update(brier=3), "brier"),
        (lambda document: document["curves"][0]["sensitivity"].pop(), "unequal"),
    ],
)
def test_a_tampered_document_is_refused(change: object, sentence: str) -> None:
    """A document that is of another form, or whose counts contradict each other, is refused with what is wrong."""
    document = json.loads(to_json(evaluation_of({"a/1": [[7, 2], [1, 4]], "a/2": [[9, 0], [0, 1]]})))
    change(document)  # type: ignore[operator]
    with pytest.raises(EvaluationDocumentError, match=sentence):
        from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"format": NaN}', "\x00"])
def test_what_is_no_document_is_refused(text: str) -> None:
    """Anything that is not an evaluation document is refused with a sentence, not a stack of schema errors."""
    with pytest.raises(EvaluationDocumentError, match="not an evaluation HeartWave wrote"):
        from_json(text)


@pytest.mark.parametrize(
    ("reference", "probabilities", "sentence"),
    [
        ([], np.zeros((0, 5)), "no test beat"),
        ([0], np.ones((1, 4)) / 4, "probabilities"),
        ([5], np.eye(5)[:1], "classes run from 0 to 4"),
        ([-1], np.eye(5)[:1], "classes run from 0 to 4"),
        ([0], np.zeros((1, 5)), "sum to 1"),
        ([0], np.full((1, 5), np.nan), "sum to 1"),
        ([0], np.array([[1.5, -0.5, 0, 0, 0]]), "non-negative"),
    ],
)
def test_impossible_answers_are_refused(
    reference: list[int], probabilities: NDArray[np.float64], sentence: str
) -> None:
    """No figure is computed from nothing, from classes that do not exist, or from what are no probabilities."""
    n = len(reference)
    with pytest.raises(ValueError, match=sentence):
        evaluate(
            protocol="p",
            scheme="aami",
            reference=np.array(reference, np.int64),
            probabilities=probabilities,
            recording_id=np.full(n, "a/1"),
            patient=np.full(n, "a/1"),
            r_peak_sample=np.arange(n),
        )
