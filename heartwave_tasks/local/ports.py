"""Free ports of the loopback."""

from __future__ import annotations

import random
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"

_UNASSIGNED: Final = range(15_000, 32_000)
"""Below the ports the kernel gives to outgoing connections, which could else hold one of ours at the next start."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of the loopback."""
    with socket.socket() as probe:
        # As servers do: connections of a predecessor that are still closing are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose(preferred: dict[str, int | None]) -> dict[str, int]:
    """Choose a port for every name: the preferred one where it is free, else any; all of them different."""
    chosen: dict[str, int] = {}
    others = iter(random.sample(_UNASSIGNED, len(_UNASSIGNED)))
    for name, wanted in preferred.items():
        port = wanted if wanted is not None and is_free(wanted) else next(filter(is_free, others))
        while port in chosen.values():
            port = next(filter(is_free, others))
        chosen[name] = port
    return chosen
