"""Coverage-guided fuzzing of the reading room with atheris (``make fuzz-guided``).

The first byte of an input chooses a sound recording and one of its files, the rest is that file's content. Allowed is
to be read, or to be refused; any other exception, a hang or a burst of memory is a finding, whose input libFuzzer
writes down. What it finds becomes a test in `tests/unit/test_fuzzing.py`.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["heartwave_tasks.stores", "heartwave_tasks.ecg.recordings", "wfdb"]):
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival, RecordingProblem
    from heartwave_tasks.stores.record_formats import read_recording

from tests.fuzzing.seeds import PLANTED, Files, draw_seeds

LIMITS = Settings(max_header_bytes=1 << 16, max_samples=200_000, max_segments=20, max_leads=16)
_OPTIONS = ("-max_len=40000", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1")


def targets(seeds: dict[str, Files]) -> list[tuple[Files, str]]:
    """Return the files worth writing anew, each with the recording it is of: all but long signals."""
    return [
        (files, name)
        for _, files in sorted(seeds.items())
        for name in sorted(files)
        if not name.endswith((".dat", ".csv")) or len(files[name]) < 10_000
    ]


def read(directory: Path, files: Files, name: str, content: bytes) -> None:
    """Read a recording of which one file is replaced; raises what nobody expected."""
    for other, sound in files.items():
        (directory / other).write_bytes(sound)
    (directory / name).write_bytes(content)
    try:
        recording = read_recording(Arrival.of(directory, "fuzz/r"), LIMITS)
        signals = recording.signals
        assert signals.read(0, signals.n_samples).shape == (signals.n_samples, signals.n_leads)
        assert signals.n_samples * signals.n_leads <= LIMITS.max_samples
    except RecordingProblem as refusal:
        check(refusal)
    finally:
        for file in directory.iterdir():
            file.unlink()


def check(refusal: RecordingProblem) -> None:
    """Hold a refusal against the promises: it names the recording and no patient."""
    told = f"{refusal.reason} {refusal.remedy}"
    assert refusal.reason.startswith("fuzz/r: ")
    assert not any(word in told for words in PLANTED for word in words.split())


def main() -> None:
    """Fuzz until libFuzzer's options say enough, such as ``-max_total_time=60``."""
    warnings.simplefilter("ignore")
    chosen = targets(draw_seeds(duration_s=10.0))
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as scratch:
        for number, (files, name) in enumerate(chosen):
            Path(corpus, f"{number:03d}").write_bytes(bytes([number]) + files[name])

        def test_one_input(data: bytes) -> None:
            if data:
                files, name = chosen[data[0] % len(chosen)]
                read(Path(scratch), files, name, data[1:])

        atheris.Setup([sys.argv[0], *_OPTIONS, *sys.argv[1:], corpus], test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
