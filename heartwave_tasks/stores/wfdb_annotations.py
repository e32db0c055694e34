"""Reference annotations beside a recording of any format: a WFDB annotation file ``<record>.atr``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb
from wfdb.io.annotation import ann_labels

from heartwave_tasks.ecg.labels import is_beat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.stores.arrivals import Arrival

SUFFIX: Final = ".atr"

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_SYMBOLS: Final = np.full(64, "", dtype="<U1")
for _label in ann_labels:
    _SYMBOLS[_label.label_store] = _label.symbol
_DEFINITION: Final = b"## "


def read_annotations(
    arrival: Arrival, n_samples: int, frequency: float, counting_frequency: float
) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Read samples and symbols of the reference annotations, None where there are none.

    Samples are at ``frequency`` (Hz), the recording's; the file counts at a rate it gives, else at
    ``counting_frequency``.
    """
    if not arrival.file(SUFFIX).is_file():
        return None
    try:
        plain = parse_plain(arrival.file(SUFFIX).read_bytes())
        if plain is not None:
            samples, symbols, counted = *plain, counting_frequency
        else:
            annotations = wfdb.rdann(str(arrival.file("")), SUFFIX.removeprefix("."))
            samples = np.asarray(annotations.sample, dtype=np.int64)
            symbols = np.asarray(annotations.symbol, dtype="<U1")
            counted = float(annotations.fs or counting_frequency)
    except Exception as error:
        raise arrival.refuse("bad_annotations", f"the annotations cannot be read ({type(error).__name__}).") from error
    if not math.isfinite(counted) or counted <= 0:
        raise arrival.refuse("bad_annotations", "the annotations are counted at a rate that cannot be.")
    if counted != frequency:
        times = samples * (frequency / counted)
        if not np.isfinite(times).all() or (np.abs(times) > np.iinfo(np.int32).max).any():
            raise arrival.refuse("bad_annotations", f"annotations lie outside the recording's {n_samples} samples.")
        samples = np.rint(times).astype(np.int64)
    if len(samples) and (samples[0] < 0 or samples[-1] >= n_samples or (np.diff(samples) < 0).any()):
        raise arrival.refuse(
            "bad_annotations", f"annotations lie outside the recording's {n_samples} samples, or out of order."
        )
    beats = samples[is_beat(symbols)]
    doubled = np.diff(beats) == 0
    if doubled.any():
        raise arrival.refuse(
            "bad_annotations",
            f"two heartbeats are annotated at sample {beats[:-1][doubled][0]}.",
            "Leave one annotation per heartbeat and upload again.",
        )
    return samples, symbols


def parse_plain(content: bytes) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Parse an annotation file of standard symbols alone, in a tenth of the time wfdb takes.

    Returns samples, as the file counts them, and symbols, as `wfdb.rdann` does. None for what is out of the ordinary
    (symbols or a rate that the file defines itself, an end that is missing), which wfdb is better at.
    See https://wfdb.io/spec/annot-files.html.
    """
    words = np.frombuffer(content[: len(content) // 2 * 2], dtype="<u2")
    codes, low = words >> 10, (words & 0x3FF).astype(np.int64)
    payload = np.zeros(len(words), dtype=np.bool_)
    skipped = np.zeros(len(words), dtype=np.int64)
    # Only what is followed by more than a word of its own has to be looked at one by one.
    at = 0
    for place in np.flatnonzero((codes == _SKIP) | (codes == _AUX) | (words == 0)).tolist():
        if place < at:
            continue
        if words[place] == 0:
            return _annotated(codes[:place], low[:place], skipped[:place], payload[:place])
        following = 2 if codes[place] == _SKIP else (int(low[place]) + 1) // 2
        at = place + 1 + following
        if at >= len(words):
            return None
        if codes[place] == _SKIP:
            high, rest = int(words[place + 1]), int(words[place + 2])
            skipped[place] = ((high ^ 0x8000) - 0x8000 << 16) + rest  # 32 bits with a sign, higher half first
        elif content[2 * place + 2 : 2 * at].startswith(_DEFINITION):
            return None
        payload[place + 1 : at] = True
    return None


def _annotated(
    codes: NDArray[np.integer], low: NDArray[np.int64], skipped: NDArray[np.int64], payload: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Pick the annotations out of the words of a file up to its end."""
    is_annotation = (codes < _SKIP) & ~payload
    symbols = _SYMBOLS[codes[is_annotation]]
    if not symbols.size or (symbols == "").any():
        return None
    steps = np.where(is_annotation, low, 0) + np.where(payload, 0, skipped)
    return np.cumsum(steps)[is_annotation], symbols
