"""`heartwave quarantine`: recordings that were refused, and what to do about them."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from heartwave_tasks.cli.command_help import command

app = typer.Typer(
    name="quarantine",
    help="Recordings that were refused: list, show, retry, discard.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_Numbers = Annotated[
    list[int] | None, typer.Argument(help="Numbers that `heartwave quarantine list` shows.", show_default=False)
]
_Source = Annotated[str | None, typer.Option("--source", "-s", help="Only recordings of this source.")]
_All = Annotated[bool, typer.Option("--all", help="All that wait, of --source if given.")]


@command(app, "heartwave quarantine list", "heartwave quarantine list --source ward3", name="list")
def list_waiting(*, source: _Source = None) -> None:
    """Show the recordings that wait, with their number, the reason, and how often they were tried."""
    from heartwave_tasks.cli import quarantining  # noqa: PLC0415

    quarantining.list_waiting(source)


@command(app, "heartwave quarantine show 7", "heartwave quarantine show 7 --save refused/")
def show(
    number: Annotated[int, typer.Argument(help="Number that `heartwave quarantine list` shows.", show_default=False)],
    *,
    save: Annotated[Path | None, typer.Option("--save", help="Write the refused files to this directory.")] = None,
) -> None:
    """Show what is wrong with one recording, what to do about it, and which of its files are kept."""
    from heartwave_tasks.cli import quarantining  # noqa: PLC0415

    quarantining.show(number, save)


@command(app, "heartwave quarantine retry 7 8", "heartwave quarantine retry --all --source ward3")
def retry(numbers: _Numbers = None, *, every: _All = False, source: _Source = None) -> None:
    """Let the next run of ingest look at recordings again, though nothing of them has changed.

    Needed after a limit was raised or HeartWave was updated. A recording of which something new arrives is looked at
    without it.
    """
    from heartwave_tasks.cli import quarantining  # noqa: PLC0415

    quarantining.retry(numbers, source, every=every)


@command(app, "heartwave quarantine discard 7", "heartwave quarantine discard --all --source test --yes")
def discard(
    numbers: _Numbers = None,
    *,
    every: _All = False,
    source: _Source = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give recordings up: they wait no longer, and the bytes kept of them are deleted.

    What arrived stays where it is in the bucket, and is not looked at again until something else comes under its name.
    """
    from heartwave_tasks.cli import quarantining  # noqa: PLC0415

    quarantining.discard(numbers, source, every=every, yes=yes)
