"""The command line's frame: the commands, `--version`, `--debug`, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from heartwave_tasks import __version__
from heartwave_tasks.cli import forget_command, model_commands, quarantine_app
from heartwave_tasks.cli.command_help import command
from heartwave_tasks.cli.errors import explain
from heartwave_tasks.cli.names import ExportFormat, HeldAction, JobName, OutputFormat, ReportFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130

app = typer.Typer(
    name="heartwave",
    help="HeartWave: from ECG recordings in S3 to one label per heartbeat in Postgres, on Airflow.",
    epilog=(
        "\b\n[bold]First steps[/bold]\n"
        "  heartwave demo                                   everything at once, on this machine\n"
        "  heartwave up                                     only the servers\n"
        "  heartwave upload recordings/ --source clinic     bring your own recordings\n"
        "  heartwave run ingest && heartwave run score      cut them into beats, label every beat\n"
        "  heartwave sql 'TABLE recording_burden'           ask the database"
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

STACK, WORK, DATA, MODELS = "Servers", "Work", "Data", "Models"

app.add_typer(quarantine_app.app, rich_help_panel=DATA)


def _command(panel: str, *examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of its name; its docstring and the examples are the help."""
    return command(app, *examples, panel=panel)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        typer.echo(f"heartwave {__version__}")
        raise typer.Exit


@app.callback()
def _frame(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    # `main` looks for --debug itself: an error may come before typer has read the options.
    del version, debug


@_command(STACK, "heartwave up", "HEARTWAVE_HOME=/srv/heartwave heartwave up")
def up() -> None:
    """Start PostgreSQL, S3, MLflow and Airflow on this machine, and wait until they are healthy.

    Servers that run already are left alone. Data, logs and generated passwords live in one directory, .heartwave
    beside the code unless HEARTWAVE_HOME says otherwise. Everything listens on the loopback interface only.
    """
    from heartwave_tasks.cli import servers  # noqa: PLC0415

    servers.start()


@_command(STACK, "heartwave down")
def down() -> None:
    """Stop the servers that `heartwave up` started. Data stays, and `heartwave up` finds it again."""
    from heartwave_tasks.cli import servers  # noqa: PLC0415

    servers.stop()


@_command(STACK, "heartwave status")
def status() -> None:
    """Show each server: whether it runs, its process, port, memory and address. Exit code 1 if one is not running."""
    from heartwave_tasks.cli import servers  # noqa: PLC0415

    servers.show()


@_command(STACK, "heartwave doctor", "heartwave doctor && heartwave run ingest")
def doctor() -> None:
    """Examine this machine and the servers, and say what is wrong and how to mend it.

    Looks at Python, packages, disk, memory, the state directory's permissions, ports, the health of each server, the
    database's schema, the buckets, and DAG files that cannot be imported. Exit code 1 if something is wrong.
    """
    from heartwave_tasks.cli import doctor as examination  # noqa: PLC0415

    examination.examine()


@_command(STACK, "heartwave notify", "HEARTWAVE_NOTIFY_URLS=json://127.0.0.1:8000 heartwave notify 'Is this on?'")
def notify(
    sentence: Annotated[str, typer.Argument(help="What to say.")] = "This is a trial: alerts arrive here.",
) -> None:
    """Send a trial alert to every address of HEARTWAVE_NOTIFY_URLS. Exit code 1 if one of them does not take it.

    The addresses are Apprise's (mailto://, slack://, msteams://, tgram://, …), separated by spaces. Airflow tells of
    failed runs and late labels there; `heartwave up` takes the setting over from the shell it is called in.
    """
    from heartwave_tasks.cli import trial  # noqa: PLC0415

    trial.send(sentence)


@_command(STACK, "heartwave init", "HEARTWAVE_ADMIN_DATABASE_URL=postgresql://postgres:…@db/postgres heartwave init")
def init() -> None:
    """Create roles, database, schema and buckets where they are missing; doing it again changes nothing.

    `heartwave up` does this for the embedded servers. For your own servers, set HEARTWAVE_OWNER_DATABASE_URL,
    HEARTWAVE_DATABASE_URL, HEARTWAVE_READER_DATABASE_URL and HEARTWAVE_S3_*. Without HEARTWAVE_ADMIN_DATABASE_URL
    the roles and the database must exist, and only the schema is brought up to date.
    """
    from heartwave_tasks.cli import initialisation  # noqa: PLC0415

    initialisation.initialise()


@_command(WORK, "heartwave upload mitdb.zip --source mitdb", "heartwave upload /data/holter/2026-11 --source clinic")
def upload(
    path: Annotated[
        Path, typer.Argument(help="Directory, .zip or .tar.xz (.tar.gz, .tar) of recordings.", show_default=False)
    ],
    source: Annotated[
        str,
        typer.Option(
            "--source", "-s", help="Where the recordings come from: first part of their ids, as in mitdb/100."
        ),
    ],
) -> None:
    """Upload recordings into the recordings bucket, skipping files that are there with the same content.

    Taken are WFDB headers (.hea) with the signal files and segments they name, EDF files (.edf), CSV files (.csv) with
    a sidecar of the same name (.json), and annotations (.atr), wherever they lie in PATH; where a RECORDS file lists
    the records, those alone. The next run of ingest takes them up: every hour, or now by `heartwave run ingest`.
    """
    from heartwave_tasks.cli import uploading  # noqa: PLC0415

    uploading.upload(path, source)


@_command(
    WORK,
    "heartwave run ingest",
    "heartwave run retrain --param seed=7 --param 'sources=[\"mitdb\"]'",
    "heartwave run score --no-wait",
)
def run(
    job: Annotated[JobName, typer.Argument(help="Which DAG to run.", show_default=False)],
    *,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A param of the DAG, read as JSON where it is; repeatable."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run until it ends.")] = True,
    timeout: Annotated[
        int, typer.Option("--timeout", min=1, metavar="SECONDS", help="Stop waiting after this long.")
    ] = 3600,
) -> None:
    """Run a DAG through Airflow's API and follow its tasks. Exit code 1 with the failing task's error if it fails.

    ingest cuts new recordings into beats, retrain trains and registers a model, score labels every beat that the
    champion has not labelled yet, maintain applies retention and compacts. Interrupting stops the waiting, not the run.
    """
    from heartwave_tasks.cli import running  # noqa: PLC0415

    running.run(job, param or [], wait=wait, timeout_s=float(timeout))


