"""Names: what recordings, their files and their folders may be called, and which file is which."""

from __future__ import annotations

import re
from typing import Final

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""Names of sources and records; neither a path, nor a URL, nor an option can be spelled with it."""

SAFE_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_]{1,16})?")
"""Names of a recording's files."""

HEADER_SUFFIX: Final = ".hea"
EDF_SUFFIX: Final = ".edf"
CSV_SUFFIX: Final = ".csv"
SIDECAR_SUFFIX: Final = ".json"

MAIN_SUFFIXES: Final = (HEADER_SUFFIX, EDF_SUFFIX, CSV_SUFFIX)
"""Of the file every recording has: by one of them it is found."""

INBOX: Final = "inbox"
"""Prefix of the folders that sources may write to and nothing else."""

QUARANTINE: Final = "quarantine"
"""Prefix under which refused bytes are kept."""


def local_name(name: str) -> str:
    """Return what a file is called here: recorders like to write ``.EDF``."""
    stem, dot, suffix = name.rpartition(".")
    lower = f"{dot}{suffix.lower()}"
    return f"{stem}{lower}" if lower in {EDF_SUFFIX, CSV_SUFFIX, SIDECAR_SUFFIX} else name
