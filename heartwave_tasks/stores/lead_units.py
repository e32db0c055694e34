"""Units that signals come in: which are voltages, and which measure something else."""

from __future__ import annotations

from typing import Final

_MILLIVOLTS: Final = {
    "mv": 1.0, "uv": 1e-3, "nv": 1e-6, "v": 1e3, "millivolt": 1.0, "millivolts": 1.0, "microvolt": 1e-3,
    "microvolts": 1e-3, "nanovolt": 1e-6, "volt": 1e3, "volts": 1e3,
}  # fmt: skip
_OTHERS: Final = frozenset(
    {
        "mmhg", "cmh2o", "kpa", "pa", "bar", "%", "pct", "bpm", "/min", "1/min", "l/min", "l/s", "ml", "ml/min", "degc",
        "c", "k", "f", "nu", "pm", "ohm", "kohm", "g", "m/s^2", "m/s2", "s", "ms", "hz", "lux",
    }
)  # fmt: skip
"""Of pressure, saturation, rates, flow, temperature, pleth (``NU``), respiration (``pm``), movement, time, light."""


def to_millivolts(unit: str) -> float | None:
    """Return the factor from a unit to mV, None for one that measures something else than a voltage.

    Raises `KeyError` for a unit that is not known: its signal might be an ECG of any height.
    """
    plain = unit.strip().lower().replace("µ", "u").replace("μ", "u").removeprefix("°").replace("deg ", "deg")
    if plain in _OTHERS:
        return None
    return _MILLIVOLTS[plain]
