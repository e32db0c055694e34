"""The command line, as far as it needs no server."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from heartwave_tasks import __version__
from heartwave_tasks.airflow_api import AirflowClient, AirflowError, TaskInstance, find_error
from heartwave_tasks.cli import app as command_line
from heartwave_tasks.cli import reference
from heartwave_tasks.cli.errors import CommandError, explain, need
from heartwave_tasks.cli.evaluating import split_name
from heartwave_tasks.cli.names import JobName
from heartwave_tasks.cli.queries import Rows, as_text, print_table, write_csv, write_json
from heartwave_tasks.cli.running import parse_params, summarise
from heartwave_tasks.cli.uploading import describe
from heartwave_tasks.settings import PROJECT_ROOT, Settings
from heartwave_tasks.stores.upload import UploadSummary

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("airflow", "mlflow", "xgboost", "tensorflow", "sklearn", "pandas", "numpy", "wfdb", "boto3", "psycopg2")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point HeartWave at an empty directory, so that no test speaks to a stack that happens to run."""
    monkeypatch.setenv("HEARTWAVE_HOME", str(tmp_path / "home"))
    for name in ("DATABASE_URL", "READER_DATABASE_URL", "AIRFLOW_URL", "S3_ENDPOINT_URL", "MITDB"):
        monkeypatch.delenv(f"HEARTWAVE_{name}", raising=False)


def run(*arguments: str) -> int:
    """Run the command line as the script does, and return its exit code."""
    with pytest.raises(SystemExit) as end:
        command_line.main(arguments)
    return int(end.value.code or 0)


