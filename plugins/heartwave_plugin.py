"""The HeartWave page inside Airflow: mounted under its address, in its navigation, behind its sign-in.

Every Airflow process loads its plugins, tasks included, so nothing heavy is imported before somebody opens the page.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from heartwave_links import LINKS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

PREFIX = "/heartwave"
RESOURCE = "score_recordings"
"""Whoever may change this DAG may review; whoever may only see it, only sees the page."""
PROMOTION = "promote_model"
"""Whoever may run this DAG may promote and roll back: the page asks Airflow to run it in their name."""


class Page:
    """The page as an ASGI application, built when the first request comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: Callable[..., Awaitable[None]] | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return
        if self._app is None:
            from anyio import to_thread

            await to_thread.run_sync(self._build)
        assert self._app is not None
        await self._app(scope, receive, send)

    def _build(self) -> None:
        with self._lock:
            if self._app is None:
                from heartwave_tasks.page.application import create_app
                from heartwave_tasks.settings import get_settings

                self._app = create_app(get_settings(), _identification())


def _identification() -> Callable[..., Awaitable[Any]]:
    """Return the dependency that asks Airflow who is signed in, and with which rights."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, HTTPException, status

    from heartwave_tasks.page.people import Person

    details = DagDetails(id=RESOURCE)

    async def identify(user: Any = Depends(get_user)) -> Person:  # noqa: B008 - FastAPI's way
        manager = get_auth_manager()
        if not manager.is_authorized_dag(method="GET", details=details, user=user):
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"The page is for who may see the DAG {RESOURCE}.")
        may_write = manager.is_authorized_dag(method="PUT", details=details, user=user)
        may_promote = manager.is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=PROMOTION), user=user
        )
        return Person(name=user.get_name(), may_write=may_write, may_promote=may_promote)

    return identify


class HeartWavePlugin(AirflowPlugin):
    """What Airflow asks of a plugin."""

    name = "heartwave"
    fastapi_apps = [{"app": Page(), "url_prefix": PREFIX, "name": "HeartWave"}]  # noqa: RUF012 - Airflow's interface
    global_operator_extra_links = LINKS
    external_views = [  # noqa: RUF012 - Airflow's interface
        {
            "name": "HeartWave",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "heartwave",
            "nav_top_level": True,
            "icon": f"{PREFIX}/static/icon.svg",
            "icon_dark_mode": f"{PREFIX}/static/icon-dark.svg",
        }
    ]
