"""Model files: what a stored model has to hold before any of it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ModelFileError(ValueError):
    """A model's files do not fit this version of HeartWave; the message says which and why."""


def read_card(
    files: Mapping[str, bytes], card_file: str, needed: Iterable[str], expected: Mapping[str, object]
) -> dict[str, Any]:
    """Read a model's JSON card, after checking that all `needed` files are there and the card says what is expected.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained for other inputs than this version computes.
    """
    missing = sorted({card_file, *needed} - set(files))
    if missing:
        msg = f"The model lacks {', '.join(missing)}; register it again."
        raise ModelFileError(msg)
    card: dict[str, Any] = json.loads(files[card_file])
    for name, value in expected.items():
        if card.get(name) != value:
            msg = f"The model's {name} is not that of this version of HeartWave; retrain it."
            raise ModelFileError(msg)
    return card


def write_card(card: Mapping[str, object]) -> bytes:
    """Write a card as JSON, always the same for the same content."""
    return json.dumps(card, indent=1, sort_keys=True).encode()
