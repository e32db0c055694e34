"""Ways to break a recording: cut off, bits flipped, absurd values, names that lead elsewhere, segments of itself.

A case is a pure function of seed and number, so that any one can be made again: none is stored.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.fuzzing.seeds import PLANTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.fuzzing.seeds import Files

ABSURD: Final = (
    "0", "-1", "1", "-0", "2", "3", "7", "255", "256", "65535", "65536", "-32768", "2147483647", "2147483648",
    "4294967296",
    "9223372036854775807", "9223372036854775808", "1000000000000", "9" * 30, "9" * 4_000, "1e308", "1e309", "-1e309",
    "1e-320", "0.0000001", "nan", "NaN", "inf", "-inf", "Infinity", "0x10", "1_000", "٣", "½", "", " ", "None", "True",
    "1/0", "360/360(0)", "360/1e400(nan)", "200(1e30)/mV", "0/mV", "inf/mV", "nan(0)/mV", "-200/mV", "1e-300/mV",
    "200/kg", "200/°C", "%s%n", "{0}", "$(id)", "\x00", "\x1b[2J", "\ufeff", "ß" * 60,
)  # fmt: skip
STORAGES: Final = (
    "8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524", "0", "999", "-16",
    "16x2", "16x1000000", "16:4294967296", "16+99999999999", "212+-5", "8x0", "16x-1", "80:1e9",
)  # fmt: skip
ELSEWHERE: Final = (
    "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/x.dat", "https://physionet.org/x.dat",
    "s3://bucket/x.dat", "gs://bucket/x", "\\\\host\\share", "C:\\x.dat", "..", ".", "-", "~", "/dev/zero",
    "/proc/self/mem",
    "r.hea", "r.atr", "r", "r.dat/", "./r.dat", "r.dat\x00.txt", "r.dat ", "con", "*", "r?.dat", "a" * 300,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A broken recording: which sound one it was, what was done to it, and its files."""

    number: int
    kind: str
    seed: str
    files: Files


def draw_case(seeds: Mapping[str, Files], seed: int, number: int) -> Case:
    """Return a case by its number: one sound recording with one to three things wrong with it."""
    rng = random.Random(seed * 1_000_003 + number)
    # Of most formats there is one seed, of WFDB one for every way to store samples.
    name = rng.choice([seed for seed in sorted(seeds) for _ in range(1 if seed.startswith("format") else 3)])
    files = dict(seeds[name])
    kinds = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        possible = [kind for kind in sorted(MUTATIONS) if _applies(kind, files)]
        kind = rng.choice(possible or ["a file missing"])
        MUTATIONS[kind](files, rng)
        kinds.append(kind)
    return Case(number, kinds[0] if len(kinds) == 1 else "several", name, files)


def _applies(kind: str, files: Files) -> bool:
    """Tell whether there is anything for a kind of damage to damage."""
    suffixes = ONLY.get(kind)
    return suffixes is None or any(content for name, content in files.items() if name.endswith(suffixes))


def _pick(files: Files, rng: random.Random, *suffixes: str) -> str | None:
    names = sorted(name for name in files if not suffixes or name.endswith(suffixes))
    return rng.choice(names) if names else None


def _truncate(files: Files, rng: random.Random) -> None:
    if name := _pick(files, rng):
        files[name] = files[name][: rng.choice((0, 1, 2, 3, rng.randrange(len(files[name]) + 1)))]


def _flip(files: Files, rng: random.Random) -> None:
    name = _pick(files, rng)
    if name and files[name]:
        content = bytearray(files[name])
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        files[name] = bytes(content)


def _garbage(files: Files, rng: random.Random) -> None:
    if name := _pick(files, rng):
        content, place = files[name], rng.randrange(len(files[name]) + 1)
        files[name] = content[:place] + rng.randbytes(rng.choice((1, 4, 100, 5_000))) + content[place:]