def test_the_reference_shows_the_help_of_every_command() -> None:
    """docs/cli.md is what --help prints today; `python -m heartwave_tasks.cli.reference docs/cli.md` renews it."""
    page = (PROJECT_ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference.render()


def test_every_command_and_option_is_explained() -> None:
    """No command goes without help and example, no option without help."""
    import typer.core
    import typer.main

    commands: dict[str, Any] = dict(typer.main.get_command(command_line.app).commands)  # type: ignore[attr-defined]
    for name, group in list(commands.items()):
        if isinstance(group, typer.core.TyperGroup):
            del commands[name]
            commands |= {f"{name} {own}": command for own, command in group.commands.items()}
    for name, command in commands.items():
        assert command.help, name
        assert f"heartwave {name}" in command.epilog, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def test_help_imports_nothing_heavy() -> None:
    """Asking for help loads none of the packages that take seconds."""
    code = (
        "import sys\nfrom heartwave_tasks.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stderr.strip() == "[]"


def test_version() -> None:
    """--version prints the version and nothing else."""
    result = CliRunner().invoke(command_line.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"heartwave {__version__}\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "nonsense"], ["upload"], ["upload", "x"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    """What typer cannot parse is wrong usage."""
    assert run(*arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sql", "SELECT 1"], "HEARTWAVE_READER_DATABASE_URL is not set"),
        (["sql", "-- of all\nSELECT 1", "--format", "csv"], "HEARTWAVE_READER_DATABASE_URL is not set"),
        (["sql"], "Give one query"),
        (["sql", "SELECT 1", "-f", "x.sql"], "Give one query"),
        (["run", "ingest"], "heartwave up"),
        (["quarantine", "list"], "HEARTWAVE_DATABASE_URL is not set"),
        (["forget", "ward3/r17", "--yes"], "HEARTWAVE_OWNER_DATABASE_URL is not set"),
        (["evaluate", "--peaks", "detected"], "HEARTWAVE_DATABASE_URL and HEARTWAVE_MLFLOW_TRACKING_URI are not set"),
        (["run", "ingest", "--param", "seed"], "NAME=VALUE"),
        (["upload", "nowhere.zip", "--source", "mitdb"], "nowhere.zip does not exist"),
        (["upload", ".", "--source", "../mitdb"], "cannot name a source"),
        (["init"], "HEARTWAVE_OWNER_DATABASE_URL and HEARTWAVE_DATABASE_URL and HEARTWAVE_READER_DATABASE_URL are not"),
    ],
)
def test_expected_errors_are_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error a person can mend goes to standard error with its remedy, without a traceback, exit code 1."""
    assert run(*arguments) == 1
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.startswith("Error: ")
    assert "Traceback" not in captured.err
    assert "Unexpected" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("given", "name", "version"),
    [
        ("@champion", "heartwave", "champion"),
        ("heartwave", "heartwave", ""),
        ("3", "heartwave", "3"),
        ("challenger", "heartwave", "challenger"),
        ("other@3", "other", "3"),
    ],
)
def test_a_version_alone_is_one_of_the_usual_model(given: str, name: str, version: str) -> None:
    """A number or alias without a model's name is never taken for a name, whose champion would be shown instead."""
    assert split_name(given, "heartwave") == (name, version)


def test_debug_shows_the_traceback() -> None:
    """With --debug, wherever it stands, the error itself comes out."""
    with pytest.raises(CommandError):
        command_line.main(["sql", "--debug"])


def test_an_unreachable_airflow_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection says where it went and how to start Airflow."""
    monkeypatch.setattr("heartwave_tasks.airflow_api._RETRIED_AFTER_S", ())
    monkeypatch.setenv("HEARTWAVE_AIRFLOW_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HEARTWAVE_AIRFLOW_USERNAME", "admin")
    monkeypatch.setenv("HEARTWAVE_AIRFLOW_PASSWORD", "secret")
    assert run("run", "score") == 1
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9 cannot be reached" in told
    assert "heartwave up" in told
    with pytest.raises(AirflowError), AirflowClient.from_settings(Settings()) as client:
        client.health()


def test_settings_that_are_not_valid_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the wrong kind is named as the variable people set, without its value."""
    monkeypatch.setenv("HEARTWAVE_SHARD_BEATS", "many-secrets")
    with pytest.raises(ValueError, match="shard_beats") as fault:
        Settings.load()
    told = str(explain(fault.value))
    assert "HEARTWAVE_SHARD_BEATS" in told
    assert "many-secrets" not in told


def test_needed_settings_are_given_in_order() -> None:
    """Secrets come out as plain text, in the order they were asked for."""
    settings = Settings(reader_database_url="postgresql://r:s@h/d", airflow_url="http://a")  # type: ignore[arg-type]
    assert need(settings, "airflow_url", "reader_database_url") == ("http://a", "postgresql://r:s@h/d")


def test_params_are_json_where_they_can_be() -> None:
    """Numbers, lists and booleans are read as such, everything else is text; later ones win."""
    given = ["seed=7", 'sources=["mitdb"]', "dry=true", "name=a=b", "empty=", "date=2026-11-24", "seed=8"]
    expected = {"seed": 8, "sources": ["mitdb"], "dry": True, "name": "a=b", "empty": "", "date": "2026-11-24"}
    assert parse_params(given) == expected


@pytest.mark.parametrize("param", ["seed", "=7", " =7", ""])
def test_params_without_a_name_are_refused(param: str) -> None:
    """A param without name or equals sign is told how to be written."""
    with pytest.raises(CommandError, match="--param seed=7"):
        parse_params([param])


def test_every_job_has_a_dag() -> None:
    """Each job that can be run is a DAG file of its DAG's name."""
    for job in JobName:
        assert (PROJECT_ROOT / "dags" / f"{job.dag_id}.py").is_file(), job


def instance(task_id: str, state: str | None, map_index: int = -1, label: str = "") -> TaskInstance:
    """Return a task of some run."""
    return TaskInstance("dag", "run", task_id, map_index, state, 1, None, label)


def test_progress_counts_mapped_tasks() -> None:
    """A mapped task shows how many of its instances are done, and the state that says most."""
    tasks = [
        instance("plan", "success"),
        *(instance("segment", state, number) for number, state in enumerate(["success", "running", None, "failed"])),
        instance("publish", None),
        *(instance("train", state, number) for number, state in enumerate(["success", None])),
    ]
    assert [(task.task_id, task.text) for task in summarise(tasks)] == [
        ("plan", "success"),
        ("segment", "failed 2/4"),
        ("publish", "waiting"),
        ("train", "running 1/2"),
    ]


def test_tasks_are_named_by_their_label() -> None:
    """A mapped task is named by what Airflow shows for it, else by its number."""
    named = [instance("a", None).name, instance("a", None, 3).name, instance("a", None, 3, "shard 4 of 9").name]
    assert named == ["a", "a[3]", "a[shard 4 of 9]"]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([], "its log is empty"),
        (["first", "second"], "first\nsecond"),
        ([{"event": "fine", "level": "info"}, {"event": "no such bucket", "level": "error"}], "no such bucket"),
        ([json.dumps({"event": "bad", "level": "error"}), "{broken"], "bad"),
        (
            [
                {"event": "an old one", "level": "error", "error_detail": [{"exc_type": "A", "exc_value": "old"}]},
                {
                    "event": "Task failed with exception",
                    "level": "error",
                    "error_detail": [
                        {"exc_type": "SplitError", "exc_value": "too few"},
                        {"exc_type": "KeyError", "exc_value": "1"},
                    ],
                },
                {"event": "Task instance in failure state", "level": "error"},
            ],
            "SplitError: too few",
        ),
    ],
)
def test_the_error_of_a_log(log: list[Any], expected: str) -> None:
    """The last exception is the error; without one, the lines at level error; without those, the end."""
    assert find_error(log) == expected


