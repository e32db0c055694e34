"""Free ports of the loopback."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of the loopback."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def choose(preferred: dict[str, int | None]) -> dict[str, int]:
    """Choose a port for every name: the preferred one where it is free, else any; all of them different."""
    chosen: dict[str, int] = {}
    held = []
    try:
        for name, port in preferred.items():
            probe = socket.socket()
            held.append(probe)
            wanted = port if port is not None and port not in chosen.values() and is_free(port) else 0
            probe.bind((LOOPBACK, wanted))
            chosen[name] = probe.getsockname()[1]
    finally:
        for probe in held:
            probe.close()
    return chosen