def _replace(files: Files, rng: random.Random) -> None:
    if name := _pick(files, rng, ".dat", ".atr", ".edf", ".csv"):
        n = len(files[name])
        files[name] = rng.choice((bytes(n), b"\xff" * n, rng.randbytes(n), b"\x00\x80" * (n // 2), files[name] * 3))


def _words(change: Callable[[list[list[str]], random.Random], None]) -> Callable[[Files, random.Random], None]:
    """Make a change to a header's lines of words a mutation."""

    def mutate(files: Files, rng: random.Random) -> None:
        if name := _pick(files, rng, ".hea"):
            lines = [line.split(" ") for line in files[name].decode("utf-8", "surrogateescape").split("\n")]
            change(lines, rng)
            files[name] = "\n".join(" ".join(words) for words in lines).encode("utf-8", "surrogateescape")

    return mutate


def _absurd_value(lines: list[list[str]], rng: random.Random) -> None:
    words = rng.choice([line for line in lines if line] or [[""]])
    if words:
        words[rng.randrange(len(words))] = rng.choice(ABSURD)


def _absurd_claim(lines: list[list[str]], rng: random.Random) -> None:
    place = rng.randrange(1, 5)
    if len(lines[0]) > place:
        lines[0][place] = rng.choice(ABSURD)


def _other_storage(lines: list[list[str]], rng: random.Random) -> None:
    storage = rng.choice(STORAGES)
    for words in lines[1:3]:
        if len(words) > 1 and rng.random() < 0.8:
            words[1] = storage


def _lead_elsewhere(lines: list[list[str]], rng: random.Random) -> None:
    words = rng.choice(lines[:3])
    words[0] = rng.choice(ELSEWHERE)


def _structure(lines: list[list[str]], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    choice = rng.randrange(6)
    if choice == 0:
        del lines[place]
    elif choice == 1:
        lines.insert(place, list(lines[rng.randrange(len(lines))]))
    elif choice == 2:
        lines[place] = lines[place] * rng.choice((2, 1_000))
    elif choice == 3:
        lines.extend([["#", "x" * 80]] * rng.choice((10, 20_000)))
    elif choice == 4:
        rng.shuffle(lines)
    else:
        lines[:] = [[word for line in lines for word in line]]


def _segments(lines: list[list[str]], rng: random.Random) -> None:
    """Make the record one of segments: of itself, of nothing, of far too many."""
    n = rng.choice(("0", "1", "2", "3", "99999999", "-1", "1000000000000"))
    body = rng.choice(([["r", "5400"]] * 3, [["~", "5400"]], [["r/2", "100"]], [["../r", "5400"]], [["r", "-5"]], []))
    lines[:] = [[f"r/{n}", "2", "360", "5400"], *body]


def _uncomment(lines: list[list[str]], rng: random.Random) -> None:
    """Let a patient's words stand where numbers and names are expected."""
    text = rng.choice(PLANTED).split(" ")
    place = rng.randrange(min(4, len(lines)))
    lines[place] = rng.choice((text, [*text, *lines[place]], [*lines[place][:-1], *text]))


def _many_leads(lines: list[list[str]], rng: random.Random) -> None:
    n = rng.choice((3, 12, 64, 65, 5_000))
    if len(lines) > 1 and len(lines[0]) > 1:
        lines[0][1] = str(n)
        lines[1:3] = [list(lines[1]) for _ in range(n)]


def _annotation(files: Files, rng: random.Random) -> None:
    """Write annotations by hand: huge skips, endless notes, unknown codes, times that run backwards."""
    words = []
    for _ in range(rng.choice((1, 5, 500))):
        kind = rng.randrange(5)
        if kind == 0:
            words += [59 << 10, rng.getrandbits(16), rng.getrandbits(16)]
        elif kind == 1:
            words += [63 << 10 | rng.getrandbits(10)]
        elif kind == 2:
            words += [rng.choice((60, 61, 62)) << 10 | rng.getrandbits(10)]
        else:
            words += [rng.randrange(64) << 10 | rng.randrange(1024)]
    body = b"".join(word.to_bytes(2, "little") for word in words)
    files["r.atr"] = body + rng.choice((b"\x00\x00", b"", b"\x00"))


def _edf_field(files: Files, rng: random.Random) -> None:
    """Write something absurd into a field of an EDF header: of the file, or of one of its signals."""
    if name := _pick(files, rng, ".edf"):
        content = bytearray(files[name])
        n_signals = 3
        fields = [(8, 80), (88, 80), (168, 8), (176, 8), (184, 8), (192, 44), (236, 8), (244, 8), (252, 4)]
        at = 256
        for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
            fields += [(at + width * signal, width) for signal in range(n_signals)]
            at += width * n_signals
        for _ in range(rng.choice((1, 1, 3))):
            start, width = rng.choice(fields)
            value = rng.choice((*ABSURD, *ELSEWHERE, *PLANTED)).encode("latin-1", "replace")[:width]
            content[start : start + width] = value.ljust(width)
        files[name] = bytes(content)


def _edf_time(files: Files, rng: random.Random) -> None:
    """Let a data record begin at an absurd time."""
    if name := _pick(files, rng, ".edf"):
        time = rng.choice((b"+0", b"-5", b"+999999999999", b"+1e9", b"nan", b"+3.25", b"", b"Quandt"))
        places = [found.start() for found in re.finditer(rb"\+\d+(\.\d+)?\x14\x14", files[name])]
        if places:
            start = rng.choice(places)
            end = files[name].index(b"\x14", start)
            told = time.ljust(end - start, b"\0")[: end - start] if rng.random() < 0.5 else time
            files[name] = files[name][:start] + told + files[name][end:]


def _csv_value(files: Files, rng: random.Random) -> None:
    """Write something absurd into cells of a table."""
    if name := _pick(files, rng, ".csv"):
        lines = files[name].split(b"\n")
        for _ in range(rng.choice((1, 1, 5))):
            place = rng.choice((0, 1, rng.randrange(len(lines))))
            cells = lines[min(place, len(lines) - 1)].split(b",")
            value = rng.choice((*ABSURD, *PLANTED, '"', "'", '"a\nb"', ",,,", "1;2", "=1+1", "1e400", "-"))
            cells[rng.randrange(len(cells))] = value.encode("utf-8", "replace")
            lines[min(place, len(lines) - 1)] = b",".join(cells)
        files[name] = b"\n".join(lines)


def _sidecar_value(files: Files, rng: random.Random) -> None:
    """Make a sidecar say something absurd, or nothing that can be read."""
    if name := _pick(files, rng, ".json"):
        absurd = rng.choice((*ABSURD[:40], *PLANTED, -1, 0, 1e308, None, [], {}, True, "NaN", 1_000_000))
        told = rng.choice(
            (
                {"sampling_frequency": absurd, "leads": {"V1": "mV"}},
                {"sampling_frequency": 360, "leads": {"V1": absurd}},
                {"sampling_frequency": 360, "leads": {str(absurd): "mV"}},
                {"sampling_frequency": 360, "leads": absurd},
                {"sampling_frequency": 360, "leads": {f"V{number}": "mV" for number in range(5_000)}},
                {"sampling_frequency": 360, "leads": {PLANTED[0]: "mV"}},
                absurd,
            )
        )
        files[name] = rng.choice((json.dumps(told), "[" * 100_000, json.dumps(told)[:-3], '{"a":' * 5_000)).encode()


def _missing(files: Files, rng: random.Random) -> None:
    if name := _pick(files, rng):
        del files[name]


def _swap(files: Files, rng: random.Random) -> None:
    first, second = _pick(files, rng), _pick(files, rng)
    if first and second:
        files[first], files[second] = files[second], files[first]


MUTATIONS: Final[dict[str, Callable[[Files, random.Random], None]]] = {
    "cut off": _truncate,
    "bits flipped": _flip,
    "garbage inserted": _garbage,
    "signals replaced": _replace,
    "absurd value": _words(_absurd_value),
    "absurd first line": _words(_absurd_claim),
    "another storage format": _words(_other_storage),
    "names that lead elsewhere": _words(_lead_elsewhere),
    "lines lost, doubled, joined": _words(_structure),
    "segments, of itself too": _words(_segments),
    "a patient's words for values": _words(_uncomment),
    "many leads": _words(_many_leads),
    "annotations made up": _annotation,
    "an EDF field": _edf_field,
    "an EDF time": _edf_time,
    "a cell of a table": _csv_value,
    "a sidecar": _sidecar_value,
    "a file missing": _missing,
    "files swapped": _swap,
}

ONLY: Final = {
    **dict.fromkeys(
        (
            "absurd value", "absurd first line", "another storage format", "names that lead elsewhere",
            "lines lost, doubled, joined", "segments, of itself too", "a patient's words for values", "many leads",
        ),
        (".hea",),
    ),
    "cut off": ("",),
    "an EDF field": (".edf",),
    "an EDF time": (".edf",),
    "a cell of a table": (".csv",),
    "a sidecar": (".json",),
}  # fmt: skip
"""Kinds of damage that need files of a kind, with something in them."""
