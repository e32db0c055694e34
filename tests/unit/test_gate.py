"""The gate promotes what is better and harms no class, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.models.evaluation_document import from_json, to_json
from heartwave_tasks.models.gate import decide
from tests.unit.evaluations import evaluation_of

if TYPE_CHECKING:
    from heartwave_tasks.models.evaluation import Evaluation


def _model(
    *, n: float = 0.95, s: float = 0.7, v: float = 0.9, patients: range = range(20), spread: float = 0.0
) -> Evaluation:
    """Evaluate patients with 1000 N, 40 S and 80 V each, found at these rates (S varying by patient)."""
    confusions = {}
    for patient in patients:
        rate = s + spread * (1 if patient % 2 else -1)
        found = [round(1000 * n), round(40 * rate), round(80 * v)]
        confusions[f"mitdb/{patient:03d}"] = [
            [found[0], 1000 - found[0], 0],
            [40 - found[1], found[1], 0],
            [80 - found[2], 0, found[2]],
        ]
    return evaluation_of(confusions)


def test_the_first_model_is_promoted() -> None:
    """Without a champion there is nothing to beat."""
    verdict = decide(_model(), None)
    assert verdict.promote
    assert "no champion yet" in verdict.reasons[0]


def test_a_better_model_is_promoted() -> None:
    """A higher mean F1 with no fewer V and S beats found takes the champion's place, and the reasons say so."""
    verdict = decide(_model(s=0.8), _model())
    assert verdict.promote
    assert any("better" in reason for reason in verdict.reasons)
    assert sum("not worse" in reason for reason in verdict.reasons) == 2


@pytest.mark.parametrize("challenger", [_model(), _model(n=0.9)], ids=["the same", "worse"])
def test_a_model_that_is_not_better_is_not_promoted(challenger: Evaluation) -> None:
    """Equal is not better: relabelling every recording needs a reason."""
    verdict = decide(challenger, _model())
    assert not verdict.promote
    assert any("so the champion stays" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("letter", ["V", "S"])
def test_a_better_mean_does_not_buy_missed_arrhythmias(letter: str) -> None:
    """Fewer V or S beats found, patient after patient, keeps the champion even where the mean F1 is higher."""
    challenger = _model(n=0.995, v=0.84) if letter == "V" else _model(n=0.995, s=0.6)
    verdict = decide(challenger, _model(n=0.9))
    assert challenger.nsv_mean_f1 > _model(n=0.9).nsv_mean_f1
    assert not verdict.promote
    assert [reason for reason in verdict.reasons if reason.startswith(f"Of {letter}") and "worse, so" in reason]


def test_a_loss_within_the_interval_is_forgiven() -> None:
    """Slightly fewer S beats found, with gains and losses spread over patients, is chance and no reason to refuse."""
    challenger = _model(n=0.99, s=0.68, spread=0.3)
    verdict = decide(challenger, _model(s=0.7))
    assert challenger.class_figures[1].sensitivity < 0.7
    assert verdict.promote


def test_patients_are_compared_in_pairs() -> None:
    """A small loss that every patient shares is seen, though patients differ by far more than it."""
    champion = _model(n=0.9, s=0.6, spread=0.3)
    verdict = decide(_model(n=0.995, s=0.55, spread=0.3), champion)
    assert not verdict.promote


def test_only_rows_both_were_tested_on_are_compared() -> None:
    """A challenger that was also tested on a new, easy recording is judged on the old ones."""
    old = {"mitdb/1": [[90, 10], [5, 15]], "mitdb/2": [[80, 20], [5, 15]]}
    worse = {"mitdb/1": [[88, 12], [5, 15]], "mitdb/2": [[80, 20], [6, 14]], "new/1": [[9000, 0], [0, 900]]}
    verdict = decide(evaluation_of(worse), evaluation_of(old))
    assert not verdict.promote
    assert "same 240 beats of 2 patients" in verdict.reasons[0]


def test_other_rows_are_no_comparison() -> None:
    """Where fewer than half of the champion's beats were tested again, nobody is promoted and the reason says why."""
    verdict = decide(_model(s=0.9, patients=range(50, 70)), _model())
    assert not verdict.promote
    assert "not tested on the same rows" in verdict.reasons[0]
    relabelled = evaluation_of({"mitdb/1": [[90, 0], [0, 30]]})
    assert not decide(relabelled, evaluation_of({"mitdb/1": [[80, 20], [5, 15]]})).promote


def test_a_single_patient_with_a_class_must_not_get_worse() -> None:
    """With one patient there is no interval, so any loss counts."""
    champion = evaluation_of({"a/1": [[900, 100], [5, 15]], "a/2": [[900, 100], [0, 0]]})
    challenger = evaluation_of({"a/1": [[999, 1], [6, 14]], "a/2": [[999, 1], [0, 0]]})
    verdict = decide(challenger, champion)
    assert challenger.nsv_mean_f1 > champion.nsv_mean_f1
    assert not verdict.promote
    assert any("in a single patient" in reason for reason in verdict.reasons)
    assert any("no V (ventricular) beats" in reason for reason in verdict.reasons)


def test_the_verdict_follows_from_stored_documents() -> None:
    """What was read back from JSON is judged as the original was."""
    challenger, champion = _model(s=0.72, spread=0.1), _model()
    stored = [from_json(to_json(each)) for each in (challenger, champion)]
    assert decide(stored[0], stored[1]) == decide(challenger, champion)


def test_another_protocol_does_not_decide() -> None:
    """Random splits flatter; a promotion by them is refused outright."""
    flattering = evaluation_of({"mitdb/1": [[80, 20], [5, 15]]}, protocol="random_beats")
    with pytest.raises(ValueError, match="decided on patient_folds"):
        decide(flattering, None)


def test_reasons_are_sentences() -> None:
    """Every reason starts with a capital, ends with a full stop and has no raw number format in it."""
    for verdict in (decide(_model(), None), decide(_model(s=0.8), _model()), decide(_model(s=0.5), _model())):
        for reason in verdict.reasons:
            assert reason[0].isupper()
            assert reason.endswith(".")
            assert "nan" not in reason
            assert "np." not in reason
    assert isinstance(decide(_model(), None).promote, bool)
    assert not isinstance(decide(_model(), None).promote, np.bool_)
