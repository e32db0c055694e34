"""What jobs log, as lines on standard error: for commands that run a job here and now."""

from __future__ import annotations

import logging
import sys


def tell_progress() -> None:
    """Show what jobs say of their progress, and nothing of other packages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("heartwave_tasks")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
