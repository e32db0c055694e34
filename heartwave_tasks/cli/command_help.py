"""How a function becomes a command: its docstring and some examples are its help, and SQL is no option."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer


class _Command(TyperCommand):
    """A command that takes two dashes and a blank, with which no option begins, for what they are: a comment in SQL."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put such arguments behind the ``--`` that ends the options."""
        comments = [argument for argument in args if argument[:2] == "--" and argument[2:3].isspace()]
        others = [argument for argument in args if argument not in comments]
        parsed: list[str] = super().parse_args(ctx, [*others, "--", *comments] if comments else args)
        return parsed


def command(
    app: typer.Typer, *examples: str, name: str | None = None, panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of an app, called like it or otherwise."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        # Typer would print all paragraphs but the first with the line breaks they have in the code.
        paragraphs = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.splitlines()) for paragraph in paragraphs)
        epilog = "\n".join(["\b", "[bold]Examples[/bold]", *(f"  {escape(example)}" for example in examples)])
        return app.command(name, cls=_Command, help=text, epilog=epilog, rich_help_panel=panel)(function)

    return register
