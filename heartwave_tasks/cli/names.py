"""Words the command line accepts."""

from __future__ import annotations

from enum import StrEnum


class JobName(StrEnum):
    """What `heartwave run` can run."""

    INGEST = "ingest"
    RETRAIN = "retrain"
    SCORE = "score"
    MAINTAIN = "maintain"

    @property
    def dag_id(self) -> str:
        """The DAG behind it."""
        return {
            JobName.INGEST: "ingest_recordings",
            JobName.RETRAIN: "retrain_models",
            JobName.SCORE: "score_recordings",
            JobName.MAINTAIN: "maintain_storage",
        }[self]


class ReportFormat(StrEnum):
    """How figures of several tables are printed."""

    TABLE = "table"
    JSON = "json"


class RPeaks(StrEnum):
    """Whose R peaks `heartwave evaluate` labels."""

    REFERENCE = "reference"
    DETECTED = "detected"


class OutputFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class ExportFormat(StrEnum):
    """What `heartwave export` writes."""

    WFDB = "wfdb"
    CSV = "csv"
    JSON = "json"


class HeldAction(StrEnum):
    """What `heartwave held` does."""

    LIST = "list"
    RELEASE = "release"
