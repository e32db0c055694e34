"""`heartwave sql`: what the analyst's role may read, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Final

import psycopg2
from psycopg2 import errors, extensions, extras
from rich.console import Console
from rich.text import Text

from heartwave_tasks.cli.errors import CommandError, need
from heartwave_tasks.cli.names import OutputFormat
from heartwave_tasks.cli.tables import new_table, print_whole
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COOKBOOK_HINT: Final = "The views are listed in sql/README.md"
_BATCH: Final = 5_000
_MOST_TABLE_ROWS: Final = 1_000
_RIGHT_ALIGNED: Final = (int, float, Decimal)


@dataclass(frozen=True)
class Rows:
    """The columns of an answer, and its rows in batches as they come."""

    columns: tuple[str, ...]
    batches: Iterator[list[tuple[Any, ...]]]

    def fetch(self) -> list[tuple[Any, ...]]:
        """Return all the rows at once."""
        return [row for batch in self.batches for row in batch]


def query(text: str | None, file: Path | None, output: OutputFormat) -> None:
    """Execute SQL given as text or in a file and print its rows."""
    if (text is None) == (file is None):
        raise CommandError('Give one query: heartwave sql "SELECT …", or heartwave sql -f FILE.')
    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    (url,) = need(Settings.load(), "reader_database_url")
    with execute(url, text or "") as rows:
        if rows is None:
            return
        if output is OutputFormat.TABLE:
            print_table(rows, Console(soft_wrap=False))
        elif output is OutputFormat.CSV:
            write_csv(rows, sys.stdout)
        else:
            write_json(rows, sys.stdout)


@contextmanager
def execute(url: str, text: str, parameters: Sequence[object] | None = None) -> Iterator[Rows | None]:
    """Execute SQL in a read-only transaction; None where it answers no rows.

    Raises `CommandError` with PostgreSQL's own words in one line.
    """
    # Lets the user interrupt a long query; libpq itself would not listen.
    extensions.set_wait_callback(extras.wait_select)
    try:
        with closing(psycopg2.connect(url, application_name="heartwave sql", connect_timeout=10)) as connection:
            connection.set_session(readonly=True)
            with connection.cursor() as cursor:
                try:
                    cursor.execute(text, parameters)
                    if cursor.description is None:
                        yield None
                        return
                    columns = tuple(column.name for column in cursor.description)
                    yield Rows(columns, iter(lambda: cursor.fetchmany(_BATCH), []))
                except psycopg2.Error as error:
                    raise CommandError(explain_statement(error)) from error
    finally:
        extensions.set_wait_callback(None)  # it holds for the whole process, and COPY cannot be used with it


def explain_statement(error: psycopg2.Error) -> str:
    """Say in one line why PostgreSQL refused a statement."""
    primary = error.diag.message_primary or (str(error).strip().splitlines() or [type(error).__name__])[0]
    told = f"PostgreSQL: {primary}"
    if error.diag.statement_position:
        told += f" (at character {error.diag.statement_position})"
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege):
        return f"{told}. `heartwave sql` is the analyst's role: it reads views and changes nothing."
    if error.diag.message_hint:
        told += f". {error.diag.message_hint.rstrip('.')}"
    if isinstance(error, errors.UndefinedTable):
        told += f". {COOKBOOK_HINT}"
    return f"{told}."


def print_table(rows: Rows, console: Console, most: int = _MOST_TABLE_ROWS) -> None:
    """Print rows as a table, at most so many of them, and how many there are."""
    found = rows.fetch()
    table = new_table()
    for index, name in enumerate(rows.columns):
        values = [row[index] for row in found[:most] if row[index] is not None]
        numeric = bool(values) and all(isinstance(value, _RIGHT_ALIGNED) for value in values)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in found[:most]:
        table.add_row(*(Text(as_text(value)) for value in row))
    print_whole(console, table)
    told = "1 row" if len(found) == 1 else f"{len(found)} rows"
    console.print(f"{told}, {most} shown" if len(found) > most else told, highlight=False)


def write_csv(rows: Rows, file: IO[str]) -> None:
    """Write rows as CSV (RFC 4180 but for its line ends) with a header; null is an empty field."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.columns)
    for batch in rows.batches:
        writer.writerows([[None if value is None else as_text(value) for value in row] for row in batch])


def write_json(rows: Rows, file: IO[str]) -> None:
    """Write rows as a JSON array of objects, one per line."""
    separator = "[\n"
    for batch in rows.batches:
        for row in batch:
            values = dict(zip(rows.columns, row, strict=True))
            file.write(f"{separator}{json.dumps(values, default=_as_json, ensure_ascii=False)}")
            separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def as_text(value: object) -> str:
    """Write a value for people and CSV: null empty, booleans true and false, arrays and objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | dict):
        return json.dumps(value, default=_as_json, ensure_ascii=False)
    return str(value)


def read_all(url: str, text: str) -> tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]:
    """Execute SQL that answers rows, and return columns and rows."""
    with execute(url, text) as rows:
        if rows is None:
            return (), ()
        return rows.columns, rows.fetch()


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
