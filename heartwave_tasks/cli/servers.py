"""`heartwave up`, `down` and `status`: the embedded servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from heartwave_tasks.cli.tables import new_table, print_whole
from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from heartwave_tasks.local.stack import ComponentStatus

RUNNING: Final = frozenset({"running"})
_STYLES: Final = {"running": "green", "stopped": "dim"}


def start() -> None:
    """Start the embedded servers and say where they are."""
    console = Console(soft_wrap=True)
    stack = Stack(Settings.load())
    stack.up(lambda line: console.print(line, highlight=False, markup=False))
    print_addresses(stack, console)


def stop() -> None:
    """Stop the embedded servers."""
    console = Console(soft_wrap=True)
    Stack(Settings.load()).down(lambda line: console.print(line, highlight=False, markup=False))


def show() -> None:
    """Print each server's state; exit code 1 unless all run."""
    console = Console()
    components = Stack(Settings.load()).status()
    print_whole(console, _table(components))
    if any(component.state not in RUNNING for component in components):
        console.print("Start what is not running with `heartwave up`.", highlight=False)
        raise typer.Exit(1)


def print_addresses(stack: Stack, console: Console) -> None:
    """Say where the user interfaces are and where the passwords."""
    for component in stack.status():
        if component.url and component.url.startswith("http"):
            console.print(f"  {component.name:<18} {component.url}", highlight=False, markup=False)
    console.print(f"  {'passwords':<18} {stack.credentials_file}", highlight=False, markup=False)


def _table(components: Sequence[ComponentStatus]) -> Table:
    table = new_table()
    for name in ("server", "state", "pid", "port", "memory", "address"):
        table.add_column(name, justify="right" if name in {"pid", "port", "memory"} else "left", overflow="fold")
    for component in components:
        table.add_row(
            component.name,
            f"[{_STYLES.get(component.state, 'red')}]{component.state}[/]",
            str(component.pid or ""),
            str(component.port or ""),
            f"{component.memory_bytes / 1e6:.0f} MB" if component.memory_bytes else "",
            component.url or "",
        )
    return table
