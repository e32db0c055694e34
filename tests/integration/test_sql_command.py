"""`heartwave sql` against a real database."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.cli.app import main
from heartwave_tasks.cli.queries import COOKBOOK_HINT, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrls


@pytest.fixture
def reader(database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return the analyst's URL, which the command finds in the environment."""
    monkeypatch.setenv("HEARTWAVE_HOME", str(tmp_path))
    monkeypatch.setenv("HEARTWAVE_READER_DATABASE_URL", database.reader)
    return database.reader


def sql(*arguments: str) -> int:
    """Run `heartwave sql` and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(["sql", *arguments])
    return int(end.value.code or 0)


def test_a_query_answers(reader: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rows come out as JSON and CSV; percent signs and several statements are left as they are written."""
    assert sql("SELECT 1 AS one, '5 %' AS share, 'V'::heartwave.beat_class AS class", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"one": 1, "share": "5 %", "class": "V"}]
    file = tmp_path / "query.sql"
    file.write_text("SET LOCAL work_mem = '8MB'; SELECT count(*) AS n FROM current_recordings WHERE source LIKE '%'")
    assert sql("-f", str(file), "--format", "csv") == 0
    assert capsys.readouterr().out == "n\n0\n"
    assert read_all(reader, "SELECT 1 WHERE false") == (("?column?",), [])


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", COOKBOOK_HINT),
        ("CREATE TEMP TABLE mine (a int)", "read-only|permission denied"),
        ("CREATE TABLE public.mine (a int)", "read-only|permission denied"),
        ("DELETE FROM labels", "permission denied|does not exist|read-only"),
        ("SELECT * FROM labels", "permission denied"),
        ("SET TRANSACTION READ WRITE; INSERT INTO heartwave.recordings VALUES ('a/b')", "permission denied"),
        ("SELECT 1/0", "division by zero"),
    ],
)
def test_errors_are_one_line(reader: str, capsys: pytest.CaptureFixture[str], statement: str, told: str) -> None:
    """What PostgreSQL refuses is told in one line on standard error, exit code 1, and nothing is written."""
    assert reader
    assert sql(statement) == 1
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1
    assert re.search(told, captured.err), captured.err
    assert captured.out == ""


def test_a_lost_server_is_told(
    reader: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is not there is told in a sentence without the password."""
    url, _, path = reader.rpartition("/")
    monkeypatch.setenv("HEARTWAVE_READER_DATABASE_URL", f"{url.rpartition(':')[0]}:9/{path}")
    assert sql("SELECT 1") == 1
    told = capsys.readouterr().err
    assert "heartwave doctor" in told
    assert reader.split(":")[2].partition("@")[0] not in told
