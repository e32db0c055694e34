"""The report says the whole truth on one page that loads nothing and runs nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from heartwave_tasks.models import drawings, literature, report, strips, weaknesses
from heartwave_tasks.models.assessment import assess
from heartwave_tasks.models.confusion_pictures import confusion_picture
from heartwave_tasks.models.protocols import get
from heartwave_tasks.models.report import ModelFacts, Section, render, section
from heartwave_tasks.models.search_space import Search
from tests.unit.evaluations import NearestWindow, beats_of, evaluation_of

if TYPE_CHECKING:
    from heartwave_tasks.ecg.beats import Beats

HOSTILE = "inbox/<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"
VOID = {"meta", "br", "img", "input", "link", "hr"}
FACTS = ModelFacts(
    name="heartwave",
    version=7,
    architecture="relative",
    description="XGBoost on features relative to the recording.",
    n_training_beats=109468,
    n_training_recordings=48,
    training_digest="ab" * 32,
    training_s=83.4,
    peak_memory_bytes=900 * 2**20,
    seed=0,
    parameters={"trees": 150, "max_depth": 3},
)


class _Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def lake() -> Beats:
    """Return a small lake with a hostile recording name, a paced recording, and signal marks."""
    text = "N" * 12 + "A" * 4 + "V" * 6 + "NNANNVNN~|F"
    names = [f"mitdb/{record}" for record in ("101", "106", "100", "202", "232")]
    return beats_of({**dict.fromkeys([*names, HOSTILE, "svdb/800"], text), "mitdb/102": "/" * 20 + "N" * 5})


@pytest.fixture(scope="module")
def page(lake: Beats) -> str:
    """Return the report of a real, tiny model under three protocols."""
    return render(FACTS, _sections(lake))


def _sections(lake: Beats) -> list[Section]:
    assessed = {
        name: assess(get(name), lake, lambda beats, _groups, _progress: NearestWindow.train(beats))
        for name in ("random_beats", "inter_patient", "patient_folds")
    }
    # What it took differs from one time to the next.
    return [replace(section(get(name), lake, found), training_s=2.5, scoring_s=0.5) for name, found in assessed.items()]


def test_the_page_is_one_whole_self_contained_document(page: str) -> None:
    """Elements are closed, nothing is loaded or run, and the browser is told to allow nothing."""
    parsed = _Page(page)
    assert page.startswith("<!doctype html>")
    assert not {"script", "iframe", "object", "embed", "link", "img", "base", "form"} & set(parsed.tags)
    for name, value in parsed.attributes:
        assert not name.startswith("on")
        if name in {"src", "href", "xlink:href", "action"}:
            assert (value or "").startswith("#")
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_links_lead_somewhere(page: str) -> None:
    """Every link of the page's navigation has its target on the page."""
    attributes = _Page(page).attributes
    targets = {value for name, value in attributes if name == "id"}
    links = {(value or "")[1:] for name, value in attributes if name == "href"}
    assert links
    assert links <= targets


def test_hostile_recording_names_are_text(page: str) -> None:
    """A recording named like markup or a template is shown as its name, and changes nothing else."""
    assert "<script" not in page
    assert "<img" not in page
    assert any(HOSTILE in text for text in _Page(page).text)
    assert "inbox/49" not in page


def test_a_hostile_model_and_protocol_are_text() -> None:
    """Names of models, parameters and external sources are escaped as well."""
    facts = replace(FACTS, name=HOSTILE, description=HOSTILE, parameters={HOSTILE: HOSTILE})
    evaluation = evaluation_of({HOSTILE: [[9, 1], [1, 9]]}, protocol=f"external:{HOSTILE}")
    page = render(facts, [Section(evaluation, description=HOSTILE)])
    assert not {"script", "img"} & set(_Page(page).tags)


def test_every_protocol_has_its_part(page: str) -> None:
    """All protocols, their figures, strips, the paced recordings, the literature and the citations are on the page."""
    text = " ".join(_Page(page).text)
    for expected in ("random_beats", "inter_patient", "patient_folds", "Recordings with paced beats, apart"):
        assert expected in text
    for figures in literature.PUBLISHED:
        assert figures.method in text
    assert "Moody GB, Mark RG" in text
    assert "Goldberger AL" in text
    assert "without mitdb/232" in text
    assert "without mitdb/202" in text
    assert "What this model is weak at" in text
    assert "Every patient tested here was in the training set too" in text
    assert "1 min 23 s" in text
    assert not re.search(r"\bnan\b", text)


def test_unseen_patients_come_first(lake: Beats) -> None:
    """A model is introduced by its figures on unseen patients, never by the random split if there is another."""
    sections = _sections(lake)
    assert report.headline(sections).evaluation.protocol == "patient_folds"
    assert report.headline(sections[:2]).evaluation.protocol == "inter_patient"
    assert report.headline(sections[:1]).evaluation.protocol == "random_beats"
    external = Section(evaluation_of({"svdb/1": [[9, 1], [1, 9]]}, protocol="external:svdb"), description="")
    assert report.headline([sections[0], external]) is external


def test_the_same_input_gives_the_same_page(lake: Beats, page: str) -> None:
    """Rendering twice gives the same text."""
    assert render(FACTS, _sections(lake)) == page


