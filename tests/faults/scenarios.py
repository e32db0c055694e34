"""What goes wrong, one function each: it disturbs a run at an instant that ``rng`` draws, and says what it did.

A stage is hit exactly without a hook in the code that is tested: a proxy holds the very request by which the task would
leave the stage, and then the task is killed. Where a stage leaves no trace on the wire the task is frozen first, looked
at, and killed only if it is where it should be.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.faults.laboratory import REPLACED, S3_TIMEOUT_S
from tests.faults.proxy import Cuts, Fault, Hold, Silence, Unavailable

if TYPE_CHECKING:
    import random

    from tests.faults.labels import Comparison
    from tests.faults.laboratory import Laboratory
    from tests.faults.victims import Victim

READ: Final = b"/beats/segmenter"
"""In the request for a recording's beats, or the one that writes them."""

LEDGER: Final = b"INSERT INTO heartwave.scorings"
COPY: Final = b"COPY heartwave.labels"
COMMIT: Final = b"COMMIT\0"
REVISION: Final = b"INSERT INTO heartwave.recording_revisions"

_REACHED_S: Final = 300.0
_BYTES_PER_LABEL: Final = 120  # at least; a row of COPY's binary form has 143 when nothing is missing
_MOST_DRAWS: Final = 30


@dataclass(frozen=True)
class Outcome:
    """What was done to a run, whether the run itself got over it, and what its labels are after it was repeated."""

    told: str
    survived: bool
    comparison: Comparison


Scenario = "Callable[[Laboratory, random.Random], Outcome]"