@_command(
    DATA,
    "heartwave sql 'SELECT * FROM recording_burden LIMIT 5'",
    "heartwave sql -f sql/cookbook/bigeminy.sql --format csv > bigeminy.csv",
    "echo 'TABLE champion' | heartwave sql -f -",
)
def sql(
    query: Annotated[str | None, typer.Argument(help="SQL to execute.", show_default=False)] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the SQL from a file; - is standard input.")
    ] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print rows.")] = OutputFormat.TABLE,
) -> None:
    """Execute SQL as the analyst's role, which can read the views and nothing else.

    The views are described in sql/README.md, and sql/cookbook holds queries to start from.
    """
    from heartwave_tasks.cli import queries  # noqa: PLC0415

    queries.query(query, file, output)


@_command(
    DATA,
    "heartwave export mitdb/208 --format wfdb -o /data/mitdb",
    "bxb -r /data/mitdb/208 -a atr hwv        # with the WFDB tools: beat by beat against the reference",
)
def export(
    recording: Annotated[str, typer.Argument(help="The recording, as in mitdb/208.", show_default=False)],
    *,
    output: Annotated[ExportFormat, typer.Option("--format", "-f", help="Kind of file.")] = ExportFormat.WFDB,
    directory: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write it.")] = Path(),
) -> None:
    """Write a recording's labels into a file: what `current_labels` says, reviews included.

    wfdb is an annotation file RECORD.hwv, one annotation a beat, that bxb, rdann and LightWAVE read beside the record;
    a reviewed beat has subtype 1 and a note with the model's label. csv and json have every column of `current_labels`.
    """
    from heartwave_tasks.cli import exporting  # noqa: PLC0415

    exporting.export(recording, output, directory)


