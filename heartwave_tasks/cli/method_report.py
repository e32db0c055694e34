"""The figures of docs/method.md, from MIT-BIH itself: ``python -m heartwave_tasks.cli.method_report``, `make report`.

No server takes part: recordings are cut into beats here, and every architecture is trained and tested under every
protocol with several seeds. Each result is kept in a file, so that a report that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from heartwave_tasks import __version__
from heartwave_tasks.cli.errors import CommandError, explain
from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.mitbih import SOURCE
from heartwave_tasks.jobs.recipes import Recipe
from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
from heartwave_tasks.models import literature, metrics, protocols
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.models.assessment import assess
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_files import open_records
from heartwave_tasks.stores.record_formats import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heartwave_tasks.models.evaluation import Evaluation

PROTOCOLS: Final = ("patient_folds", "inter_patient", "random_beats")
SEEDS: Final = (0, 1, 2)
"""Of the trainings; which patients and beats are tested together is the same for all."""

FIGURES: Final = (
    "accuracy",
    "macro_f1",
    "nsv_mean_f1",
    "sensitivity_S",
    "positive_predictivity_S",
    "sensitivity_V",
    "positive_predictivity_V",
    "j_kappa",
    "ece",
)
_HEADINGS: Final = ("accuracy", "macro F1", "N/S/V mean F1", "S Se / +P", "V Se / +P", "jκ", "ECE", "training")


@dataclass(frozen=True)
class Job:
    """One training and test."""

    architecture: str
    protocol: str
    seed: int

    def path(self, out: Path, digest: str) -> Path:
        """Where its result is kept; other beats, parameters or code are another result."""
        params = sorted(ARCHITECTURES[self.architecture].default_params.items())
        content = f"{__version__} {digest} {params}"
        name = f"{self.seed}-{hashlib.sha256(content.encode()).hexdigest()[:12]}.json"
        return out / "report" / self.architecture / self.protocol / name


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the report; exit code 1 with a sentence where MIT-BIH is not to be had."""
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    parser.add_argument("--mitdb", type=Path, help="MIT-BIH: a directory, .zip or .tar.xz")
    parser.add_argument("--out", type=Path, default=Path("build"), help="where report.md and report.json go")
    parser.add_argument("--architectures", nargs="*", default=list(ARCHITECTURES), choices=list(ARCHITECTURES))
    parser.add_argument("--protocols", nargs="*", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    options = parser.parse_args(arguments)
    try:
        make(options.mitdb, options.out, options.architectures, options.protocols, options.seeds)
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        sys.exit(f"Error: {told}")


def make(
    mitdb: Path | None,
    out: Path,
    architectures: Sequence[str] = tuple(ARCHITECTURES),
    names: Sequence[str] = PROTOCOLS,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Any]:
    """Train and test what is missing, and write ``report.json`` and ``report.md``."""
    settings = Settings.load()
    beats = read(mitdb or settings.mitdb, settings)
    digest = hashlib.sha256(beats.window.tobytes() + beats.context.tobytes() + beats.reference.tobytes()).hexdigest()
    results = [
        _result(Job(architecture, protocol, seed), beats, out, digest)
        for architecture in architectures
        for protocol in names
        for seed in seeds
    ]
    document = summarise(results, beats)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    (out / "report.md").write_text(as_markdown(document), encoding="utf-8")
    _tell(f"{out / 'report.md'} and report.json are written.")
    return document


def read(mitdb: Path | None, settings: Settings) -> Beats:
    """Cut the records of MIT-BIH into beats.

    Raises
    ------
    CommandError
        If nobody has said where it is.
    """
    if mitdb is None:
        raise CommandError("Say where the MIT-BIH Arrhythmia Database is: make report MITDB=path, or HEARTWAVE_MITDB.")
    with open_records(mitdb, settings.max_object_bytes) as found:
        cut = [
            segment(read_recording(Arrival.of(record.main.parent, f"{SOURCE}/{record.name}"), settings))
            for record in sorted(found.records, key=lambda record: record.name)
        ]
    _tell(f"{len(cut)} recordings, {sum(map(len, cut))} windows.")
    return Beats.concatenate(cut)


def summarise(results: Iterable[dict[str, Any]], beats: Beats) -> dict[str, Any]:
    """Put results together: the median of every figure over the seeds, and each seed's own."""
    by_architecture: dict[str, dict[str, Any]] = {}
    for result in results:
        of_protocol = by_architecture.setdefault(result["architecture"], {}).setdefault(
            result["protocol"], {"median": {}, "seeds": {}}
        )
        of_protocol["seeds"][str(result["seed"])] = result["figures"]
    for of_architecture in by_architecture.values():
        for of_protocol in of_architecture.values():
            runs = list(of_protocol["seeds"].values())
            names = set.intersection(*(set(run) for run in runs))
            of_protocol["median"] = {name: median(run[name] for run in runs) for name in sorted(names)}
    return {
        "code_version": __version__,
        "n_windows": len(beats),
        "n_beats": int(beats.is_beat.sum()),
        "architectures": by_architecture,
    }


def as_markdown(document: dict[str, Any]) -> str:
    """Lay the medians out as tables, a protocol each, the original project's figures beside ours."""
    told = (
        f"HeartWave {document['code_version']}, MIT-BIH, {document['n_windows']} windows, expert R peaks. Medians over "
        "the seeds, in percent; jκ and ECE (expected calibration error) are fractions of 1; training is that of all of "
        "a protocol's models together."
    )
    lines = ["# Figures", "", told]
    found = document["architectures"]
    for protocol in PROTOCOLS:
        rows = [
            _row(f"`{name}`", of_architecture[protocol]["median"])
            for name, of_architecture in found.items()
            if protocol in of_architecture
        ]
        if not rows:
            continue
        lines += ["", f"## {protocol}", "", protocols.get(protocol).description, ""]
        lines += [f"| | {' | '.join(_HEADINGS)} |", f"|---|{'---:|' * len(_HEADINGS)}", *rows]
        lines += [_published(figures) for figures in literature.PUBLISHED if figures.protocol == protocol]
    return "\n".join([*lines, ""])


def _result(job: Job, beats: Beats, out: Path, digest: str) -> dict[str, Any]:
    path = job.path(out, digest)
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    recipe = Recipe(architecture=job.architecture, seed=job.seed)
    began = time.perf_counter()
    assessment = assess(protocols.get(job.protocol), beats, recipe.fit(ReviewedBeats({})))
    figures = {**_figures(assessment.evaluation), "training_s": assessment.training_s}
    if assessment.paced is not None:
        figures |= {f"paced_{name}": value for name, value in _figures(assessment.paced).items()}
    result = {"architecture": job.architecture, "protocol": job.protocol, "seed": job.seed, "figures": figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    _tell(
        f"{job.architecture}, {job.protocol}, seed {job.seed}: N/S/V mean F1 {100 * figures['nsv_mean_f1']:.2f} %, "
        f"accuracy {100 * figures['accuracy']:.2f} %, {time.perf_counter() - began:.0f} s."
    )
    return result


def _figures(evaluation: Evaluation) -> dict[str, float]:
    """Return all figures of an evaluation, with S without the record that distorts it and EC57's way of counting."""
    predictive = metrics.ec57_positive_predictivity(evaluation.confusion)
    figures = {
        **evaluation.summary(),
        "ec57_positive_predictivity_S": float(predictive[metrics.S]),
        "ec57_positive_predictivity_V": float(predictive[metrics.V]),
    }
    for subset in evaluation.supraventricular_subsets:
        if subset.left_out:
            without = subset.left_out[0].rpartition("/")[2]
            figures[f"sensitivity_S_without_{without}"] = subset.sensitivity
            figures[f"positive_predictivity_S_without_{without}"] = subset.positive_predictivity
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def _row(name: str, figures: dict[str, float]) -> str:
    accuracy, macro, mean, s_found, s_right, v_found, v_right, j_kappa, ece = (
        figures.get(figure, float("nan")) for figure in FIGURES
    )
    cells = (
        f"{100 * accuracy:.2f}",
        f"{100 * macro:.2f}",
        f"{100 * mean:.1f}",
        f"{100 * s_found:.1f} / {100 * s_right:.1f}",
        f"{100 * v_found:.1f} / {100 * v_right:.1f}",
        f"{j_kappa:.3f}",
        f"{ece:.3f}",
        f"{figures['training_s']:.0f} s",
    )
    return f"| {name} | {' | '.join(cells)} |"


def _published(figures: literature.PublishedFigures) -> str:
    def cell(*values: float | None) -> str:
        return " / ".join("" if value is None else f"{value:g}" for value in values).strip(" /")

    cells = (
        cell(figures.accuracy),
        cell(figures.macro_f1),
        "",
        cell(figures.s_sensitivity, figures.s_predictivity),
        cell(figures.v_sensitivity, figures.v_predictivity),
        cell(figures.j_kappa),
        "",
        "",
    )
    return f"| {figures.method} ({figures.source}) | {' | '.join(cells)} |"


def _tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    main()
