"""Counts agree at every station, or the run fails: loudly, but not before the other recordings are done."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.failures import is_permanent

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_MOST_TOLD: Final = 10


class UnreconciledError(RuntimeError):
    """Some recordings contradict what is known of them; nothing of them was written, everything of the others."""


class Contradictions:
    """Sets recordings aside that cannot be processed, so that one of them does not stop the night of all others."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @contextmanager
    def of(self, recording_id: str) -> Iterator[None]:
        """Set the recording aside if the block fails in a way that trying again cannot cure; others are raised."""
        try:
            yield
        except Exception as error:
            if not is_permanent(error):
                raise
            told = str(error) or type(error).__name__
            told = told if told.startswith(recording_id) else f"{recording_id}: {told}"
            logger.exception("Set aside: %s", told)
            self._told.append(told)

    def raise_if_any(self, *, of: int) -> None:
        """Say which recordings were set aside, and why.

        Raises
        ------
        UnreconciledError
            If any was.
        """
        if self._told:
            left = len(self._told) - _MOST_TOLD
            told = [*self._told[:_MOST_TOLD], *([f"and {left} more, in the log."] if left > 0 else [])]
            raise UnreconciledError(
                f"{len(self._told)} of {of} recordings were set aside; nothing of them was written. " + " ".join(told)
            )
