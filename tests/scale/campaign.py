"""Every recipe of the cookbook on a table of millions of labels: how long it takes, and how it reads the table.

``python -m tests.scale.campaign --rows 100000000`` (``make sql-scale ROWS=100000000``) fills a PostgreSQL of its own,
prints a table, writes every plan to ``build/sql-scale/``, and ends with code 1 when one takes longer than a second.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from rich.console import Console

from heartwave_tasks.cli.tables import new_table, print_whole
from heartwave_tasks.local.ports import choose
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess
from heartwave_tasks.stores.database import SQL_DIRECTORY, initialise_database
from heartwave_tasks.stores.predictions import PredictionStore
from tests.integration.planting import Planter
from tests.scale import estate

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S: Final = 1.0
NO_LABELS: Final = "summaries only"
_PASSWORD: Final = secrets.token_urlsafe(16)
# A small server: two cores and 8 GB of memory.
_SERVER: Final = {
    "shared_buffers": "2GB",
    "effective_cache_size": "6GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "random_page_cost": "1.1",
    "fsync": "off",  # for the filling; reading does not depend on it
}
_MORE_QUERIES: Final = {
    "(all beats of one day)": (
        "SELECT class, count(*), avg(rr_previous_s) FROM current_labels WHERE recording_id = 'ward/day00001' GROUP BY 1"
    ),
    "(one hour of it)": (
        "SELECT * FROM current_labels WHERE recording_id = 'ward/day00001' AND time_s BETWEEN 36000 AND 39600"
    ),
    "(what a night wrote, by class)": (
        "SELECT class, n_beats FROM class_drift WHERE night = (SELECT max(night) FROM class_drift)"
    ),
}


@dataclass(frozen=True)
class Measured:
    """What a query took, and how it read the labels."""

    name: str
    first_s: float
    usual_s: float
    n_rows: int
    reads: str

    @property
    def is_slow(self) -> bool:
        """Whether it usually takes longer than it may."""
        return self.usual_s > LIMIT_S


def queries() -> Iterator[tuple[str, str]]:
    """Yield name and text of every recipe, and of what people ask most."""
    for path in sorted((SQL_DIRECTORY / "cookbook").glob("*.sql")):
        yield path.stem, path.read_text(encoding="utf-8")
    yield from _MORE_QUERIES.items()


def measure(url: str, name: str, query: str, repetitions: int) -> Measured:
    """Run a query as the analyst: once as it comes, then some times more; keep its plan."""
    connection = psycopg2.connect(url)
    times = []
    with connection, connection.cursor() as cursor:
        for _ in range(repetitions + 1):
            begun = time.perf_counter()
            cursor.execute(query)
            n_rows = len(cursor.fetchall())
            times.append(time.perf_counter() - begun)
    connection.close()
    return Measured(name, times[0], median(times[1:]), n_rows, "")


def explain(owner_url: str, name: str, query: str, plans: Path) -> str:
    """Write a query's plan to a file, and say in words how it reads the labels.

    As the owner: a view's reader may not see the plans of tables they have no right to.
    """
    connection = psycopg2.connect(owner_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = heartwave")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query}")
        (plans / f"{name.strip('()').replace(' ', '_')}.txt").write_text(
            "\n".join(line for (line,) in cursor.fetchall()) + "\n", encoding="utf-8"
        )
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}")
        ((document,),) = cursor.fetchall()
    connection.close()
    return describe(document[0]["Plan"])


def describe(plan: dict[str, Any]) -> str:
    """Say by which kinds of scan a plan read partitions of labels, how many of them, and how many rows it took."""
    scans: dict[str, list[int]] = {}
    pending, pruned, pages = [plan], 0, 0
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        pruned += node.get("Subplans Removed", 0)
        if node["Node Type"] == "Function Scan":  # whose own plan PostgreSQL does not tell
            pages += node["Shared Hit Blocks"] + node["Shared Read Blocks"]
        if str(node.get("Relation Name", "")).startswith("labels_"):
            if node["Actual Loops"]:
                found = scans.setdefault(node["Node Type"], [0, 0])
                found[0] += 1
                found[1] += round(node["Actual Rows"] * node["Actual Loops"])
            else:
                pruned += 1
    if pages:
        return f"by a function, {pages:,} pages"
    if not scans:
        return NO_LABELS
    told = [f"{kind} of {n} partition{'s' * (n > 1)}, {rows:,} rows" for kind, (n, rows) in sorted(scans.items())]
    return "; ".join(told) + (f" ({pruned} not touched)" if pruned else "")


def main(arguments: list[str]) -> int:
    """Fill, measure, print; return how the process is to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="label rows, two to a heartbeat")
    parser.add_argument(
        "--without-labels", action="store_true", help="only their ledger and summaries, and the recipes that read these"
    )
    parser.add_argument("--repetitions", type=int, default=3, help="times each query runs after the first")
    parser.add_argument("--output", type=Path, default=Path("build/sql-scale"), help="where plans and figures go")
    given = parser.parse_args(arguments)
    shutil.rmtree(given.output, ignore_errors=True)
    given.output.mkdir(parents=True)
    console = Console(soft_wrap=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="heartwave-scale-") as directory:
        process = ManagedProcess(
            "postgres", Path(directory, "postgres.json"), given.output.resolve() / "postgres.log", secrets.token_hex(8)
        )
        server = PostgresServer(process, Path(directory, "server"), choose({"postgres": None})["postgres"], _PASSWORD)
        try:
            server.start(os.environ, *(word for name, value in _SERVER.items() for word in ("-c", f"{name}={value}")))
            return _run(server, given, console)
        finally:
            server.stop()
            server.remove()


