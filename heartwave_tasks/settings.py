"""The one typed place for every setting.

Each field is read from the environment variable ``HEARTWAVE_<FIELD>``; the embedded stack keeps the same
variables in ``<home>/env``, which is read when the environment does not say otherwise.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Everything HeartWave can be told from outside, validated once."""

    model_config = SettingsConfigDict(env_prefix="HEARTWAVE_", extra="ignore", frozen=True)

    home: Path = Field(
        default=PROJECT_ROOT / ".heartwave",
        description="Directory of the embedded stack: data, logs, generated passwords.",
    )
    mitdb: Path | None = Field(
        default=None,
        description="MIT-BIH Arrhythmia Database: a directory, PhysioNet's .zip, or a .tar.xz.",
    )

    s3_endpoint_url: str | None = Field(default=None, description="S3 endpoint; empty for AWS itself.")
    s3_region: str = "us-east-1"
    s3_access_key_id: str | None = None
    s3_secret_access_key: SecretStr | None = None
    s3_timeout_s: int = Field(default=30, ge=1, description="Seconds S3 may be silent before a request is sent again.")
    recordings_bucket: str = Field(default="heartwave-recordings", description="Where recordings arrive.")
    lake_bucket: str = Field(default="heartwave-lake", description="Where beats are kept as Parquet.")
    models_bucket: str = Field(default="heartwave-models", description="MLflow's artifact store.")

    admin_database_url: SecretStr | None = Field(
        default=None, description="Superuser URL; only `heartwave init` uses it, to create roles and databases."
    )
    owner_database_url: SecretStr | None = Field(
        default=None, description="Role that owns the schema; migrations and retention use it."
    )
    database_url: SecretStr | None = Field(default=None, description="Writer role; ingest, retrain and score use it.")
    reader_database_url: SecretStr | None = Field(
        default=None, description="Analyst role, read-only; `heartwave sql` uses it."
    )

    reviewer_database_url: SecretStr | None = Field(
        default=None,
        description="Role of the page in Airflow: reads the views and notes reviews; without it, nobody reviews.",
    )

    mlflow_tracking_uri: str | None = None
    mlflow_url: str | None = Field(
        default=None, description="MLflow's address for people's browsers, where it is not the tracking URI."
    )
    model_name: str = Field(default="heartwave", description="Registered model whose champion labels beats.")

    airflow_url: str | None = Field(default=None, description="Airflow's API server, e.g. http://127.0.0.1:8080.")
    airflow_username: str | None = None
    airflow_password: SecretStr | None = None

    notify_urls: SecretStr | None = Field(
        default=None,
        description="Where alerts go: Apprise addresses, separated by spaces, such as mailto://… or slack://…; "
        "none, or empty: they are only logged.",
    )

    r_peaks: Literal["auto", "detected"] = Field(
        default="auto",
        description="R peaks: 'auto' are an expert's annotations where there are some; 'detected' never.",
    )
    shard_beats: int = Field(default=50_000, ge=1, description="Beats one mapped scoring task should hold.")
    shard_recordings: int = Field(default=24, ge=1, description="Recordings one mapped ingest task should hold.")
    max_shards: int = Field(
        default=64, ge=1, description="Most tasks a run is shared out to; beyond it they hold more, not there are more."
    )
    retention_months: int = Field(default=24, ge=1, description="Months of labels kept by maintain_storage.")

    gate_unclassifiable_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of unclassifiable beats above which a recording's labels are held."
    )
    gate_class_shares: dict[str, float] = Field(
        default={"S": 0.95, "V": 0.7, "F": 0.5},
        description="Shares of classes above which a recording's labels are held, as JSON; others may be all.",
    )
    gate_mean_confidence: float = Field(
        default=0.5, ge=0, le=1, description="Mean confidence below which a recording's labels are held."
    )
    drift_psi: float = Field(
        default=0.25,
        gt=0,
        description="Population stability index of a feature or of the class shares that raises an alert; "
        "of few recordings, what their number explains does not.",
    )
    quarantine_days: int = Field(
        default=30, ge=1, description="Days refused bytes are kept once nobody waits for their recording."
    )

    review_weight: int = Field(
        default=5, ge=1, le=1000, description="How often a beat that a person has reviewed counts in training."
    )

    pseudonymous_sources: str = Field(
        default="",
        description="Sources whose recordings are known by a keyed hash instead of their files' names; commas between.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None, description="Key of those hashes, and of receipts of what was forgotten. Keep it with the data."
    )

    max_header_bytes: int = Field(default=1 << 20, ge=1, description="Largest header file that is parsed.")
    max_leads: int = Field(default=64, ge=1, description="Most signals a recording may declare.")
    max_samples: int = Field(
        default=2_000_000_000, ge=1, description="Most samples (over all leads) a recording may declare."
    )
    max_segments: int = Field(default=10_000, ge=1, description="Most segments a recording may be made of.")
    max_object_bytes: int = Field(
        default=8 << 30, ge=1, description="Most bytes a recording's files may have, each and together."
    )
    read_memory_bytes: int = Field(
        default=4 << 30, ge=1 << 20, description="Memory that reading one recording may take, beyond the reader's own."
    )
    read_cpu_s: int = Field(default=900, ge=1, description="Seconds of processor time that reading one may take.")
    read_wall_s: int = Field(default=1_800, ge=1, description="Seconds by the clock that reading one may take.")

    @field_validator("notify_urls", mode="before")
    @classmethod
    def _nobody(cls, urls: object) -> object:
        """Read an empty value, and `none`, as nobody to notify."""
        return None if isinstance(urls, str) and urls.strip().lower() in {"", "none"} else urls

    @classmethod
    def load(cls) -> Self:
        """Read the environment, then the embedded stack's ``env`` file for what it leaves open."""
        home = Path(os.environ.get("HEARTWAVE_HOME", cls.model_fields["home"].default))
        env_file = home / "env"
        return cls(_env_file=env_file if env_file.is_file() else None)

    @property
    def pseudonymous(self) -> frozenset[str]:
        """Sources whose recordings are known by pseudonyms."""
        return frozenset(filter(None, (source.strip() for source in self.pseudonymous_sources.split(","))))

    def require_database_url(self) -> str:
        """Return the writer's database URL; raises `SettingsError` when there is none."""
        if self.database_url is None:
            msg = "HEARTWAVE_DATABASE_URL is not set; start the stack with `heartwave up`, or set it."
            raise SettingsError(msg)
        return self.database_url.get_secret_value()


class SettingsError(RuntimeError):
    """A setting that is needed is missing; the message names it and the remedy."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process-wide settings, read once."""
    return Settings.load()
