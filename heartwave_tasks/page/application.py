"""The application: routes behind a sign-in, the page's own files, errors that say what to do."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from sqlalchemy.exc import OperationalError

import heartwave_tasks
from heartwave_tasks.page import api, models, recordings, reviews, strips, tonight
from heartwave_tasks.page.champion import ChampionKeeper
from heartwave_tasks.page.database import Database
from heartwave_tasks.page.guards import Guards, RateLimit
from heartwave_tasks.page.metrics import Measured, Metrics
from heartwave_tasks.page.people import Person, SignedIn
from heartwave_tasks.stores.objects import s3_client

if TYPE_CHECKING:
    from heartwave_tasks.page.people import Identify
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

STATIC: Final = Path(__file__).with_name("static")
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_REQUESTS_PER_SECOND: Final = 50.0  # a hand on the scroll wheel asks for about twenty frames a second
_BURST: Final = 300
_ERRORS_TOLD: Final = 10


def create_app(settings: Settings, identify: Identify) -> FastAPI:
    """Build the page.

    Parameters
    ----------
    settings
        Where database and lake are.
    identify
        FastAPI dependency that says who is asking, or raises 401; every route stands behind it.
    """
    limit = RateLimit(_REQUESTS_PER_SECOND, _BURST)

    async def admit(request: Request, person: Person = Depends(identify)) -> None:  # noqa: B008 - FastAPI's way
        request.state.person = person
        limit.take(person.name)

    app = FastAPI(
        title="HeartWave",
        version=heartwave_tasks.__version__,
        description="Recordings, heartbeats and their labels; classification of heartbeats.",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
    )
    app.state.settings = settings
    app.state.database = Database(settings)
    app.state.champion = ChampionKeeper(settings, app.state.database)
    app.state.metrics = Metrics()
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.state.lake = strips.Lake(s3_client(settings), settings)
    app.add_middleware(Guards)
    app.add_exception_handler(OperationalError, _unavailable)
    app.add_exception_handler(RequestValidationError, _explain)
    inside = APIRouter(dependencies=[Depends(admit)])
    inside.include_router(recordings.router)
    for part in (tonight, strips, reviews, models, api):
        inside.include_router(part.router)
    inside.include_router(_files())
    app.include_router(inside)
    return app


def _files() -> APIRouter:
    """Route the page itself and the files it is made of."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def page() -> FileResponse:
        return _file("index.html")

    @router.get("/static/{path:path}")
    def file(path: str) -> FileResponse:
        return _file(path)

    @router.get("/data/me")
    def me(person: SignedIn) -> dict[str, Any]:
        """Say who is signed in."""
        return {**asdict(person), "version": heartwave_tasks.__version__}

    @router.get("/openapi.json")
    def description(request: Request) -> dict[str, Any]:
        schema: dict[str, Any] = request.app.openapi()
        return {**schema, "servers": [{"url": request.scope.get("root_path", "")}]}

    return router


def _file(path: str) -> FileResponse:
    found = (STATIC / path).resolve()
    if not found.is_relative_to(STATIC) or not found.is_file() or found.suffix not in _TYPES:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such file.")
    # Asked for again each time, answered 304 by its ETag: a new version is there at once.
    return FileResponse(found, media_type=_TYPES[found.suffix], headers={"Cache-Control": "no-cache"})


async def _explain(_request: Request, error: Exception) -> JSONResponse:
    """Say what was expected and where; not everything that was sent, which may be megabytes of somebody's ECG."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    told = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in found[:_ERRORS_TOLD]]
    return JSONResponse({"detail": told, "n_errors": len(found)}, status.HTTP_422_UNPROCESSABLE_CONTENT)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    logger.warning("%s: the database does not answer (%s).", request.url.path, type(error).__name__)
    told = "The database does not answer, or took too long. Try again in a moment; `heartwave status` tells more."
    return JSONResponse({"detail": told}, status.HTTP_503_SERVICE_UNAVAILABLE)
