"""The page's connections to PostgreSQL: few, short, and with an analyst's rights and that to review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from fastapi import Depends, Request
from sqlalchemy import create_engine, make_url, text

from heartwave_tasks.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heartwave_tasks.settings import Settings

_STATEMENT_TIMEOUT_MS: Final = 8_000


class Database:
    """Queries on the views that analysts see. Raises SQLAlchemy's `OperationalError` when nobody answers."""

    def __init__(self, settings: Settings) -> None:
        given = settings.reviewer_database_url or settings.reader_database_url
        if given is None:
            raise SettingsError("HEARTWAVE_REVIEWER_DATABASE_URL is not set; the page reads and reviews through it.")
        url = make_url(given.get_secret_value()).set(drivername="postgresql+psycopg2")
        self._engine = create_engine(
            url,
            pool_size=4,
            max_overflow=4,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={
                "application_name": "heartwave page",
                "connect_timeout": 5,
                "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c search_path=heartwave",
            },
        )

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Run one query with named values and return its rows by column name."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), cast("Mapping[str, Any]", values)).mappings()]

    def columns(self, query: str, **values: object) -> dict[str, list[Any]]:
        """Run one query and return its columns by name, for answers with many rows."""
        with self._engine.connect() as connection:
            found = connection.execute(text(query), cast("Mapping[str, Any]", values))
            names, rows = list(found.keys()), found.all()
            return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def change(self, query: str, **values: object) -> dict[str, Any]:
        """Run one statement that changes something, commit it, and return its row."""
        with self._engine.begin() as connection:
            return dict(connection.execute(text(query), cast("Mapping[str, Any]", values)).mappings().one())

    def row(self, query: str, **values: object) -> dict[str, Any] | None:
        """Run one query and return its first row, None without any."""
        return next(iter(self.rows(query, **values)), None)


def database_of(request: Request) -> Database:
    """Return the application's database."""
    return cast("Database", request.app.state.database)


Data = Annotated[Database, Depends(database_of)]