def kill_before_read(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL before a recording's beats are read."""
    lab.reset()
    place = _place(lab, rng)
    lab.s3.fault = hold = Hold(*[READ] * place)
    return _killed_at(lab, hold, f"before reading recording {place}")


def kill_mid_compute(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL between reading a recording's beats and writing its labels."""
    for draw in range(1, _MOST_DRAWS + 1):
        lab.reset()
        place = _place(lab, rng)
        lab.s3.fault = read = Hold(*[READ] * place)
        lab.database.fault = leaving = Hold(*[LEDGER] * place)
        victim = lab.score()
        _reach(read, victim)
        read.release()
        if not lab.compute_s:  # the first time: how long it takes
            begun = time.monotonic()
            _reach(leaving, victim)
            lab.compute_s = time.monotonic() - begun
        else:
            time.sleep(rng.random() * lab.compute_s)
        victim.stop()
        inside = victim.alive and not leaving.reached.is_set()
        victim.kill()
        _let_go(lab, leaving)
        if inside:
            return _repeat(lab, f"while computing recording {place} (draw {draw})")
    raise AssertionError(f"{_MOST_DRAWS} draws did not hit the computation")


def kill_mid_copy(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL in the middle of COPY."""
    lab.reset()
    place = _place(lab, rng)
    beyond = rng.randint(300, _fewest_labels(lab) * _BYTES_PER_LABEL)
    lab.database.fault = hold = Hold(*[COPY] * place, beyond=beyond)
    return _killed_at(lab, hold, f"{beyond} bytes into the COPY of recording {place}")


def kill_before_commit(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL after COPY, before commit."""
    lab.reset()
    place = _place(lab, rng)
    lab.database.fault = hold = Hold(*[COPY] * place, COMMIT)
    return _killed_at(lab, hold, f"before the commit of recording {place}")


def kill_after_commit(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL after commit, before the task hears of it."""
    lab.reset()
    place = _place(lab, rng)
    lab.database.fault = hold = Hold(*[COPY] * place, COMMIT, answer=True)
    return _killed_at(lab, hold, f"after the commit of recording {place}")


def kill_anywhere(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL of the task at any instant."""
    lab.reset()
    victim = lab.score()
    instant = _sleep(lab, rng)
    return _repeat(lab, f"after {instant:.2f} s{'' if victim.kill() else ', when it had ended'}")


def kill_ingest(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL of ingest: before the beats are written, between them and their record, or at any instant."""
    lab.reset(ingested=False)
    place, stage = _place(lab, rng), rng.choice(("write", "record", "answer", "any"))
    hold = {
        "write": Hold(*[READ] * place),
        "record": Hold(*[REVISION] * place),
        "answer": Hold(*[REVISION] * place, COMMIT, answer=True),
        "any": Hold(b"\0 never \0"),
    }[stage]
    lab.s3.fault, lab.database.fault = (hold, Fault()) if stage == "write" else (Fault(), hold)
    victim = lab.ward.ingest(lab.proxied)
    if stage == "any":
        time.sleep(rng.random() * 2 * lab.night_s)
    else:
        _reach(hold, victim)
    victim.kill()
    _let_go(lab, hold)
    return _repeat(lab, f"ingest of recording {place}, stage {stage}", ingest=True)


def kill_postgres(lab: Laboratory, rng: random.Random) -> Outcome:
    """SIGKILL of PostgreSQL and all its backends; it starts again a moment later."""
    lab.reset()
    victim = lab.score()
    instant = _sleep(lab, rng)
    lab.kill_postgres()
    away = rng.random() * 3
    time.sleep(away)
    lab.start_postgres()
    survived = victim.ended_well()
    return _repeat(lab, f"after {instant:.2f} s, away for {away:.1f} s", survived=survived)


def cut_postgres(lab: Laboratory, rng: random.Random) -> Outcome:
    """Connections to PostgreSQL reset at random bytes, in the middle of COPY and of commits."""
    lab.reset()
    times = rng.randint(1, 4)
    lab.database.fault = Cuts(rng, times, _fewest_labels(lab) * _BYTES_PER_LABEL * 2)
    survived = lab.score().ended_well()
    lab.database.fault = Fault()
    return _repeat(lab, f"{times} cuts", survived=survived)


def cut_commit(lab: Laboratory, rng: random.Random) -> Outcome:
    """The connection reset when PostgreSQL has committed and the task has not heard of it; the task lives on."""
    lab.reset()
    place = _place(lab, rng)
    lab.database.fault = hold = Hold(*[COPY] * place, COMMIT, answer=True)
    victim = lab.score()
    _reach(hold, victim)
    lab.database.fault = Fault()
    lab.database.cut_all()
    hold.release()
    return _repeat(lab, f"after the commit of recording {place}", survived=victim.ended_well())


def s3_unavailable(lab: Laboratory, rng: random.Random) -> Outcome:
    """S3 answers 503 to many requests, or to all of them, for a while."""
    lab.reset()
    seconds, share = rng.uniform(0.5, 4), rng.choice((0.5, 0.8, 1.0))
    lab.s3.fault = fault = Unavailable(rng, seconds, share)
    survived = lab.score().ended_well()
    return _repeat(lab, f"{share:.0%} of requests for {seconds:.1f} s: 503 {fault.answered} times", survived=survived)


def s3_silent(lab: Laboratory, rng: random.Random) -> Outcome:
    """S3 takes requests and does not answer, for longer than is waited."""
    lab.reset()
    place, seconds = _place(lab, rng), rng.uniform(0.7, 3) * S3_TIMEOUT_S
    lab.s3.fault = hold = Hold(*[READ] * place)
    victim = lab.score()
    _reach(hold, victim)
    lab.s3.fault = Silence(seconds)
    hold.release()
    return _repeat(lab, f"from recording {place} on for {seconds:.1f} s", survived=victim.ended_well())


def s3_cut(lab: Laboratory, rng: random.Random) -> Outcome:
    """Connections to S3 reset at random bytes, in the middle of answers."""
    lab.reset()
    times = rng.randint(1, 5)
    lab.s3.fault = Cuts(rng, times, 400_000)
    survived = lab.score().ended_well()
    lab.s3.fault = Fault()
    return _repeat(lab, f"{times} cuts", survived=survived)


def mlflow_away(lab: Laboratory, rng: random.Random) -> Outcome:
    """MLflow answers 503, or resets connections, while the model is loaded."""
    lab.reset()
    seconds, how = rng.uniform(0.5, 4), rng.choice(("503", "cuts"))
    lab.mlflow.fault = Unavailable(rng, seconds, 0.8) if how == "503" else Cuts(rng, 4, 40_000)
    survived = lab.score().ended_well()
    lab.mlflow.fault = Fault()
    return _repeat(lab, how, survived=survived)


def two_runs(lab: Laboratory, rng: random.Random) -> Outcome:
    """Two runs label the same recordings at once; sometimes one of them is killed."""
    lab.reset()
    first = lab.score()
    head_start = rng.choice((0.0, rng.random() * lab.night_s))
    time.sleep(head_start)
    second = lab.score()
    told = f"{head_start:.2f} s apart"
    if killed := rng.random() < 0.5:
        instant = _sleep(lab, rng)
        first.kill()
        told += f", the first killed after {instant:.2f} s"
    survived = second.ended_well() and (killed or first.ended_well())
    return _repeat(lab, told, survived=survived)


def promote_midway(lab: Laboratory, rng: random.Random) -> Outcome:
    """Another champion is promoted in the middle of a run: the run keeps its own, the next run has the new one."""
    lab.reset()
    victim = lab.score()
    instant = _sleep(lab, rng)
    lab.promote(2)
    survived = victim.ended_well()
    found = lab.labels().rows
    versions = {key[2] for key in found}
    assert versions <= {1} or versions == {2}, "a run mixed two models"
    pinned = 1 if versions <= {1} else 2  # promoted before the run had begun
    lab.run_again()
    comparison = lab.compare(versions=(1, 2) if pinned == 1 else (2,))
    return Outcome(f"after {instant:.2f} s, version {pinned} pinned", survived, comparison)


def replace_midway(lab: Laboratory, rng: random.Random) -> Outcome:
    """A recording is replaced and taken in again in the middle of a scoring."""
    lab.reset()
    victim = lab.score()
    instant = _sleep(lab, rng)
    lab.replace_recording()
    ingest = lab.ward.ingest(lab.direct)
    survived = ingest.ended_well() and victim.ended_well()
    return _repeat(lab, f"{REPLACED} after {instant:.2f} s", survived=survived, ingest=True, replaced=True)


def replace_during_ingest(lab: Laboratory, rng: random.Random) -> Outcome:
    """A recording is replaced, file by file, while ingest reads it."""
    lab.reset(ingested=False)
    victim = lab.ward.ingest(lab.proxied)
    instant = rng.random() * 2 * lab.night_s
    late = threading.Timer(instant, lab.replace_recording)
    late.start()
    survived = victim.ended_well()
    late.join()
    return _repeat(lab, f"{REPLACED} after {instant:.2f} s", survived=survived, ingest=True, replaced=True)


CHEAP: Final = (
    kill_before_read,
    kill_mid_compute,
    kill_mid_copy,
    kill_before_commit,
    kill_after_commit,
    kill_anywhere,
    kill_ingest,
    kill_postgres,
    cut_postgres,
    cut_commit,
    s3_unavailable,
    s3_silent,
    s3_cut,
    two_runs,
    promote_midway,
    replace_midway,
    replace_during_ingest,
)
"""Those that need neither a server of MLflow's nor Airflow."""


def _killed_at(lab: Laboratory, hold: Hold, where: str) -> Outcome:
    victim = lab.score()
    _reach(hold, victim)
    assert victim.kill(), "it had ended before it was killed"
    _let_go(lab, hold)
    return _repeat(lab, where)


def _repeat(
    lab: Laboratory, told: str, *, survived: bool = False, ingest: bool = False, replaced: bool = False
) -> Outcome:
    """Run again as Airflow would, and compare."""
    lab.run_again(ingest=ingest)
    return Outcome(told, survived, lab.compare(replaced=replaced))


def _reach(hold: Hold, victim: Victim) -> None:
    """Wait until a task is held."""
    deadline = time.monotonic() + _REACHED_S
    while not hold.reached.wait(0.05):
        assert victim.alive, f"the task ended before it came there: {victim.log_tail()}"
        assert time.monotonic() < deadline, "the task never came there"


def _let_go(lab: Laboratory, hold: Hold) -> None:
    """What a dead client leaves behind is an ended connection, not a half-open one."""
    lab.s3.cut_all()
    lab.database.cut_all()
    hold.release()


def _place(lab: Laboratory, rng: random.Random) -> int:
    """Draw the how-manieth recording it happens to."""
    return rng.randint(1, len(lab.names))


def _sleep(lab: Laboratory, rng: random.Random) -> float:
    """Wait for a random part of a night."""
    instant = rng.random() * lab.night_s
    time.sleep(instant)
    return instant


def _fewest_labels(lab: Laboratory) -> int:
    return min(rows.total() for rows in lab.undisturbed.rows.values())
