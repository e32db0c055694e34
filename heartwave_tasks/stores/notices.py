"""Notices: sentences for people who are not looking at Airflow, through whatever service they chose."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

Kind = Literal["info", "success", "warning", "failure"]
"""What a service makes a colour or a picture of."""

_MOST_CHARACTERS: Final = 3_000
"""Of one notice; Telegram and Slack cut longer ones into pieces."""


def send(settings: Settings, title: str, sentence: str, *, kind: Kind = "info") -> bool:
    """Send a notice to every address of ``HEARTWAVE_NOTIFY_URLS``, and log it in any case.

    A notice leaves the house: it names runs, tasks, model versions and counts, never a recording. Nothing is raised,
    because no work may fail when a messenger does; what went wrong is logged without the addresses, which hold
    passwords.

    Parameters
    ----------
    title
        A few words, such as "score_recordings failed".
    sentence
        What happened, and what to do.
    kind
        How bad it is.

    Returns
    -------
    bool
        Whether all services took it; False also without any address.
    """
    logger.log(logging.INFO if kind in {"info", "success"} else logging.WARNING, "%s: %s", title, sentence)
    if settings.notify_urls is None:
        return False
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType  # noqa: PLC0415 - 0.3 s, for few tasks

    asset = AppriseAsset(app_id="HeartWave", app_desc="HeartWave", app_url="", secure_logging=True)
    messengers = Apprise(asset=asset)
    its_logger = logging.getLogger("apprise")
    its_logger.disabled = True  # it would log an address that it does not understand, password and all
    try:
        understood = messengers.add(settings.notify_urls.get_secret_value())
    finally:
        its_logger.disabled = False
    if not understood:
        logger.warning("HEARTWAVE_NOTIFY_URLS holds an address that Apprise does not understand; it gets no notices.")
    taken = messengers.notify(
        title=title, body=sentence[:_MOST_CHARACTERS], notify_type=NotifyType(kind), body_format=NotifyFormat.TEXT
    )
    if not taken:
        logger.warning("The notice %r did not reach every address of HEARTWAVE_NOTIFY_URLS.", title)
    return bool(taken)
