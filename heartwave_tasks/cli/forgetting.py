"""What `heartwave forget` does: ask, delete, show the receipt."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.jobs.forget import forget as delete
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from heartwave_tasks.stores.forgotten_tables import Forgotten


def forget(recording: str, requested_by: str | None, *, yes: bool) -> None:
    """Delete a recording from all stores and print its receipts."""
    if not yes:
        typer.confirm(f"Delete {recording} from every store, for good?", abort=True)
    receipts = delete(Settings.load(), recording, requested_by or getpass.getuser())
    if not receipts:
        raise CommandError(f"There is no recording {recording!r}, and none of that name was ever forgotten.")
    console = Console(soft_wrap=True)
    for receipt in receipts:
        for line in describe(receipt):
            console.print(line, highlight=False, markup=False)


def describe(receipt: Forgotten) -> list[str]:
    """Say in a few lines what a receipt says."""
    lines = [f"Forgotten {receipt.forgotten_at:%Y-%m-%d %H:%M %Z}, asked for by {receipt.requested_by}."]
    for what, counts in (("Objects", receipt.objects), ("Rows", receipt.rows)):
        told = ", ".join(f"{n} in {place}" for place, n in counts.items() if n) or "none"
        lines.append(f"  {what} deleted: {told}.")
    return lines + [
        f"  {model['model']} version {model['version']} was trained on it and stays; retrain to be rid of its trace."
        for model in receipt.trained
    ]
