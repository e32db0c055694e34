"""Challenge: what a person reads before they approve a challenger, in Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.models import weaknesses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.models.gate import ComparedFigure, Verdict

_MOST_WEAKNESSES = 4


def describe(
    verdict: Verdict,
    challenger: Evaluation,
    champion: Evaluation | None,
    *,
    version: int,
    champion_version: int | None,
    page: str,
) -> str:
    """Write the gate's verdict, the figures side by side, both confusion matrices, and the challenger's weaknesses.

    Parameters
    ----------
    page
        Address of the HeartWave page, where reports are.
    """
    parts = [
        f"**The gate says: {'promote' if verdict.promote else 'do not promote'}.**",
        "\n".join(f"- {reason}" for reason in verdict.reasons),
    ]
    if verdict.figures:
        parts.append(_side_by_side(verdict, version, champion_version))
    parts.append(_matrix(f"Version {version}, the challenger", challenger))
    if champion is not None:
        parts.append(_matrix(f"Version {champion_version}, the champion", champion))
    known = weaknesses.describe(challenger)[:_MOST_WEAKNESSES]
    parts.append("\n".join(["#### What the challenger is weak at", "", *(f"- {sentence}" for sentence in known)]))
    reports = [
        f"[report of version {each}]({page}/data/models/{each}/report)" for each in (version, champion_version) if each
    ]
    parts.append(f"All of it: {', '.join(reports)}; [side by side]({page}/#/models).")
    return "\n\n".join(parts)


def _side_by_side(verdict: Verdict, version: int, champion_version: int | None) -> str:
    tested = f"{verdict.n_beats:,} beats of {verdict.n_patients} patients neither had seen"
    lines = [
        "#### Side by side, in percent",
        "",
        f"| {tested} | version {version} | version {champion_version} (champion) | difference, 95 % interval |",
        "|---|---:|---:|---:|",
        *(_row(figure) for figure in verdict.figures),
        "",
        "The verdict hangs on the figures in bold.",
    ]
    return "\n".join(lines)


def _row(figure: ComparedFigure) -> str:
    name = f"**{figure.name}**" if figure.decides else figure.name
    low, high = figure.difference.low, figure.difference.high
    difference = "–" if math.isnan(low) else f"{100 * low:+.1f} to {100 * high:+.1f}"  # noqa: RUF001 - a dash
    return f"| {name} | {_percent(figure.challenger)} | {_percent(figure.champion)} | {difference} |"


def _matrix(title: str, evaluation: Evaluation) -> str:
    confusion = evaluation.confusion

    def rows() -> Iterator[str]:
        for index, (letter, name) in enumerate(zip(CLASSES, CLASS_NAMES, strict=True)):
            total = int(confusion[index].sum())
            if total:
                counts = " | ".join(
                    f"**{count:,}**" if at == index else f"{count:,}"
                    for at, count in enumerate(confusion[index].tolist())
                )
                yield f"| **{letter}** {name} | {counts} | {100 * confusion[index, index] / total:.1f} |"

    lines = [
        f"#### {title}",
        "",
        f"| expert \\ model | {' | '.join(CLASSES)} | found, % |",
        f"|---|{'---:|' * (len(CLASSES) + 1)}",
        *rows(),
    ]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"  # noqa: RUF001 - a dash, as in printed tables
