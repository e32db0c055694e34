"""Pseudonyms: what recordings of sources whose file names tell too much are known by."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from heartwave_tasks.settings import SettingsError

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

_LENGTH: Final = 20  # hex digits: 80 bits, so that no two of a hospital's recordings meet


def known_as(settings: Settings, source: str, record: str) -> str:
    """Return the id of a recording: ``<source>/<record>``, or a keyed hash in place of the record's name.

    The same name gives the same pseudonym as long as the key is the same; without the key nobody can try names out.
    """
    if source not in settings.pseudonymous:
        return f"{source}/{record}"
    return f"{source}/p{keyed_hash(settings, f'recording {source}/{record}')[:_LENGTH]}"


def keyed_hash(settings: Settings, text: str) -> str:
    """Return the HMAC-SHA-256 of a text by the installation's key, in hex.

    Raises `SettingsError` when there is no key.
    """
    if settings.pseudonym_key is None:
        msg = (
            "HEARTWAVE_PSEUDONYM_KEY is not set. Set it to a long random text, the same one everywhere, and keep it: "
            "with another key every recording gets another name."
        )
        raise SettingsError(msg)
    key = settings.pseudonym_key.get_secret_value().encode()
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
