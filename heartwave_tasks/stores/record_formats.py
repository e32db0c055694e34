"""The formats recordings come in, each read by one module behind one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores import csv_records, edf_records, wfdb_records
from heartwave_tasks.stores.recording_names import CSV_SUFFIX, EDF_SUFFIX, HEADER_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heartwave_tasks.ecg.recordings import Recording
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival

FORMATS: Final[Mapping[str, Callable[[Arrival, Settings], Recording]]] = {
    HEADER_SUFFIX: wfdb_records.read,
    EDF_SUFFIX: edf_records.read,
    CSV_SUFFIX: csv_records.read,
}
"""By the suffix of the file that a recording of the format always has."""


def read_recording(arrival: Arrival, settings: Settings) -> Recording:
    """Read a recording whose files, of any format, lie in a directory.

    Raises
    ------
    RecordingProblem
        If something is missing, truncated, damaged, or over the limits; its message quotes nothing of the files.
    """
    found = [read for suffix, read in FORMATS.items() if arrival.file(suffix).is_file()]
    if not found:
        raise arrival.refuse(
            "incomplete",
            f"none of its files is one that a recording always has ({', '.join(FORMATS)}).",
            "Upload all of its files; the recording is taken up as soon as they are there.",
        )
    if len(found) > 1:
        raise arrival.refuse(
            "ambiguous",
            f"it came in {len(found)} formats at once ({', '.join(FORMATS)}).",
            "Leave one of its headers, .edf or .csv files there, and take the others away.",
        )
    return found[0](arrival, settings)
