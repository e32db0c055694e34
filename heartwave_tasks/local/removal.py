"""Deletes the embedded stack and its data, for ``make clean``: ``python -m heartwave_tasks.local.removal``."""

from __future__ import annotations

from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import Settings

if __name__ == "__main__":
    Stack(Settings.load()).remove(print)
