"""What was measured, as a table for people, as JSON, and as pages and pictures for the documents."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
import psutil

if TYPE_CHECKING:
    from tests.bench.measuring import Sample
    from tests.bench.path import Journey

START, END = "<!-- measured by make bench -->", "<!-- end of what was measured -->"
LEAST_PATH_BEATS_PER_S: Final = 8_000
LEAST_COPY_ROWS_PER_S: Final = 100_000
MOST_SCORING_BYTES: Final = 800e6
MOST_TIME_GROWTH, MOST_MEMORY_GROWTH = 1.3, 1.2
_MINUTES: Final = 60


@dataclass
class Report:
    """Everything that one run has measured."""

    recordings: int
    samples: list[Sample] = field(default_factory=list)
    layouts: list[tuple[str, float, Sample, Sample]] = field(default_factory=list)
    journeys: list[Journey] = field(default_factory=list)
    growth: list[Journey] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "machine": _machine(),
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "recordings": self.recordings,
            "stages": [sample.document() for sample in self.samples],
            "parquet_layouts": [
                {"layout": name, "bytes_per_beat": size, "write": write.document(), "read": read.document()}
                for name, size, write, read in self.layouts
            ],
            "path": [journey.document() for journey in self.journeys],
            "growth": [journey.document() for journey in self.growth],
            "targets": [{"figure": figure, "wanted": wanted, "found": found, "met": met} for figure, wanted, found, met
                        in self.targets()],
        }  # fmt: skip

    def targets(self) -> list[tuple[str, str, str, bool]]:
        """Hold what was measured against what was promised: figure, wanted, found, met."""
        rows: list[tuple[str, str, str, bool]] = []
        wanted = f"at least {_number(LEAST_PATH_BEATS_PER_S)} beats/s"
        for journey in self.journeys[:1]:
            for what, found in (
                ("for a second of the workers' processor time", journey.beats / journey.cpu_s),
                ("by the clock", journey.beats_per_s),
            ):
                rows.append((f"whole path, one core, {what}", wanted, _number(found), found >= LEAST_PATH_BEATS_PER_S))
        for sample in self.samples:
            if (sample.stage, sample.way) == ("COPY", "heartwave"):
                wanted = f"at least {_number(LEAST_COPY_ROWS_PER_S)} rows/s"
                for what, found in (
                    ("for a second of processor time, the server's and ours", sample.beats_per_cpu_s),
                    ("by the clock", sample.beats_per_s),
                ):
                    met = found >= LEAST_COPY_ROWS_PER_S
                    rows.append((f"COPY into the labels table, {what}", wanted, _number(found), met))
        scoring = [leg.peak_bytes for one in (*self.journeys, *self.growth) for leg in one.legs if leg.job == "score"]
        if scoring:
            rows.append(("memory of a scoring process", "under 800 MB", _megabytes(max(scoring)),
                         max(scoring) < MOST_SCORING_BYTES))  # fmt: skip
        if len(self.growth) > 1:
            first, last = self.growth[0], self.growth[-1]
            what = f"{last.recordings} recordings against {first.recordings}"
            for name, most, found in (
                ("processor time a beat", MOST_TIME_GROWTH, (last.cpu_s / last.beats) / (first.cpu_s / first.beats)),
                ("time a beat by the clock", MOST_TIME_GROWTH, first.beats_per_s / last.beats_per_s),
                ("memory of the largest process", MOST_MEMORY_GROWTH, last.peak_bytes / first.peak_bytes),
            ):
                rows.append((f"{what}: {name}", f"at most {most} x", f"{found:.2f} x", found <= most))
        return rows

    def markdown(self) -> str:
        """Return the tables, as the documents show them."""
        parts = [
            f"{_machine()}. {self.recordings} recordings of MIT-BIH for the stages, all of them for the whole path."
        ]
        if self.samples:
            parts += ["### Stages", *_table(
                ("stage", "way", "beats/s", "beats/CPU s", "MB/s", "all cores", "memory", ""),
                [(s.stage, s.way, _number(s.beats_per_s), _number(s.beats_per_cpu_s),
                  f"{s.n_bytes / s.wall_s / 1e6:.0f}",
                  _number(s.all_cores_beats_per_s) if s.all_cores_beats_per_s else "", _megabytes(s.peak_bytes), s.note)
                 for s in self.samples])]  # fmt: skip
        if self.layouts:
            parts += ["### Beats as Parquet", *_table(
                ("layout", "bytes a beat", "write, beats/s", "read, beats/s"),
                [(name, f"{size:.0f}", _number(write.beats_per_cpu_s), _number(read.beats_per_cpu_s))
                 for name, size, write, read in self.layouts])]  # fmt: skip
        for title, journeys in (("From S3 objects to committed labels", self.journeys), ("Growth", self.growth)):
            if journeys:
                parts += [f"### {title}", *_table(
                    ("", "recordings", "beats", "tasks", "beats/s", "µs a beat", "of which ingest, score",
                     "CPU µs a beat", "servers'", "scoring process", "reading process"),
                    [_journey(one) for one in journeys])]  # fmt: skip
        parts += [
            "### What was promised",
            *_table(
                ("figure", "wanted", "found", ""),
                [
                    (figure, wanted, found, "met" if met else "**not met**")
                    for figure, wanted, found, met in self.targets()
                ],
            ),
        ]
        return "\n\n".join(part for part in parts)

    def write(self, path: Path) -> None:
        """Write the JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")

    def document_into(self, page: Path) -> None:
        """Put the tables between the marks of a page, and the pictures beside it."""
        text = page.read_text("utf-8")
        before, rest = text.split(START)
        after = rest.split(END)[1]
        page.write_text(f"{before}{START}\n\n{self.markdown()}\n\n{END}{after}", encoding="utf-8")
        pictures = page.parent / "images"
        if self.samples:
            self._draw_stages(pictures / "performance-stages.png")
        if len(self.growth) > 1:
            self._draw_growth(pictures / "performance-growth.png")

    def _draw_stages(self, path: Path) -> None:
        figure, axes = _figure(7.2, 4.2)
        stages = list(dict.fromkeys(sample.stage for sample in self.samples))
        for way, colour, mark in (("heartwave", "#0b6e75", "o"), ("floor", "#9aa5b1", "|"), ("plain", "#c2571a", "x")):
            found = [(stages.index(s.stage), s.beats_per_cpu_s) for s in self.samples if s.way == way]
            axes.scatter(
                [rate for _, rate in found], [place for place, _ in found], c=colour, marker=mark, label=way, s=40
            )
        axes.set_xscale("log")
        axes.set_yticks(range(len(stages)), stages)
        axes.invert_yaxis()
        axes.set_xlabel("beats for a second of processor time")
        axes.grid(axis="x", alpha=0.3)
        axes.legend(loc="lower right", frameon=False)
        figure.savefig(path, metadata={"Software": None})

    def _draw_growth(self, path: Path) -> None:
        figure, axes = _figure(7.2, 2.8, columns=2)
        counts = [one.recordings for one in self.growth]
        series = (
            (axes[0], "processor time, µs a beat", [1e6 * one.cpu_s / one.beats for one in self.growth]),
            (axes[1], "largest process, MB", [one.peak_bytes / 1e6 for one in self.growth]),
        )
        for panel, label, values in series:
            panel.plot(counts, values, marker="o", color="#0b6e75")
            panel.set_xscale("log")
            panel.set_xticks(counts, [_number(count) for count in counts])
            panel.minorticks_off()
            panel.set_ylim(0, 1.3 * max(values))
            panel.set_xlabel("recordings")
            panel.set_title(label, fontsize=9)
            panel.grid(alpha=0.3)
        figure.savefig(path, metadata={"Software": None})


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt.subplots(1, columns, figsize=(width, height), dpi=110, layout="constrained")


