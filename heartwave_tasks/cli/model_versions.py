"""`heartwave models`, `promote` and `rollback`: which versions there are, and which one labels tonight."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from heartwave_tasks.cli.errors import CommandError, need
from heartwave_tasks.cli.names import OutputFormat
from heartwave_tasks.cli.queries import Rows, print_table, write_csv, write_json
from heartwave_tasks.jobs import promotion, versions
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from heartwave_tasks.jobs.promotion import Promotion
    from heartwave_tasks.jobs.versions import VersionSummary

_COLUMNS = (
    "version",
    "aliases",
    "architecture",
    "accuracy",
    "nsv_mean_f1",
    "s_sensitivity",
    "s_positive_predictivity",
    "v_sensitivity",
    "v_positive_predictivity",
    "j_kappa",
    "ece",
    "n_training_beats",
    "registered_at",
    "mlflow_run_id",
)


def show(output: OutputFormat) -> None:
    """Print all versions with their aliases and figures on patients not seen."""
    found = versions.list_versions(_settings())
    rows = Rows(_COLUMNS, iter([[_row(summary) for summary in found]]))
    if output is OutputFormat.TABLE:
        print_table(rows, Console(soft_wrap=False))
    elif output is OutputFormat.CSV:
        write_csv(rows, sys.stdout)
    else:
        write_json(rows, sys.stdout)


def promote(version: int, reason: str) -> None:
    """Make a version champion, whatever the gate says, and print what it would have said."""
    _told(promotion.promote_version(_settings(), version, by=_who(), reason=_because(reason)))


def rollback(reason: str) -> None:
    """Bring back the champion before the present one."""
    _told(promotion.rollback(_settings(), by=_who(), reason=_because(reason)))


def _row(summary: VersionSummary) -> tuple[object, ...]:
    model, evaluation = summary.model, summary.evaluation
    by_class = {figures.beat_class: figures for figures in evaluation.classes} if evaluation else {}
    shares = [
        *((evaluation.accuracy, evaluation.nsv_mean_f1) if evaluation else (None, None)),
        *(
            share
            for figures in (by_class.get("S"), by_class.get("V"))
            for share in ((figures.sensitivity, figures.positive_predictivity) if figures else (None, None))
        ),
        *((evaluation.j_kappa, evaluation.ece) if evaluation else (None, None)),
    ]
    return (
        model.version,
        " ".join(summary.aliases),
        model.architecture,
        *(None if share is None else round(share, 4) for share in shares),
        model.n_training_beats,
        model.registered_at,
        model.mlflow_run_id,
    )


def _told(done: Promotion) -> None:
    console = Console(soft_wrap=True)
    for reason in done.reasons:
        console.print(reason, highlight=False, markup=False)
    if done.promoted:
        console.print(
            f"Version {done.version} is champion. `heartwave run score` labels every recording by it; "
            "tonight's run does so, too.",
            highlight=False,
            markup=False,
        )


def _settings() -> Settings:
    settings = Settings.load()
    need(settings, "database_url", "mlflow_tracking_uri")
    return settings


def _who() -> str:
    return f"{getpass.getuser()} (heartwave command)"


def _because(reason: str) -> str:
    if not reason.strip():
        raise CommandError("--reason is empty. Say why in a sentence: it is kept with the version.")
    return reason.strip()
