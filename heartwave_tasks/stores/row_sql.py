"""Between frozen rows and SQL: column values, placeholders, inserts and fetches, each in one place."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from psycopg2.extras import execute_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

Row = TypeVar("Row")

# Longest text from a bad recording that is stored: an error message can quote a whole header.
_MAX_TEXT = 2_000


def values(row: Any) -> dict[str, Any]:
    """Return a row's columns as psycopg2 takes them: plain numbers, None for NaN, ``class`` for ``beat_class``."""
    columns = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            value = None
        if isinstance(value, tuple):
            value = list(value)
        columns["class" if field.name == "beat_class" else field.name] = value
    return columns


def placeholders(columns: Iterable[str]) -> str:
    """Return one named placeholder per column."""
    return ", ".join(f"%({name})s" for name in columns)


def insert(cursor: Cursor, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        execute_values(
            cursor,
            f"INSERT INTO heartwave.{table} ({', '.join(rows[0])}) VALUES %s",
            rows,
            template=f"({placeholders(rows[0])})",
            page_size=1_000,
        )


def fetch(cursor: Cursor, row: type[Row], **more: object) -> list[Row]:
    """Return the result as rows of a dataclass whose fields are named like the columns."""
    names = [column.name for column in cursor.description or ()]
    return [row(**dict(zip(names, found, strict=True)), **more) for found in cursor.fetchall()]


def storable(text: str) -> str:
    """Make any text from a bad recording fit for PostgreSQL: no NUL, no lone surrogates, not endless."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")[:_MAX_TEXT]
