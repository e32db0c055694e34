"""Recordings in any number: pieces of real ones, shifted and scaled, so that no two are the same."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import wfdb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_RATE = 360
_ADC_LIMIT = 2047


class Copies:
    """Copies of MIT-BIH's recordings, as WFDB files."""

    def __init__(self, directory: Path, minutes: float) -> None:
        self._n_samples = round(minutes * 60 * _RATE)
        self._originals = []
        for path in sorted(directory.glob("*.hea")):
            record = str(path.with_suffix(""))
            stored, notes = wfdb.rdrecord(record, physical=False), wfdb.rdann(record, "atr")
            self._originals.append((path.read_text(), stored.d_signal, notes.sample, np.array(notes.symbol)))

    def files(self, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
        """Draw copies, and yield their files by key."""
        random = np.random.default_rng(seed)
        for number in range(count):
            header, samples, at, symbols = self._originals[number % len(self._originals)]
            start = int(random.integers(0, max(1, len(samples) - self._n_samples)))
            stop = min(start + self._n_samples, len(samples))
            level = 1024  # of no voltage, in MIT-BIH
            scaled = (samples[start:stop] - level) * random.uniform(0.8, 1.2) + level
            copy = np.clip(np.rint(scaled), -_ADC_LIMIT, _ADC_LIMIT).astype(np.int64)
            inside = (at >= start) & (at < stop)
            name = f"c{number:05d}"
            yield f"copies/{name}.dat", _encode_212(copy)
            yield f"copies/{name}.atr", _annotations(name, at[inside] - start, symbols[inside])
            yield f"copies/{name}.hea", _header(header, name, copy).encode()


def _encode_212(samples: NDArray[np.int64]) -> bytes:
    """Two samples of 12 bits in every three bytes."""
    bits = samples & 0xFFF
    triples = np.empty((len(bits), 3), dtype=np.uint8)
    triples[:, 0] = bits[:, 0] & 0xFF
    triples[:, 1] = (bits[:, 0] >> 8) | ((bits[:, 1] >> 8) << 4)
    triples[:, 2] = bits[:, 1] & 0xFF
    return triples.tobytes()


def _annotations(name: str, samples: NDArray[np.int64], symbols: NDArray[np.str_]) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        wfdb.wrann(name, "atr", samples, symbol=symbols.tolist(), write_dir=directory)
        return Path(directory, f"{name}.atr").read_bytes()


def _header(original: str, name: str, samples: NDArray[np.int64]) -> str:
    """Give a header another name, length, initial values and checksums."""
    lines = original.splitlines()
    first = lines[0].split()
    out = io.StringIO()
    out.write(f"{name} {first[1]} {first[2]} {len(samples)}\n")
    for lead in range(samples.shape[1]):
        # file format gain resolution zero initial checksum block description
        words = lines[1 + lead].split(maxsplit=8)
        checksum = int(samples[:, lead].sum()) % 65_536
        signed = checksum - 65_536 if checksum >= 32_768 else checksum
        words[0] = f"{name}.dat"
        words[1] = re.sub(r"\D.*", "", words[1])
        words[5], words[6] = str(int(samples[0, lead])), str(signed)
        out.write(" ".join(words) + "\n")
    return out.getvalue()
