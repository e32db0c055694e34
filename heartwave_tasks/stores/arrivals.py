"""A recording's files in a directory of ours, and how people are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

REPAIR: Final = "Export the recording again from its source and upload all of its files."
"""The remedy where nothing better is known."""


class RecordingProblem(ValueError):  # noqa: N818 - it is the recording that has the problem
    """A recording cannot be used as it is: a short code, the reason and the remedy, for people."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Arrival:
    """The files of one recording, and nothing else, in a directory.

    Attributes
    ----------
    recording_id
        What the recording is known by; messages begin with it.
    directory
        Where its files lie.
    record
        What its files are called; another name than the id's where that is a pseudonym.
    """

    recording_id: str
    directory: Path
    record: str

    @classmethod
    def of(cls, directory: Path, recording_id: str) -> Arrival:
        """Return the files of a recording that is known by the name they have."""
        return cls(recording_id, directory, recording_id.rpartition("/")[2])

    def file(self, suffix: str) -> Path:
        """Return where the recording's own file of a kind lies, or would."""
        return self.directory / f"{self.record}{suffix}"

    def shown(self, name: str) -> str:
        """Return a file's name as messages may show it: the recording's own ones by its id, others not at all.

        What else a header calls a file may be anything, a patient's name as well.
        """
        known = self.recording_id.rpartition("/")[2]
        return f"{known}{name.removeprefix(self.record)}" if name.startswith(f"{self.record}.") else "another file"

    def refuse(self, code: str, reason: str, remedy: str = REPAIR) -> RecordingProblem:
        """Return the refusal of this recording, to be raised."""
        return RecordingProblem(code, f"{self.recording_id}: {reason}", remedy)
