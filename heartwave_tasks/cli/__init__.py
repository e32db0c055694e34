"""The `heartwave` command. Nothing heavier than typer and rich is imported before a command needs it."""

from __future__ import annotations

from heartwave_tasks.cli.app import main

__all__ = ["main"]
