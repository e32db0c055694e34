"""Forget: a recording deleted on request from every store, with a receipt."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from heartwave_tasks.settings import SettingsError
from heartwave_tasks.stores import kept_bytes
from heartwave_tasks.stores.forgotten_tables import ForgettingStore, Forgotten, Receipt
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.pseudonyms import keyed_hash, known_as
from heartwave_tasks.stores.recording_names import QUARANTINE, SAFE_NAME
from heartwave_tasks.stores.recordings import list_files
from heartwave_tasks.stores.registry import Registry

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

_PSEUDONYM: Final = re.compile(r"p[0-9a-f]{20}")


class ForgetError(ValueError):
    """What was named is no recording; nothing was deleted."""


def forget(settings: Settings, name: str, requested_by: str) -> list[Forgotten]:
    """Delete a recording: its files, refused bytes, beats, strips, published labels, every row, reports that show it.

    Killed half-way, it is done again by asking again; done already, it changes nothing. Models that were trained on the
    recording stay: the receipt lists them, so that people can decide. What is deleted first is what would bring it
    back: the files that arrived.

    Parameters
    ----------
    name
        ``<source>/<record>`` by its file's name, or by its pseudonym.
    requested_by
        Who asked, for the receipt.

    Returns
    -------
    list of Forgotten
        All receipts there are, the newest first; none when there never was such a recording.

    Raises
    ------
    ForgetError
        If the name is not ``<source>/<record>``.
    SettingsError
        If the owner's database URL or the key of the receipts is missing.
    """
    recording_id = _known(settings, name)
    if settings.owner_database_url is None:
        msg = "HEARTWAVE_OWNER_DATABASE_URL is not set; only the owner may delete labels."
        raise SettingsError(msg)
    mac = keyed_hash(settings, f"forgotten {recording_id}")
    store = ForgettingStore(settings.owner_database_url.get_secret_value())
    try:
        trained, evaluated = store.models_of(recording_id)
        runs = {model["mlflow_run_id"] for model in (*trained, *evaluated)}
        objects = _delete_objects(settings, recording_id, store.kept_prefixes(recording_id))
        instead = f"{recording_id.rpartition('/')[0]}/forgotten-{mac[:12]}"
        objects["mlflow"] = Registry(settings).unname(sorted(runs), recording_id, instead) if runs else 0
        receipt = Receipt(objects=objects, rows={}, trained=trained, evaluated=evaluated)
        if store.forget(recording_id, mac, requested_by, receipt) is not None:
            logger.info("A recording was forgotten; its receipt tells what was deleted.")
        return store.receipts(mac)
    finally:
        store.close()


def _known(settings: Settings, name: str) -> str:
    """Return what a recording is known by, given its file's name or that."""
    source, _, record = name.rpartition("/")
    if not all(SAFE_NAME.fullmatch(part) for part in (*source.split("/"), record)):
        msg = f"{name!r} names no recording. Write it as source/record, like mitdb/100."
        raise ForgetError(msg)
    return name if _PSEUDONYM.fullmatch(record) else known_as(settings, source, record)


def _delete_objects(settings: Settings, recording_id: str, kept: set[str]) -> dict[str, int]:
    """Delete a recording's objects, those that arrived first; return how many by place."""
    client = s3_client(settings)
    arrived = [entry.key for entry in list_files(client, settings, recording_id)]
    for key in arrived:
        client.delete_object(Bucket=settings.recordings_bucket, Key=key)
    refused = {*kept, f"{QUARANTINE}/{recording_id}/"}
    quarantined = sum(kept_bytes.delete(client, settings, prefix) for prefix in sorted(refused))
    # Every key in the lake that belongs to a recording has its id as folders, whoever wrote it.
    lake = [entry.key for entry in list_objects(client, settings.lake_bucket) if f"/{recording_id}/" in entry.key]
    for key in lake:
        client.delete_object(Bucket=settings.lake_bucket, Key=key)
    return {"recordings": len(arrived), "quarantine": quarantined, "lake": len(lake)}
