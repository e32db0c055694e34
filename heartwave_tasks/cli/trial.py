"""`heartwave notify`: a trial alert, to see whether and where alerts arrive."""

from __future__ import annotations

import logging

import typer
from rich.console import Console

from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores import notices


def send(sentence: str) -> None:
    """Send it; exits with 1 if not every address took it.

    Raises
    ------
    CommandError
        If there is no address.
    """
    settings = Settings.load()
    if settings.notify_urls is None:
        raise CommandError(
            "HEARTWAVE_NOTIFY_URLS is not set; give it Apprise addresses, such as mailto://user:pass@host."
        )
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    console = Console(stderr=True)
    if not notices.send(settings, "HeartWave: a trial", sentence):
        console.print("Not every address took it; the lines above say why.")
        raise typer.Exit(1)
    console.print("Every address took it.")