def rows() -> Rows:
    """Return rows with every kind of value PostgreSQL gives us."""
    when = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    columns = ("recording_id", "n", "share", "night", "at", "leads", "fine")
    values = [
        ("mitdb/100", 2271, Decimal("1.50"), date(2026, 11, 24), when, ["MLII", "V5"], True),
        ('a "quoted", ü', None, None, None, None, None, False),
    ]
    return Rows(columns, iter([values[:1], values[1:]]))


def test_rows_as_csv() -> None:
    """CSV has a header, quotes what must be, leaves null empty, and writes decimals as they are."""
    file = io.StringIO()
    write_csv(rows(), file)
    assert file.getvalue() == (
        "recording_id,n,share,night,at,leads,fine\n"
        'mitdb/100,2271,1.50,2026-11-24,2026-11-24 03:00:00+00:00,"[""MLII"", ""V5""]",true\n'
        '"a ""quoted"", ü",,,,,,false\n'
    )


def test_rows_as_json() -> None:
    """JSON is an array of objects with numbers as numbers and null as null; no rows are an empty array."""
    file, empty = io.StringIO(), io.StringIO()
    write_json(rows(), file)
    first, second = json.loads(file.getvalue())
    assert first == {
        "recording_id": "mitdb/100",
        "n": 2271,
        "share": 1.5,
        "night": "2026-11-24",
        "at": "2026-11-24T03:00:00+00:00",
        "leads": ["MLII", "V5"],
        "fine": True,
    }
    assert second["n"] is None
    write_json(Rows(("a",), iter([])), empty)
    assert json.loads(empty.getvalue()) == []


def test_rows_as_a_table() -> None:
    """A table keeps values whole where there is no terminal to fold to, and counts the rows."""
    out = io.StringIO()
    long = "x" * 300
    print_table(Rows(("name", "n"), iter([[(long, 1), ("[bold]", 22)]])), Console(file=out, width=80))
    assert long in out.getvalue()
    assert "[bold]" in out.getvalue()
    assert out.getvalue().endswith("2 rows\n")
    print_table(Rows(("n",), iter([[(number,) for number in range(7)]])), Console(file=out), 5)
    assert out.getvalue().endswith("7 rows, 5 shown\n")


def test_values_as_text() -> None:
    """Null is empty, booleans are words, and objects are JSON."""
    assert [as_text(value) for value in (None, True, {"N": 1}, 1.5, "a")] == ["", "true", '{"N": 1}', "1.5", "a"]


def test_an_upload_is_described() -> None:
    """The summary counts, and names a few of the files that were missing or refused."""
    missing = tuple(f"r{number}: r{number}.dat" for number in range(7))
    lines = describe(UploadSummary(2, 1, 3, 4_000_000, 1, missing, ("../x.hea",)), "s3://b/mitdb/")
    assert lines[0] == "1 recordings, 3 files, 4.0 MB in s3://b/mitdb/: 2 uploaded, 1 there already."
    assert lines[1].endswith("'r4: r4.dat' and 2 more.")
    assert "'../x.hea'" in lines[2]


def test_a_stranger_on_a_port_is_found() -> None:
    """A server that does not run while its port answers is told apart from one that was never started."""
    stack = pytest.importorskip("heartwave_tasks.local.stack")
    from heartwave_tasks.cli.doctor import examine_component, examine_python

    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stack.ComponentStatus("mlflow", "stopped", None, stranger.getsockname()[1], None, None)
        assert "Stop the program" in examine_component(taken).remedy
    assert "heartwave up" in examine_component(taken).remedy
    assert examine_component(stack.ComponentStatus("mlflow", "running", 1, 1, 1, None)).remedy == ""
    assert [bool(examine_python(version).remedy) for version in ((3, 10), (3, 11), (3, 13), (3, 14))] == [
        True,
        False,
        False,
        True,
    ]
