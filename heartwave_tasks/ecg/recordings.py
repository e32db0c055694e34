"""Recordings: the signals of an ECG, wherever they lie, and what an expert said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RecordingError(ValueError):
    """A recording holds nothing to segment; the message says what was expected and found."""


class Signals(Protocol):
    """Signals of all leads of a recording, read a stretch at a time: three days of twelve leads fit in no memory."""

    @property
    def n_samples(self) -> int:
        """Samples of every lead, at the recording's own rate."""
        ...

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        ...

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Read samples ``[first, last)``, where 0 <= first <= last <= n_samples.

        Returns float32 (last - first, n_leads) in mV, NaN where a sample is missing; the same stretch gives the same
        numbers however often, and together with whatever neighbours, it is read.
        """
        ...


@dataclass(frozen=True)
class SignalsInMemory:
    """Signals that are in memory already: `samples` is (n_samples, n_leads) in mV, NaN where missing."""

    samples: NDArray[np.floating]

    def __post_init__(self) -> None:
        """Refuse anything but a table."""
        if self.samples.ndim != 2:  # noqa: PLR2004
            msg = f"Signals of shape (n_samples, n_leads) were expected; found {self.samples.shape}."
            raise ValueError(msg)

    @property
    def n_samples(self) -> int:
        """Samples of every lead."""
        return len(self.samples)

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        n_leads: int = self.samples.shape[1]
        return n_leads

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Return samples ``[first, last)``, float32 (last - first, n_leads) in mV."""
        return self.samples[first:last].astype(np.float32, copy=False)


@dataclass(frozen=True)
class Recording:
    """An ECG as it was read: signals of all leads, and annotations where an expert made some.

    Attributes
    ----------
    recording_id
        ``<source>/<record>``.
    sampling_frequency
        In Hz.
    signals
        All leads, in mV.
    lead_names
        One name for each lead of `signals`.
    annotation_samples, annotation_symbols
        int64 (k,) sample indices at `sampling_frequency`, rising, and their WFDB symbols; None if unannotated.
    """

    recording_id: str
    sampling_frequency: float
    signals: Signals
    lead_names: tuple[str, ...]
    annotation_samples: NDArray[np.int64] | None = None
    annotation_symbols: NDArray[np.str_] | None = None
