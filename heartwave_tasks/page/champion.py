"""The champion, kept in memory: loaded once with its files checked, and anew when another version is promoted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from heartwave_tasks.models.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from heartwave_tasks.models.architectures import BeatModel
    from heartwave_tasks.page.database import Database
    from heartwave_tasks.settings import Settings

_LOOKED_AFTER_S: Final = 15.0


class NoChampionError(LookupError):
    """There is no model to classify with yet."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A loaded model and what it is called."""

    name: str
    version: int
    architecture: str
    manifest_sha256: str
    model: BeatModel


class ChampionKeeper:
    """Hands out the champion; asks the database now and then whether it is still the same."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._lock = threading.Lock()
        self._kept: Champion | None = None
        self._looked_at = float("-inf")

    @property
    def kept(self) -> Champion | None:
        """Return what is loaded, if anything is."""
        return self._kept

    def get(self) -> Champion:
        """Return the champion, loaded.

        Raises
        ------
        NoChampionError
            If no model has been promoted yet.
        TamperedModelError
            If a file is not the one that was registered.
        """
        if self._kept is not None and time.monotonic() - self._looked_at < _LOOKED_AFTER_S:
            return self._kept
        with self._lock:
            if self._kept is not None and time.monotonic() - self._looked_at < _LOOKED_AFTER_S:
                return self._kept
            found = self._database.row("SELECT * FROM champion")
            if found is None:
                raise NoChampionError("No model has been promoted yet; trigger retrain_models first.")
            if self._kept is None or self._kept.manifest_sha256 != found["manifest_sha256"]:
                from heartwave_tasks.stores.registry import Registry  # noqa: PLC0415 - MLflow takes a second

                label = f"{found['model_name']} version {found['model_version']}"
                registry = Registry(self._settings)
                files = registry.model_files(found["mlflow_run_id"], found["manifest_sha256"], label)
                self._kept = Champion(
                    name=found["model_name"],
                    version=found["model_version"],
                    architecture=files.architecture,
                    manifest_sha256=found["manifest_sha256"],
                    model=ARCHITECTURES[files.architecture].load(files.files),
                )
            self._looked_at = time.monotonic()
            return self._kept
