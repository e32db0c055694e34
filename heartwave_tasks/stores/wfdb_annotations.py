"""Reference annotations beside a recording of any format: a WFDB annotation file ``<record>.atr``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from wfdb.io.annotation import ann_labels, proc_ann_bytes

from heartwave_tasks.ecg.labels import is_beat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.stores.arrivals import Arrival

    Parsed: TypeAlias = tuple[NDArray[np.int64], NDArray[np.str_], float | None]

SUFFIX: Final = ".atr"

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_SYMBOLS: Final = np.full(64, "", dtype="<U1")
for _label in ann_labels:
    _SYMBOLS[_label.label_store] = _label.symbol
_NOTE: Final = 22
_DEFINITION: Final = b"## "
_DEFINITIONS_BEGIN, _DEFINITIONS_END = "## annotation type definitions", "## end of definitions"
_RATE: Final = re.compile(r"## time resolution: (\d+\.?\d*)")
_CUSTOM_SYMBOL: Final = re.compile(r"(\d+) (\S+) .+")


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
        content = arrival.file(SUFFIX).read_bytes()
        samples, symbols, rate = parse_plain(content) or parse_defining(content)
    except Exception as error:
        raise arrival.refuse("bad_annotations", f"the annotations cannot be read ({type(error).__name__}).") from error
    if (symbols == "").any():
        raise arrival.refuse(
            "bad_annotations",
            "some annotations have a code that neither WFDB nor the file defines, so nobody can say what they mean.",
            "Define the code in the file, or upload the recording without its annotations: R peaks are detected then.",
        )
    counted = counting_frequency if rate is None else rate
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


def parse_plain(content: bytes) -> Parsed | None:
    """Parse an annotation file of standard symbols alone, in a tenth of the time wfdb takes.

    Returns samples, as the file counts them, and symbols, as `wfdb.rdann` does, and no rate. None for what is out of
    the ordinary: symbols or a rate that the file defines itself, an end that is missing.
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


def parse_defining(content: bytes) -> Parsed:
    """Parse an annotation file that may define symbols and its rate in Hz, in notes at its beginning.

    wfdb takes the file apart. What the notes mean is read here: `wfdb.rdann` never comes to an end of a note that
    begins like a definition and is none. A symbol is '' for a code that nobody has defined.

    Raises whatever wfdb does when the file ends in the middle, and `ValueError` for a definition that makes no sense.
    """
    found = proc_ann_bytes(np.frombuffer(content, dtype=np.uint8).reshape(-1, 2), None)
    samples, codes = (np.array(found[place], dtype=np.int64) for place in (0, 1))
    opening = (samples == 0) & (codes == _NOTE)
    symbols, rate = _SYMBOLS.copy(), None
    is_defining = False
    for note in (found[5][place] for place in np.flatnonzero(opening).tolist()):
        if note in {_DEFINITIONS_BEGIN, _DEFINITIONS_END}:
            is_defining = note == _DEFINITIONS_BEGIN
        elif is_defining:
            code, symbol = _CUSTOM_SYMBOL.findall(note)[0]
            # A word is no symbol of a beat, whatever its first letter.
            symbols[int(code)] = symbol if len(symbol) == 1 else _SYMBOLS[_NOTE]
        elif rate is None and (told := _RATE.match(note)):
            rate = float(told[1])
    kept = ~opening & (codes != 0)
    return samples[kept], symbols[codes[kept]], rate


def _annotated(
    codes: NDArray[np.integer], low: NDArray[np.int64], skipped: NDArray[np.int64], payload: NDArray[np.bool_]
) -> Parsed | None:
    """Pick the annotations out of the words of a file up to its end."""
    is_annotation = (codes < _SKIP) & ~payload
    symbols = _SYMBOLS[codes[is_annotation]]
    if not symbols.size or (symbols == "").any():
        return None
    steps = np.where(is_annotation, low, 0) + np.where(payload, 0, skipped)
    return np.cumsum(steps)[is_annotation], symbols, None
