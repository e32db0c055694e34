"""Charts: figures with axes, drawn by matplotlib as SVG in the page's own colours.

Pictures and not scripts: chart libraries for browsers (Bokeh 3.9, Plotly 7) set inline styles, which the page's content
security policy forbids for good reasons.
"""

from __future__ import annotations

import io
import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.page.database import Data
from heartwave_tasks.page.static_files import STATIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

router = APIRouter(prefix="/data/charts", tags=["charts"])

Theme = Annotated[Literal["light", "dark"], Query(description="Whose colours.")]
Size = Annotated[
    Literal["wide", "narrow"], Query(description="For a desk, or for a telephone: text is as large on both.")
]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_MOST_VERSIONS: Final = 5
_DRAWING = threading.Lock()
"""matplotlib draws one figure at a time."""


@router.get("/classes", response_class=Response)
def draw_classes(data: Data, theme: Theme = "light", size: Size = "wide") -> Response:
    """Draw the F1 of every class, with its 95 % interval by patient, for the newest versions and the champion."""
    rows = data.rows(
        """
        SELECT c.model_version, c.class, c.f1, c.f1_low, c.f1_high FROM model_evaluation_by_class AS c
        LEFT JOIN champion AS w USING (model_name, model_version)
        WHERE c.protocol = 'patient_folds' AND c.f1 IS NOT NULL AND c.class <> 'Q' AND (
            w.model_version IS NOT NULL OR c.model_version > (SELECT max(model_version) FROM model_leaderboard) - :most)
        ORDER BY c.model_version, c.class
        """,
        most=_MOST_VERSIONS,
    )
    versions = sorted({row["model_version"] for row in rows})
    tints = ("ink-2", "accent", "v", "f", "s", "n")

    def draw(axes: Axes, colours: dict[str, str]) -> None:
        for place, version in enumerate(versions):
            own = [row for row in rows if row["model_version"] == version]
            middle = [CLASSES.index(row["class"]) + 0.11 * (place - (len(versions) - 1) / 2) for row in own]
            low = [100 * (row["f1_low"] if row["f1_low"] is not None else row["f1"]) for row in own]
            high = [100 * (row["f1_high"] if row["f1_high"] is not None else row["f1"]) for row in own]
            tint = colours[tints[place % len(tints)]]
            axes.vlines(middle, low, high, color=tint, lw=2, alpha=0.55)
            axes.plot(middle, [100 * row["f1"] for row in own], "o", color=tint, ms=5.5, label=f"version {version}")
        axes.set(ylim=(0, 102), ylabel="F1, %", xlim=(-0.5, 3.5))
        axes.set_xticks(range(4), list(CLASSES[:4]))
        if versions:
            beside = {"loc": "upper left", "bbox_to_anchor": (1, 1.03)}
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "ncols": 2}
            axes.legend(frameon=False, labelcolor=colours["ink-2"], **(beside if size == "wide" else below))

    return _svg(draw, theme, (9.4, 2.7) if size == "wide" else (3.5, 3.2))


def _svg(draw: Any, theme: str, size_in: tuple[float, float]) -> Response:
    import matplotlib as mpl  # noqa: PLC0415 - half a second, for those who look at charts
    from matplotlib.figure import Figure  # noqa: PLC0415

    colours = _colours()[theme]
    with _DRAWING, mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}):
        figure: Figure = Figure(figsize=size_in, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        _dress(axes, colours)
        draw(axes, colours)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return Response(out.getvalue(), media_type="image/svg+xml", headers={"Content-Security-Policy": _POLICY})


def _dress(axes: Axes, colours: dict[str, str]) -> None:
    axes.patch.set_alpha(0)
    axes.tick_params(colors=colours["ink-3"], length=0)
    axes.xaxis.label.set_color(colours["ink-3"])
    axes.yaxis.label.set_color(colours["ink-3"])
    axes.grid(axis="y", color=colours["line"], lw=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colours["line-strong"])


@cache
def _colours() -> dict[str, dict[str, str]]:
    """Return both themes' colours by name, as the page's own style sheet says."""
    text = (STATIC / "page.css").read_text(encoding="utf-8")
    light, dark = text.partition(":root.dark")[::2]
    named = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", part.partition("\n}")[0])) for part in (light, dark)]
    return {"light": named[0], "dark": {**named[0], **named[1]}}
