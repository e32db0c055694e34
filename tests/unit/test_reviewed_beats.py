"""What people say of beats is what a model learns, and more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg.beats import segment
from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
from heartwave_tasks.stores.predictions import BeatReview
from heartwave_tasks.synthetic import write_recordings
from tests.unit.wfdb_files import read_record

if TYPE_CHECKING:
    from heartwave_tasks.ecg.beats import Beats


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Beats:
    """A minute of a synthetic recording."""
    directory = tmp_path_factory.mktemp("records")
    name = write_recordings(directory, count=1, duration_s=60, seed=2)[0]
    return segment(read_record(directory, f"ward/{name}"))


def reviewed_beats(beats: Beats, *rows_and_classes: tuple[int, str]) -> ReviewedBeats:
    """Review some rows, and one beat that is nowhere to be found."""
    name = str(beats.recording_id[0])
    reviews = [BeatReview(name, "key", "hash", int(beats.r_peak_sample[row]), said) for row, said in rows_and_classes]
    return ReviewedBeats.of([*reviews, BeatReview("ward/other", "key", "hash", 1, "V")])


def test_reviews_become_the_reference(beats: Beats) -> None:
    """A reviewed beat's reference is what the reviewer says, in both schemes; every other row is as it was."""
    found = reviewed_beats(beats, (4, "F"), (9, "S")).laid_over(beats)

    assert (found.reference[4], found.heartwave5[4]) == (3, 3)
    assert (found.reference[9], found.heartwave5[9]) == (1, 1)
    others = np.delete(np.arange(len(beats)), [4, 9])
    assert (found.reference[others] == beats.reference[others]).all()
    assert found.reference.dtype == beats.reference.dtype


def test_reviewed_beats_count_more_than_once(beats: Beats) -> None:
    """A weight of five puts four more copies of a reviewed beat at the end, unless its reference is hidden."""
    reviewed = reviewed_beats(beats, (4, "F"))

    assert reviewed.rows(reviewed.laid_over(beats), 5)[len(beats) :].tolist() == [4] * 4
    assert reviewed.rows(beats, 1).tolist() == list(range(len(beats)))
    hidden = reviewed.laid_over(beats)
    hidden.reference[4] = -1
    assert len(reviewed.rows(hidden, 5)) == len(beats)


def test_reviews_are_part_of_the_digest(beats: Beats) -> None:
    """Other reviews are other training data; none leave the digest of the beats alone."""
    assert ReviewedBeats.of([]).digest("beats") == "beats"
    assert len({reviewed_beats(beats, (4, said)).digest("beats") for said in "FV"} | {"beats"}) == 3
