"""Exit with 0 if one of Airflow's components is healthy: `python component_health.py URL COMPONENT`.

Asks Airflow's API server, which knows the heartbeat of each: `airflow jobs check` costs seconds of CPU each time.
"""

from __future__ import annotations

import json
import sys
from urllib.request import urlopen


def main(url: str, component: str) -> int:
    """Return 0 if the API server at ``url`` answers and calls the component healthy, else 1."""
    with urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310 - the compose file's own URL
        status = json.load(answer)[component]["status"]
    print(f"{component}: {status}")  # noqa: T201 - read in the container\'s log
    return 0 if status == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