def _journey(one: Journey) -> tuple[str, ...]:
    ingest, score = one.legs
    return (
        one.name,
        _number(one.recordings),
        _number(one.beats),
        f"{ingest.tasks} + {score.tasks}",
        _number(one.beats_per_s),
        f"{1e6 * one.wall_s / one.beats:.0f}",
        f"{1e6 * ingest.wall_s / one.beats:.0f}, {1e6 * score.wall_s / one.beats:.0f}",
        f"{1e6 * one.cpu_s / one.beats:.0f}",
        f"{1e6 * sum(leg.servers_cpu_s for leg in one.legs) / one.beats:.0f}",
        _megabytes(score.peak_bytes),
        _megabytes(ingest.child_peak_bytes),
    )


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> list[str]:
    rows = [head, tuple("---" for _ in head), *lines]
    return ["\n".join(f"| {' | '.join(row)} |" for row in rows)]


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
    memory = psutil.virtual_memory().total / 2**30
    busy = psutil.getloadavg()[0]
    return (
        f"{model}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load average {busy:.1f} at the end"
    )


def _number(value: float) -> str:
    """Three digits that count, with thin spaces."""
    rounded = round(value, -max(0, len(str(int(value))) - 3)) if value >= 1000 else value
    return f"{rounded:,.0f}".replace(",", " ")


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.0f} MB"
