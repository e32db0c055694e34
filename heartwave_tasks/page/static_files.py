"""The page itself: the files it is made of, who looks at it, and the description of its routes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import FileResponse

import heartwave_tasks
from heartwave_tasks.page.people import SignedIn

router = APIRouter(include_in_schema=False)

STATIC: Final = Path(__file__).with_name("static")
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


@router.get("/")
def show_page() -> FileResponse:
    """Give the page, which asks for everything else."""
    return _file("index.html")


@router.get("/static/{path:path}")
def give_file(path: str) -> FileResponse:
    """Give one of the page's files."""
    return _file(path)


@router.get("/data/me")
def tell_who(person: SignedIn) -> dict[str, Any]:
    """Say who is signed in, and what they may do."""
    return {**asdict(person), "version": heartwave_tasks.__version__}


@router.get("/openapi.json")
def describe(request: Request) -> dict[str, Any]:
    """Describe the routes, at the address they are served at."""
    schema: dict[str, Any] = request.app.openapi()
    return {**schema, "servers": [{"url": request.scope.get("root_path", "")}]}


def _file(path: str) -> FileResponse:
    found = (STATIC / path).resolve()
    if not found.is_relative_to(STATIC) or not found.is_file() or found.suffix not in _TYPES:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file.")
    # Asked for again each time, answered 304 by its ETag: a new version is there at once.
    return FileResponse(found, media_type=_TYPES[found.suffix], headers={"Cache-Control": "no-cache"})
