"""How fast HeartWave is: every stage beside its floor and the plain way, the whole path, and how both grow.

``python -m tests.bench --mitdb PATH`` (``make bench``) prints the tables and writes them as JSON; with ``--docs`` also
into docs/performance.md. It starts servers of its own, on free ports, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.models.architectures import ARCHITECTURES
from tests.bench.copies import Copies
from tests.bench.loading import Labels, Objects
from tests.bench.path import install, travel, upload
from tests.bench.report import Report
from tests.bench.servers import run_servers
from tests.bench.stages import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.models.architectures import BeatModel
    from tests.bench.path import Journey
    from tests.bench.servers import Servers

_ROOT: Final = Path(__file__).parents[2]
_TRAINED_ON: Final = ("106", "119", "208", "209", "200", "213", "222", "232", "102", "217")
"""Of every class; how well a model answers is of no interest here."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mitdb", type=Path, default=os.environ.get("HEARTWAVE_MITDB"), help="directory, .zip or .tar.xz"
    )
    parser.add_argument("--records", type=int, default=12, help="recordings that stages are measured on")
    parser.add_argument("--models", default=",".join(ARCHITECTURES), help="architectures that are trained and measured")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="of every stage, after one to warm up, and of the whole path"
    )
    parser.add_argument("--growth", default="48,480", help="numbers of recordings the whole path is measured with")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of those recordings")
    parser.add_argument("--only", choices=("stages", "path", "growth"), help="measure this alone")
    parser.add_argument("--json", type=Path, default=_ROOT / "build" / "bench.json")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md and its pictures, too")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("a task has one thread: OMP_NUM_THREADS=1 (make bench sets it).")
    if given.mitdb is None:
        parser.error("which recordings? Give --mitdb (make bench MITDB=path), or set HEARTWAVE_MITDB.")
    with _records(Path(given.mitdb)) as directory, tempfile.TemporaryDirectory(prefix="heartwave-bench-") as home:
        report = _measure(given, directory, Path(home))
    report.write(given.json)
    if given.docs:
        report.document_into(_ROOT / "docs" / "performance.md")
    sys.stdout.write(f"\n{report.markdown()}\n\nAs JSON: {given.json}\n")
    sys.exit(not all(met for *_, met in report.targets()))


def _measure(given: argparse.Namespace, directory: Path, home: Path) -> Report:
    names = sorted(path.stem for path in directory.glob("*.hea"))
    chosen = names[:: max(1, len(names) // given.records)][: given.records]
    report = Report(recordings=len(chosen))
    wanted = {given.only} if given.only else {"stages", "path", "growth"}
    _tell("Reading recordings, training a model")
    bench = Bench(directory, chosen, given.repetitions)
    training = Beats.concatenate([segment(bench.read(record)) for record in _TRAINED_ON])
    relative = ARCHITECTURES["relative"]
    model = relative.load(relative.train(training, groups=training.recording_id, seed=42).files())
    if "stages" in wanted:
        _tell("Stages that compute")
        report.samples += [*bench.stages(), *bench.models(training, given.models.split(","))]
        report.layouts += bench.layouts()
    _tell("Starting PostgreSQL, S3 and MLflow")
    # Not world-readable as it is made, but PostgreSQL runs as somebody else where we are root.
    home.chmod(0o711)
    with run_servers(home) as servers:
        if "stages" in wanted:
            _tell("Stages that wait for servers")
            settings = servers.settings("stages")
            report.samples += [
                *Objects(settings, bench, home, servers).stages(),
                *Labels(settings, bench, model, servers).stages(),
            ]
        if "path" in wanted:
            report.journeys += _paths(servers, directory, model, given.repetitions)
        if "growth" in wanted:
            report.growth += _growth(given, servers, directory, model)
    return report


def _paths(servers: Servers, directory: Path, model: BeatModel, repetitions: int) -> Iterator[Journey]:
    """Travel so many times with one worker, and with one on every core; of each, the journey in the middle by time."""
    files = [path for path in sorted(directory.iterdir()) if path.suffix in {".hea", ".dat", ".atr"}]
    digests = set()
    cores = len(os.sched_getaffinity(0))
    for workers, name in ((1, "one core"), (cores, f"{cores} cores")):
        journeys = []
        for turn in range(1, repetitions + 1):
            _tell(f"The whole path, {name}, {turn} of {repetitions}")
            settings = servers.settings(f"path{workers}turn{turn}")
            size = upload(settings, ((f"mitdb/{path.name}", path.read_bytes()) for path in files))
            install(settings, model)
            journeys.append(travel(name, servers, settings, size, workers=workers, one_each=True))
        digests |= {journey.digest for journey in journeys}
        yield sorted(journeys, key=lambda journey: journey.wall_s)[len(journeys) // 2]
    assert len(digests) == 1, "Labels depend on how the work was shared out."


def _growth(given: argparse.Namespace, servers: Servers, directory: Path, model: BeatModel) -> Iterator[Journey]:
    copies = Copies(directory, given.minutes)
    cores = len(os.sched_getaffinity(0))
    for count in [int(word) for word in given.growth.split(",")]:
        _tell(f"Growth: {count} recordings of {given.minutes:g} minutes")
        settings = servers.settings(f"growth{count}")
        size = upload(settings, copies.files(count, seed=count))
        install(settings, model)
        yield travel(f"{count} recordings", servers, settings, size, workers=cores)


@contextmanager
def _records(given: Path) -> Iterator[Path]:
    """Find the records, unpacked if they are in an archive."""
    with tempfile.TemporaryDirectory(prefix="heartwave-mitdb-") as unpacked:
        if given.is_file() and zipfile.is_zipfile(given):
            with zipfile.ZipFile(given) as archive:
                archive.extractall(unpacked)
        elif given.is_file():
            with tarfile.open(given) as archive:
                archive.extractall(unpacked, filter="data")
        header = next((Path(unpacked) if given.is_file() else given).rglob("100.hea"), None)
        if header is None:
            sys.exit(f"{given} holds no record 100 of MIT-BIH.")
        yield header.parent


def _tell(what: str) -> None:
    sys.stderr.write(f"{what} …\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
