"""The page's routes against real PostgreSQL and S3: what they show, and whom they refuse."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from psycopg2 import errors
from pydantic import SecretStr

from heartwave_tasks.ecg.beats import segment
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import NO_CLASS
from heartwave_tasks.ecg.leads import choose_leads
from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.jobs.evaluation_rows import to_rows
from heartwave_tasks.local.ports import choose
from heartwave_tasks.page.application import create_app
from heartwave_tasks.page.guards import MAX_BODY_BYTES, RateLimit
from heartwave_tasks.page.loose_beats import LooseBeats
from heartwave_tasks.page.people import Person
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import ComparisonRow, LabelBatch
from heartwave_tasks.stores.strip_files import write_strip
from heartwave_tasks.stores.strips import strip_key
from heartwave_tasks.synthetic import write_recordings
from tests.integration.planting import Planter, labels_of, rows, scoring_row, sha256
from tests.integration.s3_server import run_s3_server
from tests.unit.evaluations import evaluation_of
from tests.unit.wfdb_files import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.ecg.recordings import Recording
    from heartwave_tasks.settings import Settings
    from tests.integration.conftest import DatabaseUrls

RECORDING = "ward/syn000"
SIGNED_IN = {"x-test-user": "nurse"}


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """The page, and one recording it shows."""

    client: httpx.Client
    app: FastAPI
    plant: Planter
    recording: Recording
    beats: Beats

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask as somebody who is signed in."""
        answer = self.client.get(path, params=parameters, headers=SIGNED_IN)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def review(self, said: str | None, sample: int, **headers: str) -> httpx.Response:
        """Say what the beat at a sample is, as the page's scripts do."""
        body = {"recording_id": RECORDING, "r_peak_sample": sample, "class": said}
        return self.client.post("/data/reviews", json=body, headers={**SIGNED_IN, "x-heartwave": "1", **headers})


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that lead to an S3 server."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two minutes of a synthetic recording."""
    directory = tmp_path_factory.mktemp("records")
    name = write_recordings(directory, count=1, duration_s=120, seed=3)[0]
    return read_record(directory, f"ward/{name}")


