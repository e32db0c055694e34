"""What a check of the estate finds, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Station(StrEnum):
    """Where a heartbeat passes, in this order."""

    RECORDINGS = "recordings"
    BEATS = "beats"
    STRIPS = "strips"
    OBJECTS = "objects"
    MODELS = "models"
    LEDGER = "ledger"
    LABELS = "labels"
    PARTITIONS = "partitions"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; a note (``is_wrong`` False) is worth knowing and nobody's fault."""

    station: Station
    what: str
    difference: str
    remedy: str
    is_wrong: bool = True


@dataclass(slots=True)
class Report:
    """What was looked at, how often, and what was found.

    Attributes
    ----------
    progress
        Called with a station, how much of it is done, and how much there is where that is known.
    mendable
        Ids of revisions whose objects can be made again from their recordings.
    """

    progress: Callable[[Station, int, int | None], None]
    checked: dict[Station, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    mendable: set[int] = field(default_factory=set)
    n_labels: int = 0
    label_digest: str = ""

    def wrong(self, station: Station, what: str, difference: str, remedy: str) -> None:
        """Note a difference."""
        self.findings.append(Finding(station, what, difference, remedy))

    def note(self, station: Station, what: str, difference: str, remedy: str) -> None:
        """Note something that need not be wrong."""
        self.findings.append(Finding(station, what, difference, remedy, is_wrong=False))

    def count(self, station: Station, total: int | None = None) -> None:
        """Count one more thing that was looked at."""
        self.checked[station] = self.checked.get(station, 0) + 1
        self.progress(station, self.checked[station], total)

    @property
    def n_wrong(self) -> int:
        """How many differences there are."""
        return sum(finding.is_wrong for finding in self.findings)
