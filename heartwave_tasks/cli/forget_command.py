"""`heartwave forget`: a recording deleted on request."""

from __future__ import annotations

from typing import Annotated

import typer


def forget(
    recording: Annotated[str, typer.Argument(help="As source/record, by name or by pseudonym.", show_default=False)],
    *,
    requested_by: Annotated[
        str | None, typer.Option("--for", metavar="WHO", help="Who asked for it, for the receipt; else your user name.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a recording from every store, for good: files, beats, labels, reviews, reports; print the receipt.

    Models that were trained on it stay, and the receipt lists them. Done again it completes what died half-way, or
    shows the receipt. Needs HEARTWAVE_OWNER_DATABASE_URL and HEARTWAVE_PSEUDONYM_KEY.
    """
    from heartwave_tasks.cli import forgetting  # noqa: PLC0415

    forgetting.forget(recording, requested_by, yes=yes)