@_command(DATA, "heartwave held list", "heartwave held release 7 8")
def held(
    action: Annotated[HeldAction, typer.Argument(help="What to do.", show_default=False)],
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Which to release, as listed.", show_default=False)
    ] = None,
) -> None:
    """Show labels that are held back because they look implausible, or publish them after all.

    Held labels are written and counted like all others, but `current_labels` does not show them, and no Parquet file
    has them, until they are released. `HEARTWAVE_GATE_*` settings say what is implausible.
    """
    from heartwave_tasks.cli import holding  # noqa: PLC0415

    holding.hold(action, numbers or [])


_command(MODELS, "heartwave models", "heartwave models --format json")(model_commands.models)
_command(
    MODELS,
    "heartwave evaluate",
    "heartwave evaluate --model heartwave@challenger --protocol inter_patient",
    "heartwave evaluate --model heartwave@3 --protocol external:svdb --format json > svdb.json",
    "heartwave evaluate --peaks detected        # what recordings get that nobody annotated",
)(model_commands.evaluate)
_command(MODELS, "heartwave promote 4 --reason 'finds the S beats of our ward'")(model_commands.promote)
_command(MODELS, "heartwave rollback --reason 'calls noise ventricular'")(model_commands.rollback)


@_command(DATA, "heartwave verify", "heartwave verify --format json > verified.json", "heartwave verify --mend")
def verify(
    *,
    output: Annotated[ReportFormat, typer.Option("--format", help="How to print what was found.")] = ReportFormat.TABLE,
    mend: Annotated[
        bool, typer.Option("--mend", help="Have recordings whose beats or strip are damaged cut again.")
    ] = False,
) -> None:
    """Check everything that is stored, and say what differs and how to mend it. Exit code 1 if something does.

    Hashes recordings, beats and strips anew, counts rows and beats, checks every model's files, holds the ledger
    against the beats that were ingested and all labels against the ledger, and looks for objects, labels and partitions
    that nothing accounts for. Reads everything once, in memory that does not grow; other work may go on meanwhile.

    With --mend the next `heartwave run ingest` writes damaged beats and strips again, from their recordings.
    """
    from heartwave_tasks.cli import verifying  # noqa: PLC0415

    verifying.check(output, mend=mend)


@_command(WORK, "heartwave demo", "heartwave demo --mitdb mitdb.zip", "heartwave demo --stop")
def demo(
    *,
    mitdb: Annotated[
        Path | None,
        typer.Option("--mitdb", help="MIT-BIH: a directory, PhysioNet's .zip or a .tar.xz. Default: HEARTWAVE_MITDB."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep/--stop", help="Leave the servers running afterwards, or not.")] = True,
) -> None:
    """Show everything: start the servers, upload recordings, ingest, train, score, and ask the database.

    The recordings are the MIT-BIH Arrhythmia Database, from --mitdb, else from PhysioNet's public bucket, else, where
    that cannot be reached, a small set of synthetic ones, which is announced.
    """
    from heartwave_tasks.cli import demonstration  # noqa: PLC0415

    demonstration.demonstrate(mitdb, keep=keep)


_command(DATA, "heartwave forget ward3/r17 --for 'data protection, ticket 12'")(forget_command.forget)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 if all is well, 1 after an error, 2 for wrong usage, 130 when interrupted."""
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    # Allowed anywhere, also after the command's name.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    console = Console(stderr=True, soft_wrap=True)
    try:
        code: Any = app(arguments, prog_name="heartwave")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        told = explain(error)
        if told is None:
            told = f"Unexpected {type(error).__name__}: {error}. Run again with --debug to see where."
        console.print(f"[bold red]Error:[/bold red] {escape(told)}", highlight=False)
        return 1
    return code if isinstance(code, int) else 0
