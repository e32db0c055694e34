"""The short form of ``make fuzz``: broken recordings are cut or refused with a reason, and nothing else happens."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzzing.campaign import run_cases
from tests.fuzzing.mutations import MUTATIONS, Case, draw_case
from tests.fuzzing.seeds import Files, draw_seeds


@pytest.fixture(scope="module")
def seeds() -> dict[str, Files]:
    """Sound recordings, one per storage format."""
    return draw_seeds()


def outcomes(cases: list[Case]) -> Counter[str]:
    """What comes of cases, all promises kept."""
    tally = run_cases(cases)
    assert tally.broken == []
    return sum(tally.outcomes.values(), Counter())


def test_sound_recordings_are_cut(seeds: dict[str, Files]) -> None:
    """What the cases are made from is sound: nothing is refused before it is broken."""
    assert outcomes([Case(0, "sound", name, files) for name, files in seeds.items()]) == {"cut into beats": len(seeds)}


def test_broken_recordings_break_nothing(seeds: dict[str, Files]) -> None:
    """Every kind of damage is met, and each case ends well: cut, or refused with a reason that quotes no patient."""
    cases = [draw_case(seeds, 3, number) for number in range(250)]

    found = outcomes(cases)

    assert {case.kind for case in cases} >= set(MUTATIONS)
    assert found.total() == 250
    assert len(found) > 8


def test_a_case_can_be_made_again(seeds: dict[str, Files]) -> None:
    """A case is a function of seed and number alone."""
    assert draw_case(seeds, 3, 17) == draw_case(seeds, 3, 17)
    assert draw_case(seeds, 3, 17) != draw_case(seeds, 3, 18)


HEADERS = {
    "a record that is a segment of itself": (b"r/2 2 360 5400\nr 2700\nr 2700\n", {"unsupported", "bad_header"}),
    "more segments than can be": (b"r/999999999 2 360 5400\nr 2700\n", {"too_large"}),
    "more leads than can be": (b"r 999999999 360 5400\n", {"too_large"}),
    "a million samples a frame": (b"r 1 360 5400\nr.dat 16x1000000 200 12 0 0 0 0 I\n", {"too_large"}),
    "signals in the header itself": (b"r 1 360 20\nr.hea 16 200 12 0 0 0 0 I\n", {"bad_header"}),
    "signals of another machine": (
        b"r 1 360 5400\n//127.0.0.1/x.dat 16 200 12 0 0 0 0 I\n",
        {"unsafe_name", "bad_header"},
    ),
    "signals from the net": (
        b"r 1 360 5400\nhttp://127.0.0.1/x.dat 16 200 12 0 0 0 0 I\n",
        {"unsafe_name", "bad_header"},
    ),
    "signals of this machine": (b"r 1 360 5400\n/etc/passwd 16 200 12 0 0 0 0 I\n", {"unsafe_name", "bad_header"}),
    "an endless gain": (b"r 1 360 5400\nr.dat 16 1e999 12 0 0 0 0 I\n", {"bad_header"}),
    "no rate": (b"r 1 nan 5400\nr.dat 16 200 12 0 0 0 0 I\n", {"bad_header"}),
    "a patient for a rate": (b"r 1 Quandt 5400\nr.dat 16 200 12 0 0 0 0 I\n", {"bad_header"}),
    "nothing": (b"", {"bad_header"}),
    "only a comment": (b"# Zaphiel Quandt\n", {"bad_header"}),
    "no text at all": (bytes(range(256)) * 16, {"bad_header"}),
}
"""Headers that once did harm somewhere, or could."""


def test_headers_made_to_hurt(seeds: dict[str, Files]) -> None:
    """Each is refused for what is wrong with it."""
    sound = seeds["format 16"]

    tally = run_cases(Case(0, name, "format 16", {**sound, "r.hea": header}) for name, (header, _) in HEADERS.items())

    assert tally.broken == []
    wrong = {name: dict(found) for name, found in tally.outcomes.items() if not set(found) <= HEADERS[name][1]}
    assert wrong == {}