@pytest.fixture
def page(s3: Settings, database: DatabaseUrls, plant: Planter, recording: Recording, tmp_path: Path) -> Iterator[Page]:
    """The page over a lake with one recording, labelled as its reference says with a few doubts."""
    settings = s3.model_copy(
        update={
            "database_url": SecretStr(database.writer),
            "reader_database_url": SecretStr(database.reader),
            "reviewer_database_url": SecretStr(database.reviewer),
        }
    )
    found = segment(recording)
    key = lake.beats_key(RECORDING, sha256(RECORDING))
    bucket = s3_client(settings)
    bucket.put_object(Bucket=settings.lake_bucket, Key=key, Body=lake.to_parquet(found, sha256(RECORDING)))
    strip = tmp_path / "strip"
    write_strip(strip, recording.signals, recording.sampling_frequency, recording.lead_names, choose_leads(recording))
    bucket.put_object(Bucket=settings.lake_bucket, Key=strip_key(key), Body=strip.read_bytes())
    kept = found.take(found.is_beat)
    revision = plant.recording(
        RECORDING,
        len(kept),
        beats_key=key,
        n_samples=recording.signals.n_samples,
        duration_s=recording.signals.n_samples / recording.sampling_frequency,
        sampling_frequency=recording.sampling_frequency,
        leads=recording.lead_names,
    )
    plant.score(revision, plant.model(1, promoted=True), _labels(kept))
    app = create_app(settings, _identify)
    with _serve(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Page(client, app, plant, recording, kept)


@contextmanager
def _serve(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=choose({"page": None})["page"], log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join()


async def _identify(request: Request) -> Person:
    name = request.headers.get("x-test-user")
    if name is None:
        raise HTTPException(401, "Not authenticated")
    return Person(name, may_write=name != "viewer")


def _labels(beats: Beats) -> LabelBatch:
    probabilities = np.full((len(beats), 5), 0.01, dtype=np.float32)
    ids = np.where(beats.reference >= 0, beats.reference, 0)
    probabilities[np.arange(len(beats)), ids] = 0.96
    probabilities[3] = (0.3, 0.5, 0.1, 0.05, 0.05)
    return LabelBatch(
        r_peak_sample=beats.r_peak_sample,
        time_s=beats.time_s,
        class_ids=probabilities.argmax(axis=1).astype(np.int8),
        confidence=probabilities.max(axis=1),
        probabilities=probabilities,
        rr_previous_s=beats.rr_previous_s,
        rr_next_s=beats.rr_next_s,
        reference_ids=beats.reference,
    )


def test_strangers_see_nothing(page: Page) -> None:
    """Without a session every route answers 401, the page's own files included."""
    described = page.app.openapi()["paths"]
    asked = {(method, path) for path, methods in described.items() for method in methods}

    assert len(asked) > 5
    for method, path in asked | {("get", path) for path in ("/", "/static/page.css", "/data/me", "/openapi.json")}:
        assert page.client.request(method, path).status_code == 401, path


def test_recordings_are_found(page: Page) -> None:
    """The table shows burdens, finds by part of a name, and filters; text that looks like SQL is only text."""
    page.plant.recording("ward/<img src=x onerror=alert(1)>", 0)

    everything = page.get("/data/recordings")
    assert everything["n_found"] == 2
    found = page.get("/data/recordings", search="SYN")["recordings"]
    assert [row["recording_id"] for row in found] == [RECORDING]
    assert found[0]["n_beats"] == len(page.beats)
    assert found[0]["n_unsure"] == 1
    assert page.get("/data/recordings", search="%' OR 1=1 --")["n_found"] == 0
    assert [row["recording_id"] for row in page.get("/data/recordings", only="unlabelled")["recordings"]] != [RECORDING]
    assert page.get("/data/recordings", only="review")["n_found"] == 1
    assert page.get("/data/recording", id=RECORDING)["annotated"] is True


def test_strip_shows_the_signal(page: Page) -> None:
    """A close view brings samples and beats, a far one extremes, and neither more than 200 kB."""
    near = page.get("/data/strip", id=RECORDING, start_s=10, stop_s=13)
    rate = page.recording.sampling_frequency
    start = near["leads"][0]["start"]

    lead = page.recording.lead_names.index(near["leads"][0]["name"])
    expected = np.rint(page.recording.signals.read(start, start + 100)[:, lead] * 1000).astype(int)
    assert near["leads"][0]["values"][:100] == expected.tolist()
    samples = page.beats.r_peak_sample
    inside = samples[(samples >= int(10 * rate)) & (samples <= int(13 * rate))]
    assert near["beats"]["r_peak_sample"] == inside.tolist()
    far = page.client.get(
        "/data/strip",
        params={"id": RECORDING, "start_s": 0, "stop_s": 120, "columns": 4096, "leads": 4},
        headers=SIGNED_IN,
    )
    assert len(far.content) < 200_000
    assert (
        page.client.get(
            "/data/strip", params={"id": RECORDING, "start_s": 9, "stop_s": 9}, headers=SIGNED_IN
        ).status_code
        == 422
    )
    assert page.client.get("/data/strip", params={"id": "ward/none"}, headers=SIGNED_IN).status_code == 404


def test_jumps_find_the_next_of_a_kind(page: Page) -> None:
    """One jumps to the next beat of a class or to one the model was not sure of, and back."""
    samples, classes = page.beats.r_peak_sample, page.beats.reference
    first_v = int(samples[np.flatnonzero(classes == 2)[0]])

    assert page.get("/data/jump", id=RECORDING, sample=0, kind="V")["beat"]["r_peak_sample"] == first_v
    assert page.get("/data/jump", id=RECORDING, sample=0, kind="unsure")["beat"]["r_peak_sample"] == int(samples[3])
    assert page.get("/data/jump", id=RECORDING, sample=first_v, kind="V", direction="previous")["beat"] is None


def test_relatives_look_alike(page: Page) -> None:
    """A beat comes with its shape, the dominant beat, and relatives that look more like it than most."""
    sample = int(page.beats.r_peak_sample[np.flatnonzero(page.beats.reference == 2)[0]])

    found = page.get("/data/beat", id=RECORDING, sample=sample)

    assert found["label"]["class"] == "V"
    assert len(found["window"]) == len(found["dominant"]) == 187
    likenesses = [relative["likeness"] for relative in found["relatives"]]
    assert likenesses == sorted(likenesses, reverse=True)
    assert found["relatives"][0]["class"] == "V"
    assert found["likeness"] < likenesses[0]


def test_review_takes_precedence(page: Page, database: DatabaseUrls) -> None:
    """What a person says is the label from then on, with the model's kept beside it, until it is taken back."""
    sample = int(page.beats.r_peak_sample[3])
    asked = "SELECT class, model_class, reviewed_by FROM current_labels WHERE r_peak_sample = %s"
    assert [beat["r_peak_sample"] for beat in page.get("/data/review/queue")["beats"]] == [sample]

    for said in ("V", "F"):
        answer = page.review(said, sample)
        assert answer.status_code == 200, answer.text

    assert rows(database.reader, asked, (sample,)) == [("F", "S", "nurse")]
    assert page.get("/data/review/queue")["n_waiting"] == 0
    assert page.get("/data/reviews")["n"] == 1
    assert page.get("/data/beat", id=RECORDING, sample=sample)["label"]["reviewed_by"] == "nurse"
    page.review(None, sample)
    assert rows(database.reader, asked, (sample,)) == [("S", "S", None)]
    history = "SELECT class, reviewed_by, withdrawn_by FROM heartwave.beat_reviews ORDER BY review_id"
    assert rows(database.owner, history) == [("V", "nurse", "nurse"), ("F", "nurse", "nurse")]


def test_reviews_are_refused(page: Page, database: DatabaseUrls) -> None:
    """Viewers, other sites and forms cannot review; nor can one review a beat that is not there."""
    sample = int(page.beats.r_peak_sample[3])

    assert page.review("V", sample, **{"x-test-user": "viewer"}).status_code == 403
    assert page.review("V", sample, origin="https://elsewhere.example").status_code == 403
    body = {"recording_id": RECORDING, "r_peak_sample": sample, "class": "V"}
    assert page.client.post("/data/reviews", json=body, headers=SIGNED_IN).status_code == 403
    assert page.review("V", sample + 1).status_code == 404
    assert page.review("X", sample).status_code == 422
    assert rows(database.owner, "SELECT count(*) FROM heartwave.beat_reviews") == [(0,)]


def test_reviewer_can_only_review(page: Page, database: DatabaseUrls) -> None:
    """The page's role reads views and notes reviews: it can neither touch a label nor rewrite a review."""
    page.review("V", int(page.beats.r_peak_sample[3]))

    for statement in (
        "SELECT FROM heartwave.labels",
        "SELECT FROM heartwave.beat_reviews",
        "DELETE FROM heartwave.beat_reviews",
        "UPDATE heartwave.beat_reviews SET reviewed_by = 'somebody else'",
        "INSERT INTO heartwave.promotions (model_version_id, promoted_by, reason) VALUES (1, 'me', 'mine')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            rows(database.reviewer, statement)
    with pytest.raises(errors.InsufficientPrivilege):
        rows(database.reader, "SELECT heartwave.review_beat('a/b', 1, 'V', 'me')")


def test_tonight_tells_how_things_stand(page: Page) -> None:
    """Each beat counts once, however often it was labelled; models are listed without any evaluation, too."""
    (revision,) = (one.revision_id for one in page.plant.store.annotated_revisions())
    page.plant.score(revision, page.plant.model(2), _labels(page.beats))
    found = page.get("/data/tonight")

    assert found["counts"]["n_recordings"] == found["labelled"]["n_recordings"] == 1
    assert found["labelled"]["n_beats"] == len(page.beats)
    assert found["labelled"]["n_labels"] == 2 * len(page.beats)
    assert found["champion"]["model_version"] == 1
    assert [night["n_beats"] for night in found["nights"]] == [len(page.beats)]
    assert page.get("/data/models")["evaluations"] == []
    assert page.client.get("/data/models/7/report", headers=SIGNED_IN).status_code == 404


def test_tonight_shows_what_waits_for_people(page: Page) -> None:
    """A challenger that passed the gate waits until somebody decides; labels held back say why and are not shown."""
    plant = page.plant
    compared = plant.store.save_comparison(
        ComparisonRow(
            model_version_id=plant.model(2),
            champion_id=plant.model(1),
            protocol="patient_folds",
            dag_run_id="manual__1",
            n_beats=100,
            n_patients=5,
            passed=True,
            reasons="Better.",
            figures=[],
        )
    )
    odd = plant.recording("ward/odd", 2)
    plant.store.save_labels(scoring_row(odd, plant.model(1)), labels_of("VV", [1, 2]), ["100 % of the beats are V."])

    found = page.get("/data/tonight")
    assert found["challenger"]["model_version"] == 2
    assert [(row["recording_id"], row["reasons"]) for row in found["held"]] == [
        ("ward/odd", ["100 % of the beats are V."])
    ]
    listed = page.get("/data/recordings", only="held")["recordings"]
    assert [(row["recording_id"], row["n_normal"]) for row in listed] == [("ward/odd", None)]
    plant.store.save_decision(compared, approved=False, by="Ada", note="too few patients")
    assert page.get("/data/tonight")["challenger"] is None
    assert page.get("/data/models")["comparisons"][0]["decided_by"] == "Ada"


def test_a_recordings_episodes_are_listed(page: Page) -> None:
    """Runs, couplets and pauses of three seconds are listed, longest first, and `run` jumps to a run's first beat."""
    revision = page.plant.recording("ward/runs", 9)
    times = [1.0, 2.0, 2.4, 2.8, 3.2, 4.0, 8.0, 8.4, 9.0]
    page.plant.score(revision, page.plant.model(1), labels_of("NVVVVNVVN", times))

    found = page.get("/data/episodes", id="ward/runs")["episodes"]

    assert [(one["kind"], one["n_beats"]) for one in found] == [("run", 4), ("pause", 1), ("couplet", 2)]
    jumped = page.get("/data/jump", id="ward/runs", sample=0, kind="run")["beat"]
    assert jumped["r_peak_sample"] == found[0]["first_sample"]
    assert page.get("/data/jump", id="ward/runs", sample=jumped["r_peak_sample"], kind="run")["beat"] is None
    assert page.get("/data/jump", id="ward/runs", sample=0, kind="pause")["beat"]["r_peak_sample"] == 8 * 360
    assert page.get("/data/jump", id="ward/runs", sample=8 * 360, kind="pause")["beat"] is None
    assert [row["recording_id"] for row in page.get("/data/recordings", only="runs")["recordings"]] == ["ward/runs"]


def test_no_pause_reaches_across_what_cannot_be_read(page: Page) -> None:
    """After a beat without a class, and where there is no interval, the page finds no pause; nor does the filter."""
    batch = labels_of("NNNNNN", [1.0, 2.0, 6.0, 7.0, 107.0, 108.0])
    batch.class_ids[1] = NO_CLASS  # noise before the first gap
    batch.rr_previous_s[4] = np.nan  # flutter in the second
    page.plant.score(page.plant.recording("ward/flutter", 6), page.plant.model(1), batch)

    assert page.get("/data/episodes", id="ward/flutter")["episodes"] == []
    assert page.get("/data/jump", id="ward/flutter", sample=0, kind="pause")["beat"] is None
    assert page.get("/data/recordings", only="pauses")["n_found"] == 0
    (found,) = page.get("/data/recordings", search="flutter")["recordings"]
    assert (found["n_pauses"], found["longest_rr_s"]) == (0, 1.0)
    assert page.get("/data/tonight")["labelled"]["n_unclassifiable"] == 1


def test_the_paper_marks_what_the_database_knows(page: Page) -> None:
    """Couplets come with the stretch they reach into, and no others; beats without a class come without one."""
    samples = page.beats.r_peak_sample
    for place in (40, 41):
        page.review("V", int(samples[place]))
    rate = page.recording.sampling_frequency
    start, stop = samples[40] / rate, samples[41] / rate

    near = page.get("/data/strip", id=RECORDING, start_s=start - 1, stop_s=stop + 1)

    assert [(one["kind"], one["n_beats"]) for one in near["episodes"]] == [("couplet", 2)]
    assert near["episodes"][0]["start_s"] == pytest.approx(start)
    assert page.get("/data/strip", id=RECORDING, start_s=stop + 1, stop_s=stop + 4)["episodes"] == []


def test_hours_are_told_one_by_one(page: Page) -> None:
    """Every hour has its beats, rate, burden, runs and pauses; one without beats is there, and empty."""
    times = [10.0, 10.8, 11.2, 11.6, 12.4, 7_201.0, 7_202.0, 7_206.0]
    batch = labels_of("NVVVNNNN", times)
    batch.rr_previous_s[5] = np.nan
    revision = page.plant.recording("ward/long", 8, duration_s=3 * 3600.0, noisy_minutes=[70, 71])
    page.plant.score(revision, page.plant.model(1), batch)

    found = page.get("/data/hours", id="ward/long")

    assert found["hour"] == [0, 1, 2]
    assert found["n_beats"] == [5, None, 3]
    assert found["ventricular_percent"] == [60.0, None, 0.0]
    assert (found["n_runs"], found["n_pauses"]) == ([1, 0, 0], [0, 0, 1])
    assert page.get("/data/hours", id="ward/none")["hour"] == []


def test_whole_recording_at_a_glance(page: Page) -> None:
    """The overview counts every beat once."""
    found = page.get("/data/overview", id=RECORDING, buckets=40)

    assert sum(found["n"]) == len(page.beats)
    assert sum(found["v"]) == int((page.beats.reference == 2).sum())


def test_charts_are_drawn_in_the_pages_colours(page: Page) -> None:
    """Charts are SVG in the colours of the theme that asks, and run no script."""
    evaluation = evaluation_of({"ward/a": [[90, 1], [2, 7]], "ward/b": [[80, 0], [0, 9]]})
    page.plant.store.save_evaluation(to_rows(page.plant.model(1), evaluation))
    for theme, size, colour in (("light", "wide", "#4a5766"), ("dark", "narrow", "#b3bfcb")):
        answer = page.client.get("/data/charts/classes", params={"theme": theme, "size": size}, headers=SIGNED_IN)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert colour in answer.text
        assert "version 1" in answer.text


def test_noise_is_told(page: Page) -> None:
    """Recordings are found by their noisy minutes, with the quality of the lead they are classified by."""
    page.plant.recording(
        "ward/noisy",
        0,
        duration_s=180.0,
        leads=("I", "II"),
        analysis_lead="II",
        minute_quality=[[90, 90, 90], [80, 10, 60]],
        noisy_minutes=[1],
        n_unclassifiable=70,
    )

    found = page.get("/data/recordings", only="noise")["recordings"]

    assert [(row["recording_id"], row["quality_percent"], row["n_unclassifiable"]) for row in found] == [
        ("ward/noisy", 50.0, 70)
    ]
    assert page.get("/data/overview", id="ward/noisy")["noisy_minutes"] == [1]
    assert page.get("/data/overview", id=RECORDING)["noisy_minutes"] == []
    assert page.get("/data/tonight")["population"] == []


def test_answers_are_sealed(page: Page) -> None:
    """Every answer, errors too, forbids foreign scripts, frames and guessing of types; files stay in their folder."""
    for path in ("/", "/data/me", "/data/recording?id=ward/none", "/static/js/page.js"):
        headers = page.client.get(path, headers=SIGNED_IN).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    for path in (
        "/static/..%2fapplication.py",
        "/static/../application.py",
        "/static/%2e%2e/guards.py",
        "/static//etc/passwd",
    ):
        assert page.client.get(path, headers=SIGNED_IN).status_code == 404


def test_large_bodies_are_refused(page: Page) -> None:
    """A body over the limit is refused before it is read, announced or not."""
    announced = page.client.post("/data/me", content=b"x" * (MAX_BODY_BYTES + 1), headers=SIGNED_IN)

    assert announced.status_code == 413


def test_rate_is_limited() -> None:
    """Whoever asks too often waits; others do not."""
    limit = RateLimit(per_second=2, burst=3)
    for _ in range(3):
        limit.take("busy", now=0.0)
    with pytest.raises(HTTPException) as refusal:
        limit.take("busy", now=0.1)

    assert refusal.value.status_code == 429
    limit.take("calm", now=0.1)
    limit.take("busy", now=1.0)


def test_validation_errors_teach(page: Page) -> None:
    """A wrong question is told what was expected, where, and how many; nobody classifies before there is a model."""
    beat = [0.0] * 187
    for body, told in (
        ({"beats": [beat[:180]]}, "187"),
        ({"beats": []}, "at least 1"),
        ({"beats": [[99.0] * 187]}, "32.767"),
        ({"beats": [beat, beat], "context": [[None] * len(CONTEXT_FEATURES)]}, "2 beats and 1 rows of context"),
        ({"beats": [beat], "colour": "red"}, "colour"),
    ):
        answer = page.client.post("/api/classify", json=body, headers=SIGNED_IN)
        assert answer.status_code == 422
        assert told in answer.text
        assert len(answer.content) < 5_000


def test_loose_beats_are_laid_out() -> None:
    """What is not known of a loose beat is missing, not zero; beats stand for themselves unless told otherwise."""
    context: list[float | None] = [None] * len(CONTEXT_FEATURES)
    context[1] = 0.5
    apart = LooseBeats(beats=[[0.001] * 187, [0.0] * 187], context=[context, context]).laid_out()
    together = LooseBeats(beats=[[0.0] * 187] * 2, same_recording=True).laid_out()

    assert len(set(apart.recording_id)) == 2
    assert len(set(together.recording_id)) == 1
    assert apart.window[0].tolist() == [1] * 187
    assert apart.context[0, 1] == 0.5
    assert np.isnan(apart.context[0, [0, 2]]).all()
    assert np.isnan(together.context).all()


def test_labels_come_in_pages(page: Page) -> None:
    """The API hands out labels a page at a time, in order, each once; burdens add up; metrics name no recording."""
    found: list[int] = []
    after: int | None = -1
    while after is not None:
        answer = page.get("/api/labels", id=RECORDING, after_sample=after, limit=40)
        found += [label["r_peak_sample"] for label in answer["labels"]]
        after = answer["next"]

    assert found == page.beats.r_peak_sample.tolist()
    assert page.get("/api/burden", id=RECORDING)["recording"]["n_beats"] == len(found)
    assert page.get("/api/health")["loaded_version"] is None
    text = page.client.get("/api/metrics", headers=SIGNED_IN).text
    assert 'route="/api/labels"' in text
    assert "syn000" not in text


def test_a_moment_fixes_the_reviews(page: Page) -> None:
    """A retraining that began before a review was taken back still sees it, however often it asks."""
    sample = int(page.beats.r_peak_sample[3])
    page.review("V", sample)
    moment = datetime.now(UTC)
    page.review(None, sample)

    seen = page.plant.store.reviews_at(moment)

    assert [(one.recording_id, one.r_peak_sample, one.beat_class) for one in seen] == [(RECORDING, sample, "V")]
    assert page.plant.store.reviews_at(datetime.now(UTC)) == []


def test_a_day_opens_at_once_and_pans_smoothly(page: Page, tmp_path: Path) -> None:
    """A recording of 24 hours and 100 000 beats: first strip below 1 s, panning below 50 ms, no view above 200 kB."""
    rate, name = 360, "ward/day"
    signal = np.tile(page.recording.signals.read(0, 100 * rate)[:, :1], (864, 1))
    key = lake.beats_key(name, sha256(name))
    settings: Settings = page.app.state.settings
    strip = tmp_path / "strip"
    write_strip(strip, SignalsInMemory(signal), float(rate), ("MLII",), (0,))
    s3_client(settings).put_object(Bucket=settings.lake_bucket, Key=strip_key(key), Body=strip.read_bytes())
    n_beats = 100_000
    times = np.linspace(1, 86_390, n_beats)
    revision = page.plant.recording(
        name, n_beats, beats_key=key, n_samples=len(signal), duration_s=86_400.0, sampling_frequency=float(rate)
    )
    page.plant.score(revision, page.plant.model(1), labels_of("NNNNNNNNNV" * (n_beats // 10), times.tolist()))

    def view(start_s: float, span_s: float, tries: int = 1) -> tuple[float, int]:
        """Return the seconds it took, of the quickest try: the others waited for the machine, not for the page."""
        asked = {"id": name, "start_s": start_s, "stop_s": start_s + span_s, "columns": 2_800, "leads": 2}
        seconds = []
        for _ in range(tries):
            begun = time.perf_counter()
            answer = page.client.get("/data/strip", params=asked, headers=SIGNED_IN)
            seconds.append(time.perf_counter() - begun)
            assert answer.status_code == 200, answer.text
        return min(seconds), len(answer.content)

    begun = time.perf_counter()
    page.get("/data/recording", id=name)
    view(0, 20)
    first_s = time.perf_counter() - begun
    frames = [view(start, span, 3) for span in (20, 600, 7_200, 43_200) for start in np.linspace(0, 43_000, 8)]

    median_s, largest = float(np.median([seconds for seconds, _ in frames])), max(size for _, size in frames)
    logger.info(
        "first strip %.2f s; panning %.0f ms in the middle, %.0f kB at most",
        first_s,
        1000 * median_s,
        largest / 1000,
    )
    assert first_s < 1
    assert median_s < 0.05
    assert largest < 200_000
