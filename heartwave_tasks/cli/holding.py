"""`heartwave held`: what is kept from the analysts because it looks implausible, and letting it go."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from heartwave_tasks.cli.errors import CommandError, need
from heartwave_tasks.cli.names import HeldAction
from heartwave_tasks.cli.tables import new_table, print_whole
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.predictions import PredictionStore

if TYPE_CHECKING:
    from collections.abc import Sequence


def hold(action: HeldAction, numbers: Sequence[int]) -> None:
    """List what is held, or release some of it.

    Raises `CommandError` when a number is not held, and releases nothing then.
    """
    (url,) = need(Settings.load(), "database_url")
    console = Console(soft_wrap=False)
    with PredictionStore(url) as store:
        held = store.held_scorings()
        if action is HeldAction.LIST:
            table = new_table()
            for title in ("number", "recording", "model", "labels", "since", "reasons"):
                table.add_column(title, overflow="fold")
            for row in held:
                model = f"{row.model_name} {row.model_version}"
                since = row.held_at.isoformat(sep=" ", timespec="minutes")
                cells = (row.held_id, row.recording_id, model, row.n_labels, since, " ".join(row.reasons))
                table.add_row(*(Text(str(cell)) for cell in cells))
            print_whole(console, table)
            console.print(f"{len(held)} held", highlight=False)
            return
        if not numbers:
            raise CommandError("Say which: heartwave held release 7. `heartwave held list` shows the numbers.")
        unknown = sorted(set(numbers) - {row.held_id for row in held})
        if unknown:
            raise CommandError(
                f"Not held: {', '.join(map(str, unknown))}. Nothing was released; `heartwave held list` shows what is."
            )
        released = store.release(numbers, getpass.getuser())
    console.print(f"{released} released; current_labels shows them now.", highlight=False)
