"""What is particular about the MIT-BIH Arrhythmia Database: its patients, its splits, its paced records.

References
----------
Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 2001.
de Chazal P, O'Dwyer M, Reilly RB. Automatic classification of heartbeats. IEEE Trans Biomed Eng 2004 (DS1, DS2).
"""

from __future__ import annotations

from typing import Final

SOURCE: Final = "mitdb"
"""Name the database has in recording ids, e.g. ``mitdb/100``."""

# fmt: off
DS1: Final = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)
# fmt: on
"""Training records of de Chazal's inter-patient split."""

# fmt: off
DS2: Final = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)
# fmt: on
"""Test records of de Chazal's inter-patient split; 202 is the patient of DS1's 201."""

PACED: Final = ("102", "104", "107", "217")
"""Records with a pacemaker, left out of inter-patient figures as EC57 asks."""

RECORDS: Final = tuple(sorted((*DS1, *DS2, *PACED)))
"""All 48 records."""

SUPRAVENTRICULAR_OUTLIER: Final = "232"
"""Holds 1 382 of DS2's 1 837 supraventricular beats, which are its own majority: S is reported without it too."""

_SAME_PATIENT: Final = {"202": "201"}


def patient_of(recording_id: str) -> str:
    """Name the patient of a recording: the recording id itself, except where two records share one.

    Parameters
    ----------
    recording_id
        ``<source>/<record>``; only ``mitdb`` has a known shared patient (201 and 202).
    """
    source, _, record = recording_id.rpartition("/")
    if source == SOURCE and record in _SAME_PATIENT:
        return f"{source}/{_SAME_PATIENT[record]}"
    return recording_id
