"""Label schemes."""

from __future__ import annotations

import numpy as np

from heartwave_tasks.ecg import labels


def test_aami_classes_follow_ec57() -> None:
    """Every beat symbol has its EC57 class, and signal marks and rhythm changes have none."""
    symbols = np.array(list("N.LRejnBAaJSVErF/fQ?") + list("|~x+!"))
    expected = [0] * 8 + [1] * 4 + [2] * 3 + [3] + [4] * 4 + [-1] * 5
    assert labels.aami_classes(symbols).tolist() == expected


def test_heartwave5_counts_marks_as_class_four() -> None:
    """The original project's scheme puts noise, artefacts and blocked P waves into class 4."""
    symbols = np.array(list("N.LRejAaJSVEF/fxQ|~+"))
    assert labels.heartwave5_classes(symbols).tolist() == [0] * 6 + [1] * 4 + [2] * 2 + [3] + [4] * 6 + [-1]


def test_marks_have_a_window_but_are_no_beats() -> None:
    """Marks are cut like beats, everything else that is not a beat is left out."""
    symbols = np.array(list('N|~x+!"'))
    assert labels.is_beat(symbols).tolist() == [True] + [False] * 6
    assert labels.has_window(symbols).tolist() == [True] * 4 + [False] * 3


def test_no_symbols_give_no_classes() -> None:
    """An empty array is answered by an empty one of the same type."""
    none = np.empty(0, dtype="<U1")
    assert labels.aami_classes(none).dtype == labels.aami_classes(np.array(["N"])).dtype
    assert len(labels.heartwave5_classes(none)) == 0
