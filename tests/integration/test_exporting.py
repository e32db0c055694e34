"""`heartwave export` and `heartwave held`, as people run them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb

from heartwave_tasks.cli.app import main
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.stores.annotation_files import ANNOTATOR
from tests.integration.planting import labels_of, random_labels, rows, scoring_row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter


@pytest.fixture(autouse=True)
def settings(database: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The database's URLs, where the commands look for them."""
    monkeypatch.setenv("HEARTWAVE_HOME", str(tmp_path))
    monkeypatch.setenv("HEARTWAVE_READER_DATABASE_URL", database.reader)
    monkeypatch.setenv("HEARTWAVE_DATABASE_URL", database.writer)


def command(*arguments: str) -> int:
    """Run `heartwave` and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


@pytest.mark.parametrize("sampling_frequency", [360.0, 128.0, 250.5])
def test_wfdb_reads_the_labels_back_beat_for_beat(plant: Planter, tmp_path: Path, sampling_frequency: float) -> None:
    """Every beat is there at its sample with its class, across silences of hours, and nothing else is."""
    labels = random_labels(3_000)
    labels.r_peak_sample[1_500:] += 40_000_000  # a day at 360 Hz and more
    revision_id = plant.recording("clinic/ward/a", 3_000, sampling_frequency=sampling_frequency)
    plant.score(revision_id, plant.model(1, promoted=True), labels)

    assert command("export", "clinic/ward/a", "--format", "wfdb", "-o", str(tmp_path / "out")) == 0

    read = wfdb.rdann(str(tmp_path / "out" / "a"), ANNOTATOR)
    np.testing.assert_array_equal(read.sample, labels.r_peak_sample)
    assert read.symbol == [CLASSES[class_id] for class_id in labels.class_ids]
    assert read.fs == pytest.approx(sampling_frequency)
    assert not any(read.subtype)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"a.{ANNOTATOR}"]


def test_reviewed_beats_carry_the_reviewers_class(plant: Planter, database: DatabaseUrls, tmp_path: Path) -> None:
    """A reviewed beat has the class people gave it, subtype 1, and a note with the model's."""
    plant.score(plant.recording("clinic/a", 3), plant.model(1, promoted=True), labels_of("NVN", [1, 2, 3]))
    rows(database.reviewer, "SELECT heartwave.review_beat('clinic/a', 720, 'S', 'dr. b')")

    assert command("export", "clinic/a", "-o", str(tmp_path)) == 0

    read = wfdb.rdann(str(tmp_path / "a"), ANNOTATOR)
    assert read.symbol == ["N", "S", "N"]
    assert list(read.subtype) == [0, 1, 0]
    assert [note.rstrip("\0") for note in read.aux_note] == ["", "reviewed, model V", ""]


def test_csv_and_json_have_every_column(plant: Planter, database: DatabaseUrls, tmp_path: Path) -> None:
    """Both hold what current_labels holds of the recording, and an export over an old one replaces it."""
    model_version_id = plant.model(1, promoted=True)
    for name, n_labels in (("a", 40), ("b", 5)):
        plant.score(plant.recording(f"clinic/{name}", n_labels), model_version_id, random_labels(n_labels))
    columns = [
        name
        for (name,) in rows(
            database.reader,
            "SELECT attname FROM pg_attribute WHERE attrelid = "
            "'current_labels'::regclass AND attnum > 0 ORDER BY attnum",
        )
    ]
    for output in ("csv", "json", "csv"):
        assert command("export", "clinic/a", "--format", output, "-o", str(tmp_path)) == 0

    with (tmp_path / "a.csv").open() as file:
        header, *read = csv.reader(file)
    objects = json.loads((tmp_path / "a.json").read_text())
    assert header == columns == list(objects[0])
    assert [int(row[header.index("r_peak_sample")]) for row in read] == [row["r_peak_sample"] for row in objects]
    assert len(objects) == 40


def test_nothing_to_export_is_told_with_the_reason(
    plant: Planter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown recording, one without labels, and one whose labels are held each get their own sentence."""
    model_version_id = plant.model(1, promoted=True)
    plant.recording("clinic/unlabelled", 1)
    row = scoring_row(plant.recording("clinic/held", 1), model_version_id)
    plant.store.save_labels(row, labels_of("V", [1]), ["100 % of the beats are V."])

    for name, told in (("unknown", "There is no recording"), ("unlabelled", "run score"), ("held", "held release 1")):
        assert command("export", f"clinic/{name}", "-o", str(tmp_path / "out")) == 1
        assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_held_labels_are_listed_and_released(
    plant: Planter, database: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list says what and why; a release publishes exactly those named, and an unknown number none."""
    model_version_id = plant.model(1, promoted=True)
    for name in "ab":
        row = scoring_row(plant.recording(f"clinic/{name}", 1), model_version_id)
        plant.store.save_labels(row, labels_of("V", [1]), ["100 % of the beats are V."])

    assert command("held", "list") == 0
    listed = capsys.readouterr().out
    assert "clinic/a" in listed
    assert "100 % of the beats are V." in listed
    assert "2 held" in listed
    assert command("held", "release", "1", "77") == 1
    assert "Not held: 77" in capsys.readouterr().err
    assert command("held", "release") == 1
    assert rows(database.reader, "SELECT count(*)::int FROM current_labels") == [(0,)]

    assert command("held", "release", "1") == 0

    assert rows(database.reader, "SELECT recording_id FROM current_labels") == [("clinic/a",)]
