"""Exit with 0 if one of Airflow's components is healthy: `python component_health.py URL COMPONENT`.

Asks Airflow's API server, which knows the heartbeat of each, because `airflow jobs check` costs seconds of CPU each time.
"""

from __future__ import annotations

import json
import sys
from urllib.request import urlopen


def main(url: str, component: str) -> int:
    """Return 0 if the API server at ``url`` answers and calls the component healthy, else 1."""
    with urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:
        status = json.load(answer)[component]["status"]
    print(f"{component}: {status}")
    return 0 if status == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
