"""The assets HeartWave's DAGs hand on to each other."""

from __future__ import annotations

from airflow.sdk import Asset

BEATS = Asset("beats", uri="heartwave://beats")
"""Updated when recordings were cut into beats."""

CHAMPION = Asset("champion", uri="heartwave://champion")
"""Updated when a model version became champion."""

LABELS = Asset("labels", uri="heartwave://labels")
"""Updated when labels were written to the lake as Parquet."""
