"""Tables as the command prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

_WIDEST: Final = 10_000


def new_table() -> Table:
    """Return a table without lines, which also a narrow terminal has room for."""
    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def print_whole(console: Console, table: Table) -> None:
    """Print a table, folded to the terminal; a file or a pipe has no width to fold to."""
    if not console.is_terminal:
        wanted = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
        console.width = max(console.width, wanted)
    console.print(table)
