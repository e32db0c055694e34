"""CSV files with a small sidecar that says what their columns are.

``r.csv`` has a line of column names, then one line per sample, values separated by commas. ``r.json`` beside it names
the columns that are leads, with their units, and the rate: ``{"sampling_frequency": 250, "leads": {"II": "mV"}}``.
Other columns are never read. An empty cell, ``NaN`` or ``NA`` is a missing sample.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heartwave_tasks.ecg.recordings import Recording
from heartwave_tasks.stores.composed_signals import keep_short
from heartwave_tasks.stores.lead_units import to_millivolts
from heartwave_tasks.stores.recording_names import CSV_SUFFIX, SIDECAR_SUFFIX
from heartwave_tasks.stores.wfdb_annotations import read_annotations
from heartwave_tasks.stores.wfdb_headers import HIGHEST_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival

BLOCK_BYTES: Final = 8 << 20
"""Of text, that are read at once."""

_MISSING: Final = ["", "nan", "NaN", "NAN", "NA", "null"]
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_REMEDY: Final = 'Write it like {"sampling_frequency": 250, "leads": {"II": "mV", "V1": "uV"}} and upload again.'


class _Sidecar(BaseModel):
    """What the columns are; anything else in the file is left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sampling_frequency: Annotated[float, Field(ge=1, le=HIGHEST_FREQUENCY, allow_inf_nan=False)]
    leads: Annotated[dict[str, str], Field(min_length=1)]


def read(arrival: Arrival, settings: Settings) -> Recording:
    """Read a CSV file as its sidecar says.

    Raises
    ------
    RecordingProblem
        If the sidecar has not come or says what cannot be, a lead is no column, or a value is no number.
    """
    sidecar = _read_sidecar(arrival, settings)
    signals = CsvSignals(arrival, sidecar.leads, settings)
    frequency = sidecar.sampling_frequency
    samples, symbols = read_annotations(arrival, signals.n_samples, frequency, frequency) or (None, None)
    return Recording(arrival.recording_id, frequency, keep_short(signals), tuple(sidecar.leads), samples, symbols)


def _read_sidecar(arrival: Arrival, settings: Settings) -> _Sidecar:
    path = arrival.file(SIDECAR_SUFFIX)
    shown = arrival.shown(path.name)
    if not path.is_file():
        raise arrival.refuse(
            "incomplete",
            f"{shown}, which says what the columns are, has not arrived.",
            f"Upload {shown}. {_REMEDY}",
        )
    if path.stat().st_size > settings.max_header_bytes:
        raise arrival.refuse(
            "too_large",
            f"{shown} has {path.stat().st_size} bytes; at most {settings.max_header_bytes}.",
            "Raise HEARTWAVE_MAX_HEADER_BYTES if it is genuine.",
        )
    try:
        sidecar = _Sidecar.model_validate_json(path.read_bytes())
    except (ValidationError, RecursionError):
        # What is wrong in detail would quote the file.
        raise arrival.refuse(
            "bad_header",
            f"{shown} does not give a sampling_frequency of 1 to {HIGHEST_FREQUENCY:.0f} Hz, and the leads' units.",
            _REMEDY,
        ) from None
    if len(sidecar.leads) > settings.max_leads:
        raise arrival.refuse(
            "too_large",
            f"{shown} names {len(sidecar.leads)} leads; at most {settings.max_leads} are read.",
            "Raise HEARTWAVE_MAX_LEADS if this is genuine.",
        )
    return sidecar