def _run(server: PostgresServer, given: argparse.Namespace, console: Console) -> int:
    roles = ("heartwave_owner", "heartwave_writer", "heartwave_reader", "heartwave_reviewer")
    owner, writer, reader, reviewer = (server.url(role, _PASSWORD, "heartwave") for role in roles)
    initialise_database(server.url(), owner, writer, reader, reviewer)
    pieces = estate.plan(given.rows)
    begun = time.perf_counter()
    with PredictionStore(writer) as store:
        _fill(store, owner, pieces, console, with_labels=not given.without_labels)
        filled_s = time.perf_counter() - begun
        _statement(server.url(database="heartwave"), "VACUUM (ANALYZE)")
        (n_labels, n_bytes, n_partitions) = _one(
            server.url(database="heartwave"),
            "SELECT (SELECT sum(n_labels) FROM heartwave.scorings WHERE labels_dropped_at IS NULL), "
            "sum(pg_total_relation_size(inhrelid))::bigint, count(*) "
            "FROM pg_inherits WHERE inhparent = 'heartwave.labels'::regclass",
        )
        console.print(
            f"{'Ledger and summaries of ' if given.without_labels else ''}{n_labels:,} labels of {len(pieces):,} "
            f"recordings in {n_partitions} partitions, labels {n_bytes / 1e9:.1f} GB, "
            f"filled in {filled_s:.0f} s."
        )
        measured = []
        for name, query in queries():
            found = measure(reader, name, query, given.repetitions)
            reads = explain(owner, name, query, given.output)
            if given.without_labels and reads != NO_LABELS:
                continue
            measured.append(Measured(**{**vars(found), "reads": reads}))
            console.print(f"{name}: {measured[-1].usual_s * 1e3:,.0f} ms")
        loading_s = _load_one_more(store)
    dropping_s = _drop_a_month(owner)
    _print(console, measured)
    console.print(
        f"{estate.DAY_BEATS:,} more labels, with key, indexes and summaries: {loading_s:.2f} s. "
        f"The oldest month dropped in {dropping_s * 1e3:.0f} ms."
    )
    figures = {
        "n_labels": int(n_labels),
        "n_recordings": len(pieces),
        "bytes": int(n_bytes),
        "server": _SERVER,
        "queries": [vars(found) for found in measured],
        "load_100k_s": loading_s,
        "drop_month_s": dropping_s,
    }
    (given.output / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    slow = [found.name for found in measured if found.is_slow]
    if slow:
        console.print(f"[red]Longer than {LIMIT_S:g} s: {', '.join(slow)}.[/red]")
    return int(bool(slow))


def _fill(
    store: PredictionStore, owner: str, pieces: list[estate.Piece], console: Console, *, with_labels: bool
) -> None:
    told = time.monotonic()
    for n_rows in estate.fill(store, owner, pieces, with_labels=with_labels):
        if time.monotonic() - told > 10:
            told = time.monotonic()
            console.print(f"{n_rows:,} labels")


def _load_one_more(store: PredictionStore) -> float:
    """Seconds that one more recording of a day takes, as scoring writes it."""
    plant = Planter(store)
    revision_id = plant.recording("ward/late", estate.DAY_BEATS)
    model_version_id = plant.model(2)
    batch = estate.labels(estate.DAY_BEATS, 99, other=True)
    store.ensure_partition(datetime.now(UTC).date())
    begun = time.perf_counter()
    plant.score(revision_id, model_version_id, batch)
    return time.perf_counter() - begun


def _drop_a_month(owner: str) -> float:
    """Seconds that dropping the oldest month takes."""
    (oldest,) = _one(
        owner, "SELECT min(night) + interval '1 month' FROM heartwave.scorings WHERE labels_dropped_at IS NULL"
    )
    begun = time.perf_counter()
    (dropped,) = _one(owner, "SELECT heartwave.drop_label_partitions_before(%s::date)", (oldest,))
    assert len(dropped) == 1
    return time.perf_counter() - begun


def _print(console: Console, measured: list[Measured]) -> None:
    table = new_table()
    for title, side in (
        ("query", "left"),
        ("first, ms", "right"),
        ("usually, ms", "right"),
        ("rows", "right"),
        ("reads of labels", "left"),
    ):
        table.add_column(title, justify=side)
    for found in measured:
        style = "red" if found.is_slow else None
        table.add_row(
            found.name,
            f"{found.first_s * 1e3:,.0f}",
            f"{found.usual_s * 1e3:,.0f}",
            f"{found.n_rows:,}",
            found.reads,
            style=style,
        )
    print_whole(console, table)


def _statement(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def _one(url: str, query: str, parameters: object = None) -> tuple[Any, ...]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        row: tuple[Any, ...] = cursor.fetchone() or ()
    connection.close()
    return row


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
