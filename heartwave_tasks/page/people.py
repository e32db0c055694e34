"""Who is asking, and what they may do: told by whoever serves the page, enforced here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, status

MARK = "x-heartwave"
"""Header that the page's own scripts send with every change: no form and no other site's page can send it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in; those who may not write see everything and change nothing.

    ``may_promote`` decides only which buttons are offered: it is Airflow that promotes, and asks again.
    """

    name: str
    may_write: bool
    may_promote: bool = False


Identify = Callable[..., Awaitable[Person]]
"""A FastAPI dependency that returns who is asking, or raises 401."""


def person_of(request: Request) -> Person:
    """Return who was found to be asking."""
    return cast("Person", request.state.person)


def writer_of(request: Request) -> Person:
    """Return who is asking for a change; 403 unless they may, and unless the page itself is asking for them."""
    person = person_of(request)
    if not person.may_write:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Viewers look and do not change. Ask for the role `user`.")
    # A token in a header was put there on purpose; a cookie comes along with whatever the browser sends.
    if "authorization" not in request.headers:
        origin = request.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
        if foreign or MARK not in request.headers:
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"Changes carry the header {MARK}, from this site alone.")
    return person


SignedIn = Annotated[Person, Depends(person_of)]
Writer = Annotated[Person, Depends(writer_of)]
