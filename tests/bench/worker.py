"""One task's process, as Airflow would start it: works on a shard, and says what that took.

``python -m tests.bench.worker ingest|score`` reads the shard as JSON from standard input, and the settings from the
environment.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from tests.bench.measuring import peak


def main() -> None:
    """Work on the shard that is given, and print what it took as JSON."""
    begun = time.perf_counter()
    job, shard = sys.argv[1], json.load(sys.stdin)
    from heartwave_tasks.settings import get_settings

    if job == "ingest":
        from heartwave_tasks.jobs import ingest

        counts = ingest.segment_shard(get_settings(), ingest.IngestShard(**shard))
        n_beats = counts.beats
    else:
        from heartwave_tasks.jobs import score

        labelled = score.score_shard(get_settings(), score.ScoreShard(**shard), "bench")
        n_beats = labelled.labels
    mine, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.write(
        json.dumps(
            {
                "beats": n_beats,
                "wall_s": time.perf_counter() - begun,
                "cpu_s": mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime,
                # What getrusage tells of memory was the parent's before this program took its place.
                "peak_bytes": peak(),
                "child_peak_bytes": children.ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
