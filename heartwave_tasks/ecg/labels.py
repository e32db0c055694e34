"""Label schemes: what the annotation symbols of WFDB mean, and the classes HeartWave speaks of.

References
----------
ANSI/AAMI EC57:2012, table 2 (the five classes); Moody and Mark 2001 (the symbols of MIT-BIH).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CLASSES: Final = ("N", "S", "V", "F", "Q")
"""AAMI classes; a class index is a position in this tuple."""

CLASS_NAMES: Final = ("normal", "supraventricular", "ventricular", "fusion", "unknown or paced")
"""Words for people, in the order of `CLASSES`."""

NO_CLASS: Final = -1
"""Index of "no class": unannotated beats, marks, and symbols outside a scheme."""

AAMI_SYMBOLS: Final = {"N": "N.LRejnB", "S": "AaJS", "V": "VEr", "F": "F", "Q": "/fQ?"}
"""Annotation symbols of real beats, by AAMI class."""

HEARTWAVE5_SYMBOLS: Final = ("N.LRej", "AaJS", "VE", "F", "/fxQ|~")
"""Annotation symbols by `heartwave5` class id; its class 4 also holds marks that are not beats."""

BEAT_SYMBOLS: Final = frozenset("".join(AAMI_SYMBOLS.values()))
"""Symbols that mark a heartbeat."""

MARK_SYMBOLS: Final = frozenset("|~x")
"""Symbols of signal marks that get a window but are no beat: artefact, noise, blocked P wave."""

FLUTTER_SYMBOLS: Final = frozenset("[!]")
"""Symbols of ventricular flutter and fibrillation: where it begins, each of its waves, where it ends."""

QUALITY_SYMBOL: Final = "~"
"""Symbol of a change of the signal's quality."""

WINDOW_SYMBOLS: Final = BEAT_SYMBOLS | MARK_SYMBOLS
"""Symbols that get a window; all others (rhythm changes, flutter waves, comments) are left out."""

_AAMI: Final = {symbol: index for index, name in enumerate(CLASSES) for symbol in AAMI_SYMBOLS[name]}
_HEARTWAVE5: Final = {symbol: index for index, symbols in enumerate(HEARTWAVE5_SYMBOLS) for symbol in symbols}


def is_beat(symbols: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell heartbeats from other annotations; `symbols` is (n,), so is the answer."""
    return np.isin(symbols, sorted(BEAT_SYMBOLS))


def has_window(symbols: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell annotations that get a window (beats and signal marks) from the rest; (n,) in and out."""
    return np.isin(symbols, sorted(WINDOW_SYMBOLS))


def aami_classes(symbols: NDArray[np.str_]) -> NDArray[np.int8]:
    """Class index of every symbol in `CLASSES`, int8 (n,); `NO_CLASS` for what is not a beat."""
    return _classes(symbols, _AAMI)


def heartwave5_classes(symbols: NDArray[np.str_]) -> NDArray[np.int8]:
    """Class id 0-4 of every symbol in the original project's scheme, int8 (n,); `NO_CLASS` outside it."""
    return _classes(symbols, _HEARTWAVE5)


def _classes(symbols: NDArray[np.str_], scheme: Mapping[str, int]) -> NDArray[np.int8]:
    distinct, inverse = np.unique(symbols, return_inverse=True)
    classes = np.array([scheme.get(str(symbol), NO_CLASS) for symbol in distinct], dtype=np.int8)
    return classes[inverse] if classes.size else np.empty(0, dtype=np.int8)
