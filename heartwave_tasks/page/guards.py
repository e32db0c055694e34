"""What every request passes before a route sees it: size, rate, and the headers every answer carries."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from fastapi import HTTPException, status
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 32 << 20
"""Of a request: 10 000 beats of 187 samples with their context are about 24 MB as JSON."""

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

_MOST_NAMES: Final = 10_000


class Guards:
    """ASGI middleware: refuses bodies that are too large, and adds `SECURITY_HEADERS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, _too_large())
            return message

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > MAX_BODY_BYTES:
            refusal = JSONResponse({"detail": _too_large()}, status.HTTP_413_CONTENT_TOO_LARGE)
            await refusal(scope, receive, sealed)
            return
        await self._app(scope, counted, sealed)


class RateLimit:
    """So many requests a second for each name, with a burst: a token bucket each."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float | None = None) -> None:
        """Take one request from a name's bucket; raises 429, with the seconds to wait, when it is empty."""
        now = time.monotonic() if now is None else now
        left, then = self._buckets.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        self._buckets[name] = (max(0.0, left - 1) if left >= 1 else left, now)
        while len(self._buckets) > _MOST_NAMES:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / self._per_second))
            raise HTTPException(
                status.HTTP_429_TOO_MANY_REQUESTS,
                f"More than {self._per_second:.0f} requests a second; try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )


def _too_large() -> dict[str, Any] | str:
    return f"A request has at most {MAX_BODY_BYTES >> 20} MiB; send fewer beats at a time."
