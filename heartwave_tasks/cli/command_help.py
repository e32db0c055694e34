"""How a function becomes a command: its docstring and some examples are its help."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer


def command(
    app: typer.Typer, *examples: str, name: str | None = None, panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of an app, called like it or otherwise."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        # Typer would print all paragraphs but the first with the line breaks they have in the code.
        paragraphs = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.splitlines()) for paragraph in paragraphs)
        epilog = "\n".join(["\b", "[bold]Examples[/bold]", *(f"  {escape(example)}" for example in examples)])
        return app.command(name, help=text, epilog=epilog, rich_help_panel=panel)(function)

    return register
