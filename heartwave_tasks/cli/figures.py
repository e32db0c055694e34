"""Figures as tables and JSON show them: shares in percent, or as fractions of 1; nothing where undefined."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.text import Text

from heartwave_tasks.cli.tables import new_table, print_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from heartwave_tasks.models.intervals import Interval

_WORDS: Final = frozenset({"protocol", "class", "figures", "figure", "S of", "R peaks of", "recording"})
"""Columns that hold words; the others hold numbers."""


def print_figures(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, words to the left and numbers to the right."""
    table = new_table()
    for name in columns:
        table.add_column(Text(name), justify="left" if name in _WORDS else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    console.print()
    print_whole(console, table)


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent."""
    return "-" if math.isnan(share) else f"{100 * share:.{digits}f}"


def points(difference: float, digits: int = 1) -> str:
    """Write a difference of shares in points of percent, with its sign."""
    return "-" if math.isnan(difference) else f"{100 * difference:+.{digits}f}"


def with_interval(share: float, interval: Interval, digits: int = 1) -> str:
    """Write a share in percent, with its interval if it has one."""
    if math.isnan(interval.low) or math.isnan(share):
        return percent(share, digits)
    return f"{percent(share, digits)} ({percent(interval.low)} to {percent(interval.high)})"


def number(value: float) -> float | None:
    """Return what JSON can hold."""
    return None if math.isnan(value) else value


def bounds(interval: Interval) -> list[float] | None:
    """Return an interval as JSON can hold it."""
    return None if math.isnan(interval.low) else [interval.low, interval.high]
