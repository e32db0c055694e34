"""The application: routes behind a sign-in, the page's own files, errors that say what to do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends, FastAPI, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError

import heartwave_tasks
from heartwave_tasks.page import api, charts, models, recordings, reviews, static_files, strips, tonight
from heartwave_tasks.page.champion import ChampionKeeper
from heartwave_tasks.page.database import Database
from heartwave_tasks.page.guards import Guards, RateLimit
from heartwave_tasks.page.metrics import Measured, Metrics
from heartwave_tasks.page.people import Person
from heartwave_tasks.stores.objects import s3_client

if TYPE_CHECKING:
    from heartwave_tasks.page.people import Identify
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

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
    for part in (tonight, strips, reviews, models, charts, api):
        inside.include_router(part.router)
    inside.include_router(static_files.router)
    app.include_router(inside)
    return app


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
