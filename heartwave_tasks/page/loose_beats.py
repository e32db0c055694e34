"""Loose beats: what somebody sends to be classified, checked and laid out as the models read it."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from heartwave_tasks.ecg.beats import R_PEAK_INDEX, WINDOW_SAMPLES, Beats
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import NO_CLASS
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

MOST_BEATS: Final = 10_000
"""Beats in one call."""

_LARGEST_MV: Final = 32.767
_MICROVOLTS: Final = 1000.0

Millivolts = Annotated[float, Field(ge=-_LARGEST_MV, le=_LARGEST_MV, allow_inf_nan=False)]
Window = Annotated[
    list[Millivolts],
    Field(
        min_length=WINDOW_SAMPLES,
        max_length=WINDOW_SAMPLES,
        description=f"{WINDOW_SAMPLES} samples in mV at 360 Hz, 0.5 to 40 Hz, the R peak at index {R_PEAK_INDEX}.",
    ),
]
Context = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)] | None],
    Field(
        min_length=len(CONTEXT_FEATURES),
        max_length=len(CONTEXT_FEATURES),
        description="What sets the beat off from its recording, in the order of `context_features` of /api/model.",
    ),
]


class LooseBeats(BaseModel):
    """Beats to classify, cut out of their recordings."""

    model_config = ConfigDict(extra="forbid")

    beats: list[Window] = Field(min_length=1, max_length=MOST_BEATS, description="One window per beat.")
    context: list[Context] | None = Field(
        default=None, max_length=MOST_BEATS, description="One row per beat; null where a value is not known."
    )
    same_recording: bool = Field(
        default=False, description="Whether all beats are of one recording, in order; else each stands for itself."
    )

    @model_validator(mode="after")
    def _rows_agree(self) -> LooseBeats:
        if self.context is not None and len(self.context) != len(self.beats):
            msg = (
                f"There are {len(self.beats)} beats and {len(self.context)} rows of context; there has to be one each."
            )
            raise ValueError(msg)
        return self

    def laid_out(self) -> Beats:
        """Return them as the models read beats; what is not known is missing, not zero."""
        n = len(self.beats)
        windows = np.rint(np.asarray(self.beats, dtype=np.float32) * _MICROVOLTS).astype(np.int16)
        context = np.full((n, len(CONTEXT_FEATURES)), np.nan, dtype=np.float32)
        if self.context is not None:
            context[:] = np.array(self.context, dtype=np.float32)  # None becomes NaN
        # Of recordings without a second lead, context has the analysis lead's own features in its place.
        own, second = (context[:, CONTEXT_FEATURES.index(f"{lead}qrs_correlation")] for lead in ("", "second_"))
        names = np.full(n, "0") if self.same_recording else np.arange(n).astype(np.str_)
        samples = np.arange(n, dtype=np.int64) * WINDOW_SAMPLES + R_PEAK_INDEX
        unknown = np.full(n, NO_CLASS, dtype=np.int8)
        return Beats(
            recording_id=names,
            r_peak_sample=samples,
            time_s=samples / SAMPLING_FREQUENCY,
            is_beat=np.ones(n, dtype=bool),
            symbol=np.full(n, "", dtype="<U1"),
            reference=unknown,
            heartwave5=unknown,
            window=windows,
            second_window=np.zeros_like(windows),
            has_second_lead=~np.isnan(second) & (second != own),
            rr_previous_s=np.full(n, np.nan, dtype=np.float32),
            rr_next_s=np.full(n, np.nan, dtype=np.float32),
            quality=np.ones(n, dtype=np.float32),
            second_quality=np.full(n, np.nan, dtype=np.float32),
            is_classifiable=np.ones(n, dtype=bool),
            context=context,
        )
