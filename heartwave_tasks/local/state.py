"""What a stack keeps between commands: its ports and passwords, chosen once."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from heartwave_tasks.local import ports
from heartwave_tasks.local.airflow import USERS
from heartwave_tasks.local.seaweedfs import PORTS
from heartwave_tasks.local.secret_files import write_secret

if TYPE_CHECKING:
    from pathlib import Path

_PREFERRED_PORTS: Final = {"airflow": 8080, "mlflow": 5000, "postgres": 5433, "s3.port": 8333}
_SECRETS: Final = (
    "postgres", "owner", "writer", "reader", "reviewer", "airflow_database", "mlflow_database", "s3_admin",
    "s3_heartwave", "s3_mlflow", "pseudonym", "jwt", "api", *(f"airflow_{user}" for user in USERS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackState:
    """Identity, ports and secrets of one stack."""

    stack_id: str
    ports: dict[str, int]
    secrets: dict[str, str]


def load(home: Path) -> StackState | None:
    """Read a stack's state, None before its first start."""
    file = _file(home)
    return StackState(**json.loads(file.read_text())) if file.exists() else None


def load_or_create(home: Path, *, usual_ports: bool = True) -> StackState:
    """Read a stack's state; the first time choose free ports (the usual ones if possible) and generate passwords.

    A stack of an earlier version gets the passwords it does not have yet.
    """
    known = load(home)
    if known is not None:
        missing = {name: secrets.token_hex(20) for name in _SECRETS if name not in known.secrets}
        if missing:
            known.secrets.update(missing)
            write_secret(_file(home), json.dumps(asdict(known), indent=1))
        return known
    home.mkdir(parents=True, exist_ok=True)
    usual = _PREFERRED_PORTS if usual_ports else {}
    wanted = {name: usual.get(name) for name in (*_PREFERRED_PORTS, *PORTS)}
    generated = {name: secrets.token_hex(20) for name in _SECRETS}
    generated["fernet"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    state = StackState(secrets.token_hex(8), ports.choose(wanted), generated)
    write_secret(_file(home), json.dumps(asdict(state), indent=1))
    return state


def _file(home: Path) -> Path:
    return home / "stack.json"