class CsvSignals:
    """The leads of a CSV file as `Signals`: looked through once, then read in blocks of lines.

    ``leads`` are the names of their columns, and their units.
    """

    def __init__(self, arrival: Arrival, leads: dict[str, str], settings: Settings) -> None:
        self._arrival = arrival
        self._path = arrival.file(CSV_SUFFIX)
        self._leads = tuple(leads)
        self._factors = np.array(
            [self._factor(place, unit) for place, unit in enumerate(leads.values())], dtype=np.float32
        )
        self._columns, begin = self._read_columns(settings)
        self._most_line_bytes = settings.max_header_bytes
        self._rows = [0]
        self._bounds = self._find_blocks(begin)
        self._block: tuple[int, NDArray[np.float32]] | None = None
        self.n_leads = len(leads)
        for place in range(len(self._bounds) - 1):
            self._rows.append(self._rows[-1] + len(self._read_block(place)))
            if self._rows[-1] * self.n_leads > settings.max_samples:
                raise arrival.refuse(
                    "too_large",
                    f"it has more than {settings.max_samples} samples.",
                    "Split the recording, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.",
                )
        self.n_samples = self._rows[-1]
        if not self.n_samples:
            raise arrival.refuse("truncated", "there is no sample in it.")

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Read samples ``[first, last)``, float32 (last - first, n_leads) in mV."""
        parts = [np.empty((0, self.n_leads), dtype=np.float32)]
        place = int(np.searchsorted(self._rows, first, side="right")) - 1
        while place < len(self._bounds) - 1 and self._rows[place] < last:
            rows = self._read_block(place)
            parts.append(rows[max(0, first - self._rows[place]) : last - self._rows[place]])
            place += 1
        return np.concatenate(parts)

    def _factor(self, place: int, unit: str) -> float:
        try:
            factor = to_millivolts(unit)
        except KeyError:
            factor = None
        if factor is None:
            raise self._arrival.refuse("bad_header", f"lead {place + 1} is in a unit that is no voltage.", _REMEDY)
        return factor

    def _read_columns(self, settings: Settings) -> tuple[list[str], int]:
        """Return the columns' names, made distinct, and where the first line of values begins."""
        with self._path.open("rb") as file:
            line = file.readline(settings.max_header_bytes + 1)
        if len(line) > settings.max_header_bytes:
            raise self._arrival.refuse(
                "too_large",
                f"the line of column names has more than {settings.max_header_bytes} bytes.",
                "Raise HEARTWAVE_MAX_HEADER_BYTES if it is genuine.",
            )
        text = line.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", errors="replace").rstrip("\r\n")
        try:
            names = [name.strip() for name in next(csv.reader([text]), [])]
        except csv.Error:
            names = []
        missing = [place for place, name in enumerate(self._leads, start=1) if names.count(name) != 1]
        if missing:
            raise self._arrival.refuse(
                "bad_header",
                f"of its {len(names)} columns none, or more than one, is called like lead {missing[0]} of the sidecar.",
                "Give every lead a column of its name, in the first line.",
            )
        # The others' names do not matter, and may be anything.
        return [name if name in self._leads else f"\0{place}" for place, name in enumerate(names)], len(line)

    def _find_blocks(self, begin: int) -> list[int]:
        """Return bounds in bytes of blocks of whole lines."""
        bounds, size = [begin], self._path.stat().st_size
        with self._path.open("rb") as file:
            while bounds[-1] + BLOCK_BYTES < size:
                file.seek(bounds[-1] + BLOCK_BYTES)
                rest = file.readline(self._most_line_bytes)
                bounds.append(file.tell())
                if not rest.endswith(b"\n") and bounds[-1] < size:
                    raise self._arrival.refuse(
                        "too_large",
                        f"a line has more than {self._most_line_bytes} bytes.",
                        "Raise HEARTWAVE_MAX_HEADER_BYTES if it is genuine.",
                    )
        return [*bounds, size] if bounds[-1] < size else bounds

    def _read_block(self, place: int) -> NDArray[np.float32]:
        if self._block is not None and self._block[0] == place:
            return self._block[1]
        with self._path.open("rb") as file:
            file.seek(self._bounds[place])
            text = file.read(self._bounds[place + 1] - self._bounds[place])
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(text),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, column_names=self._columns, block_size=len(text) + 1
                ),
                # Of a single column, an empty line is a missing sample.
                parse_options=arrow_csv.ParseOptions(ignore_empty_lines=len(self._columns) > 1),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self._leads, pa.float64()), include_columns=list(self._leads),
                    null_values=_MISSING, strings_can_be_null=True,
                ),
            )  # fmt: skip
        except pa.ArrowInvalid:
            # Its words would quote a line.
            raise self._arrival.refuse(
                "bad_values",
                f"among lines {self._rows[place] + 2} and following one has another number of columns than the first, "
                "or a lead's value is no number.",
                "Write one line per sample, plain numbers with a point, nothing in missing ones, and upload again.",
            ) from None
        leads = [column.to_numpy(zero_copy_only=False) for column in table.columns]
        rows = np.column_stack(leads).astype(np.float32)
        rows[~np.isfinite(rows)] = np.nan
        rows *= self._factors
        self._block = place, rows
        return rows
