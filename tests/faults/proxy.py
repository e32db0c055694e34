"""A proxy that stands before a real server and does to its connections what networks and dying servers do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from heartwave_tasks.local.ports import LOOPBACK, choose

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_BLOCK: Final = 65_536
_LONGEST_PATTERN: Final = 256
_HELD_S: Final = 600.0  # a round that forgets to release fails; it does not hang
_RESET: Final = struct.pack("ii", 1, 0)  # linger for no time: the other side sees a reset, not an end
_SLOW_DOWN: Final = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class Link:
    """One client's connection and its continuation to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server

    def cut(self) -> None:
        """Reset both ends."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            close(end)


class Fault:
    """What is done to the bytes that pass; this one passes them on. Called by a thread per link and direction."""

    def upward(self, link: Link, data: bytes) -> bytes:
        """Return what of a client's bytes is sent on to the server."""
        return data

    def downward(self, link: Link, data: bytes) -> bytes:
        """Return what of the server's bytes is sent on to the client."""
        return data


class FaultProxy:
    """Listens on a port of the loopback and passes everything on to another, through `fault`."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self.port = choose({"proxy": None})["proxy"]
        self.fault = Fault()
        self._links: set[Link] = set()
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=64)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = Fault()
        # Closing alone would not wake the thread that waits for the next client.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Reset every connection."""
        for link in list(self._links):
            link.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((LOOPBACK, self._target), timeout=5)
            except OSError:
                close(client)
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, server)
            self._links.add(link)
            for up in (True, False):
                threading.Thread(target=self._pump, args=(link, up), daemon=True).start()

    def _pump(self, link: Link, up: bool) -> None:
        source, sink = (link.client, link.server) if up else (link.server, link.client)
        try:
            while data := source.recv(_BLOCK):
                kept = self.fault.upward(link, data) if up else self.fault.downward(link, data)
                if kept:
                    sink.sendall(kept)
        except OSError:
            pass
        finally:
            close(link.client)
            close(link.server)
            self._links.discard(link)


class Hold(Fault):
    """Holds a client when its requests have shown some patterns, in this order, and tells so.

    Parameters
    ----------
    patterns
        What the client sends, whatever the connection.
    beyond
        Bytes that still pass, counted from where the last pattern begins; 0 holds the request itself back.
    answer
        Let the request pass, and hold the server's answer to it.
    """

    def __init__(self, *patterns: bytes, beyond: int = 0, answer: bool = False) -> None:
        self.reached = threading.Event()
        self._patterns, self._left, self._answer = list(patterns), beyond, answer
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._tails: dict[Link, bytes] = {}
        self._held: Link | None = None

    def release(self) -> None:
        """Let everything pass from now on."""
        self._released.set()

    def upward(self, link: Link, data: bytes) -> bytes:
        """Look for the patterns; hold."""
        with self._lock:
            start = 0
            if self._held is None:
                found = self._search(link, data)
                if found is None:
                    return data
                self._held, start = link, found
            if self._held is not link or self._answer or self.reached.is_set():
                return data
            stop = start + self._left
            if stop > len(data):
                self._left = stop - len(data)
                return data
        with contextlib.suppress(OSError):
            link.server.sendall(data[:stop])
        self._wait()
        return data[stop:]

    def downward(self, link: Link, data: bytes) -> bytes:
        """Hold the answer, if that is asked for."""
        if self._answer and self._held is link and not self._released.is_set():
            self._wait()
        return data

    def _search(self, link: Link, data: bytes) -> int | None:
        """Return where in ``data`` the last pattern begins, None while it has not been seen."""
        tail = self._tails.get(link, b"")
        text, begin, found = tail + data, 0, -1
        while self._patterns:
            found = text.find(self._patterns[0], begin)
            if found < 0:
                self._tails[link] = text[max(begin, len(text) - _LONGEST_PATTERN) :]
                return None
            begin = found + len(self._patterns.pop(0))
        return max(0, found - len(tail))

    def _wait(self) -> None:
        self.reached.set()
        self._released.wait(_HELD_S)


class Silence(Fault):
    """For some seconds nothing passes, in neither direction, and no connection ends."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def upward(self, link: Link, data: bytes) -> bytes:
        """Wait until it is over."""
        time.sleep(max(0.0, self._until - time.monotonic()))
        return super().upward(link, data)

    def downward(self, link: Link, data: bytes) -> bytes:
        """Wait until it is over."""
        time.sleep(max(0.0, self._until - time.monotonic()))
        return super().downward(link, data)


class Cuts(Fault):
    """Resets a connection after a random number of bytes, so many times; drawn by ``rng``."""

    def __init__(self, rng: random.Random, times: int, most_bytes: int) -> None:
        self._draw: Callable[[], int] = lambda: rng.randint(1, most_bytes)
        self._lock = threading.Lock()
        self.times_left, self._left = times, self._draw()

    def upward(self, link: Link, data: bytes) -> bytes:
        """Count, and cut."""
        return self._count(link, data, link.server)

    def downward(self, link: Link, data: bytes) -> bytes:
        """Count, and cut."""
        return self._count(link, data, link.client)

    def _count(self, link: Link, data: bytes, sink: socket.socket) -> bytes:
        with self._lock:
            self._left -= len(data)
            if self.times_left <= 0 or self._left > 0:
                return data
            passed = data[: len(data) + self._left]
            self.times_left -= 1
            self._left = self._draw()
        with contextlib.suppress(OSError):
            sink.sendall(passed)
        link.cut()
        return b""


class Unavailable(Fault):
    """Answers HTTP requests with 503 for some seconds from the first on, each with a probability."""

    def __init__(self, rng: random.Random, seconds: float, share: float) -> None:
        self._rng, self._share = rng, share
        self._seconds, self._until = seconds, float("inf")
        self.answered = 0

    def upward(self, link: Link, data: bytes) -> bytes:
        """Answer in the server's place."""
        is_request = data.split(b" ", 1)[0] in {b"GET", b"PUT", b"HEAD", b"POST", b"DELETE"}
        if is_request and self._until == float("inf"):
            self._until = time.monotonic() + self._seconds
        if not is_request or time.monotonic() > self._until or self._rng.random() > self._share:
            return data
        self.answered += 1
        _drain(link.client, data)
        head = f"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {len(_SLOW_DOWN)}\r\n"
        with contextlib.suppress(OSError):
            link.client.sendall(f"{head}Connection: close\r\n\r\n".encode() + _SLOW_DOWN)
        close(link.client)
        close(link.server)
        return b""


def _drain(client: socket.socket, data: bytes) -> None:
    """Take in the rest of a request's body, as a polite server does before it refuses."""
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lengths[0]) - len(body) if lengths else 0
    if left > 0 and b"100-continue" in head.lower():
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while left > 0 and (more := client.recv(_BLOCK)):
        left -= len(more)


def close(end: socket.socket) -> None:
    """Shut a socket down, whoever still reads from it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