def test_the_page_tells_what_training_and_tuning_took(lake: Beats) -> None:
    """Models and seconds of every protocol, and of every search its trials, its figures and what it changed."""
    search = Search(
        purpose="inter_patient",
        n_trials=20,
        n_pruned=9,
        default_value=0.79189,
        best_value=0.81,
        params={"form_depth": 4, "l2": 2.3690843},
    )
    nothing = replace(search, purpose="registered model", params={})
    page = render(replace(FACTS, searches=(search, nothing)), _sections(lake))
    assert re.search(r"2\.5 s to train \d+ models, 0\.5 s to test them", page)
    assert "2.5 s to train 1 model, 0.5 s to test it" in page
    assert "<code>form_depth 4</code>, <code>l2 2.369</code>" in page
    assert '<td class="n">79.19</td><td class="n">81.00</td>' in page
    assert "<td>nothing</td>" in page


def test_a_page_of_a_single_class_and_patient_is_drawn() -> None:
    """Undefined figures are dashes: one recording with normal beats alone still gets its page."""
    page = render(replace(FACTS, version=None), [Section(evaluation_of({"a/1": [[5]]}), description="A test.")])
    assert not re.search(r"\bnan\b", page)
    assert "1 patient." in page
    with pytest.raises(ValueError, match="at least one protocol"):
        render(FACTS, [])


def test_worst_strips_are_confident_errors_of_several_recordings(lake: Beats) -> None:
    """Strips are wrong calls by falling confidence, two of a recording at most, with the neighbours that were cut."""
    rows = np.flatnonzero(lake.reference >= 0)
    reference = lake.reference[rows]
    called = np.where(np.arange(len(rows)) % 2 == 0, (reference + 1) % 5, reference)
    confidence = np.linspace(0.5, 0.99, len(rows))
    probabilities = np.full((len(rows), 5), 0.0)
    probabilities[np.arange(len(rows)), called] = confidence
    found = strips.worst(lake, rows, reference, probabilities)
    assert len(found) == 12
    assert all(strip.reference != strip.called for strip in found)
    assert [strip.confidence for strip in found] == sorted((strip.confidence for strip in found), reverse=True)
    names = [strip.recording_id for strip in found]
    assert max(names.count(name) for name in names) == 2
    inner = next(strip for strip in found if 3 < strip.time_s < 20)
    assert len(inner.neighbours) == 2
    np.testing.assert_allclose(inner.neighbours[0].time_s[93], -0.8, atol=1e-9)
    row = np.flatnonzero((lake.recording_id == inner.recording_id) & np.isclose(lake.time_s, inner.time_s))[0]
    np.testing.assert_allclose(inner.beat.millivolt, lake.window[row] / 1000)


def test_strips_are_drawn_to_scale() -> None:
    """At 25 mm/s and 10 mm/mV a second is 100 px wide, a millivolt 40 px high, and the R peak sits on its mark."""
    time = np.array([-0.25, 0.0, 0.25])
    strip = strips.Strip("a/1", 61.25, 1, 0, 0.9, strips.Trace(time, np.array([0.0, 1.0, -0.5])), ())
    (drawing,) = drawings.strip_drawings([strip])
    points = [tuple(map(float, point.split())) for point in drawing.beat[1:].split("L")]
    assert points[1][0] == drawing.r_peak_x
    assert points[1][0] - points[0][0] == pytest.approx(25)
    assert points[0][1] - points[1][1] == pytest.approx(40)
    assert drawing.height % 20 == 0
    assert all(0 <= y <= drawing.height for _, y in points)
    assert (drawing.letter, drawing.called, drawing.clock) == ("S", "N", "1:01.2")


def test_weaknesses_follow_from_the_figures() -> None:
    """Missed beats, false alarms, one-patient classes, bad recordings and misplaced confidence become sentences."""
    evaluation = evaluation_of(
        {
            "mitdb/100": [[900, 100, 0], [30, 10, 0], [0, 0, 50]],
            "mitdb/213": [[400, 0, 0, 0], [0, 0, 0, 0], [0, 0, 200, 0], [20, 0, 30, 10]],
            "mitdb/108": [[50, 0, 60], [0, 0, 0], [0, 0, 5]],
        },
        confidence=0.99,
    )
    text = "\n".join(weaknesses.describe(evaluation))
    assert "It misses 30 of 40 supraventricular beats (75%), most often calling them normal (30)." in text
    assert "Of 100 beats it calls supraventricular, 91 are not: most often they are normal (100)." in text
    assert "100% of the fusion beats are from recording mitdb/213" in text
    assert "There are only 60 fusion beats of 1 patient in the test" in text
    assert "In 1 of 3 recordings fewer than 80% of the beats are labelled right: mitdb/108 (48%)." in text
    assert "surer than it is right" in text
    assert "There is no unknown or paced beat in the test" in text
    assert text.count("It misses") == 2


def test_a_model_without_weaknesses_is_not_praised() -> None:
    """Where nothing falls below the marks, one cautious sentence says so."""
    perfect = np.diag([1000, 100, 100, 100, 100])
    evaluation = evaluation_of({f"a/{index}": perfect for index in range(10)}, confidence=1.0)
    (sentence,) = weaknesses.describe(evaluation)
    assert "may still show weaknesses" in sentence


def test_the_picture_is_a_png_that_depends_on_the_matrix_alone() -> None:
    """MLflow gets a PNG of 1200 x 1050 pixels, the same for the same matrix, without claims on who made it when."""
    evaluation = evaluation_of({"a/1": [[90, 10], [5, 15]]}, protocol="external:$x^{y")
    first, second = confusion_picture(evaluation), confusion_picture(evaluation)
    assert first == second
    picture = Image.open(BytesIO(first))
    assert (picture.format, picture.size) == ("PNG", (1200, 1050))
    assert not {"Software", "Creation Time"} & set(picture.info)
    other = evaluation_of({"a/1": [[91, 9], [5, 15]]}, protocol="external:$x^{y")
    assert confusion_picture(other) != first
