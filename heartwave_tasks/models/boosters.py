"""XGBoost as HeartWave uses it: boosters alone.

XGBoost imports scikit-learn when it is installed, for estimator classes that are not used here, and scikit-learn
imports pandas and half of SciPy: measured, 1.1 s of processor time and 130 MB in every scoring process. While XGBoost
is imported, scikit-learn is said not to be there, which XGBoost is made for; afterwards it is there again.
"""

from __future__ import annotations

import sys

if "xgboost" not in sys.modules and "sklearn" not in sys.modules:
    # What an import finds as None it takes for a module that is not installed.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        import xgboost
    finally:
        del sys.modules["sklearn"]
else:
    import xgboost

__all__ = ["load_booster", "xgboost"]


def load_booster(content: bytes) -> xgboost.Booster:
    """Load an XGBoost model from UBJSON; it predicts on one core, as scoring is parallel over shards."""
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": 1})
    return booster
