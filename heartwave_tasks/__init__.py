"""HeartWave: everything its DAGs, command line and pages call. Imports no Airflow."""

__version__ = "0.1.0"
