"""Leads: which of a recording's are analysed, by name, then by whether they show a heart at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.envelopes import Envelope
from heartwave_tasks.ecg.quality import CLASSIFIABLE, Quality, SecondsOfLeads
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY, order_leads
from heartwave_tasks.ecg.stretches import count_samples, read_side_by_side

if TYPE_CHECKING:
    from heartwave_tasks.ecg.recordings import Recording

MOST_LEADS: Final = 2
"""Leads that are analysed: the analysis lead and a second one."""

LOOKS: Final = 8
"""Places, evenly spread over a recording, at which its leads are looked at before they are chosen ..."""

LOOK_S: Final = 12
"""... for this many seconds each."""

USABLE: Final = 0.5
"""Share of those seconds in which beats could be classified, from which a lead is usable."""


def choose_leads(recording: Recording) -> tuple[int, ...]:
    """Choose the analysis lead and a second one where there is one; columns of the recording's signals.

    The preferred by name, unless it shows no heart most of the time: a lead that has come off gives way to the next.
    """
    order = order_leads(recording.lead_names)
    if len(order) == 1:
        return order
    usable = _usable(recording)
    ranked = sorted(order, key=lambda lead: not usable[lead])
    return tuple(ranked[:MOST_LEADS])


def _usable(recording: Recording) -> list[bool]:
    """Look at a recording here and there."""
    n_samples, rate = count_samples(recording), int(SAMPLING_FREQUENCY)
    length = min(LOOK_S * rate, n_samples)
    # Looks begin on whole multiples of 3 s, where seconds and windows do.
    places = np.unique(np.linspace(0, n_samples - length, LOOKS).astype(np.int64) // (3 * rate) * (3 * rate))
    looks = read_side_by_side(recording, places, length)
    parts = SecondsOfLeads.of(looks, Envelope.of(looks)).apart(len(places))
    share = (Quality.of(parts).by_second >= CLASSIFIABLE).mean(axis=0)
    return [bool(good) for good in share >= USABLE]
