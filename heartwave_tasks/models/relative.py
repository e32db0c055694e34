"""The `relative` architecture: two XGBoost heads on features relative to the recording, built for unseen patients.

The *form* head tells V, F and Q from narrow beats by shape in both leads; the *rhythm* head tells S from N among
narrow beats by timing and P wave in the analysis lead alone, as the second lead's shapes and absolute measures make
it memorise its patients. The rhythm head may only find a beat more supraventricular the earlier it comes and the
stranger its P wave is: patients to learn from are few, and that much is known beforehand. Probabilities are
calibrated on patients left out.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import xgboost as xgb

from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models import calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params, Progress

NAME: Final = "relative"

DEFAULT_PARAMS: Params = {
    "form_rounds": 120,
    "form_depth": 3,
    "form_weight_exponent": 0.5,
    "rhythm_rounds": 200,
    "rhythm_depth": 2,
    "rhythm_weight_exponent": 0.5,
    "learning_rate": 0.12,
    "row_share": 0.7,
    "column_share": 0.3,
    "l2": 5.0,
    "smallest_leaf_weight": 5.0,
    "bins": 64,
    "normal_share": 0.3,
    "calibration_folds": 5,
    "threads": 2,
}
"""Rounds, depth and class-weight exponent (weight is frequency to the minus exponent) of each head, shares of rows
and columns per tree, share of normal beats that is trained on (they are plenty), folds of patients for calibration."""

FORM_FEATURES: Final = tuple(
    name for name in CONTEXT_FEATURES if not name.startswith(("local", "slow_", "nearby_")) or name == "shift"
)
"""What the form head sees: shape in both leads, coarse timing, neighbours, and the beats that look alike."""

RHYTHM_FEATURES: Final = tuple(
    name
    for name in CONTEXT_FEATURES
    if name.startswith(("rr_", "local", "slow_", "nearby_", "alike_"))
    and not name.startswith(("slow_qrs_", "slow_st_", "alike_share"))
    and not name.endswith("_offset")
)
"""What the rhythm head sees: timing, and the P and T waves of the analysis lead against the recording's slow beats."""

_LESS_IF_EARLY: Final = re.compile(r"rr_previous_over_(mean|q|past)|local\d+_previous_")
_LESS_IF_UNLIKE: Final = re.compile(
    r"slow_(p|t|beat)_correlation|slow_p_match$|nearby_(p_correlation|p_unlike|slow_p_unlike|slow_t_unlike)"
)
"""Features that fall the earlier a beat comes, and the less its P wave resembles a slow beat's: the rhythm head may
only find a beat more supraventricular as they fall."""

FORM_CLASSES: Final = ("N or S", "V", "F", "Q")
"""Classes of the form head."""

_N, _S, _V = (CLASSES.index(name) for name in "NSV")
_FORM_FILE: Final = "form.ubj"
_RHYTHM_FILE: Final = "rhythm.ubj"
_CARD_FILE: Final = "relative.json"
_FORMAT: Final = 1


class ModelFileError(ValueError):
    """A model's files do not fit this version of HeartWave; the message says which and why."""


@dataclass(frozen=True)
class RelativeModel:
    """A trained model: two boosters, and the calibration of what they say together."""

    form: xgb.Booster
    rhythm: xgb.Booster
    calibration: calibration.Calibration | None
    architecture: str = NAME
    classes: tuple[str, ...] = CLASSES

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Probabilities float32 (n, 5) of `classes`; every row is answered by itself."""
        raw = _combine(self.form, self.rhythm, beats.context)
        return raw if self.calibration is None else self.calibration.apply(raw)

    def files(self) -> dict[str, bytes]:
        """Both boosters as UBJSON, and a JSON card with their features, classes and calibration."""
        fitted = self.calibration
        card = {
            "format": _FORMAT,
            "architecture": NAME,
            "classes": list(self.classes),
            "form_features": list(FORM_FEATURES),
            "rhythm_features": list(RHYTHM_FEATURES),
            "calibration": None if fitted is None else {"slope": fitted.slope, "offset": fitted.offset},
        }
        return {
            _FORM_FILE: bytes(self.form.save_raw("ubj")),
            _RHYTHM_FILE: bytes(self.rhythm.save_raw("ubj")),
            _CARD_FILE: json.dumps(card, indent=1, sort_keys=True).encode(),
        }


def load(files: Mapping[str, bytes]) -> RelativeModel:
    """Rebuild a model from `RelativeModel.files`.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained on other features than this version computes.
    """
    missing = sorted({_FORM_FILE, _RHYTHM_FILE, _CARD_FILE} - set(files))
    if missing:
        msg = f"The model lacks {', '.join(missing)}; register it again."
        raise ModelFileError(msg)
    card = json.loads(files[_CARD_FILE])
    expected = {"format": _FORMAT, "form_features": list(FORM_FEATURES), "rhythm_features": list(RHYTHM_FEATURES)}
    for name, value in expected.items():
        if card.get(name) != value:
            msg = f"The model's {name} are not those of this version of HeartWave; retrain it."
            raise ModelFileError(msg)
    fitted = card["calibration"]
    return RelativeModel(
        form=_load_booster(files[_FORM_FILE]),
        rhythm=_load_booster(files[_RHYTHM_FILE]),
        calibration=fitted and calibration.Calibration(tuple(fitted["slope"]), tuple(fitted["offset"])),
    )


def train(beats: Beats, *, groups: NDArray[np.str_], seed: int, params: Params, progress: Progress) -> RelativeModel:
    """Train both heads on all annotated beats, then calibrate them with models that each leave out some patients."""
    rows = beats.is_beat & (beats.reference >= 0)
    context, reference, patients = beats.context[rows], beats.reference[rows].astype(np.int64), groups[rows]
    folds = deal_patients(patients, reference, int(params["calibration_folds"]))
    count = int(folds.max()) + 1
    left_out = np.zeros((len(reference), len(CLASSES)), dtype=np.float32)
    for fold in range(count if count > 1 else 0):
        progress(fold / (count + 1), f"calibrating on patients left out, {fold + 1} of {count}")
        tested = folds == fold
        heads = _train_heads(context[~tested], reference[~tested], seed, params)
        left_out[tested] = _combine(*heads, context[tested])
    progress(count / (count + 1), f"training on {len(reference)} beats of {len(np.unique(patients))} patients")
    form, rhythm = _train_heads(context, reference, seed, params)
    fitted = calibration.Calibration.fit(left_out, reference) if count > 1 else None
    progress(1.0, "trained")
    # What is kept is what loading gives, so that a model answers alike before and after it was stored.
    return load(RelativeModel(form, rhythm, fitted).files())


def deal_patients(patients: NDArray[np.str_], reference: NDArray[np.integer], folds: int) -> NDArray[np.int64]:
    """Deal patients out to folds, those with most S and V beats first, so that every fold has some; (n,) out."""
    names, index = np.unique(patients, return_inverse=True)
    rare = np.bincount(index, weights=reference == _S) * len(reference) + np.bincount(index, weights=reference == _V)
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[np.argsort(-rare, kind="stable")] = np.arange(len(names)) % max(1, min(folds, len(names)))
    return fold_of[index]


def _train_heads(
    context: NDArray[np.float32], reference: NDArray[np.int64], seed: int, params: Params
) -> tuple[xgb.Booster, xgb.Booster]:
    random = np.random.default_rng(seed)
    kept = (reference != _N) | (random.random(len(reference)) < float(params["normal_share"]))
    context, reference = context[kept], reference[kept]
    common = {
        "tree_method": "hist",
        "eta": params["learning_rate"],
        "subsample": params["row_share"],
        "colsample_bytree": params["column_share"],
        "lambda": params["l2"],
        "min_child_weight": params["smallest_leaf_weight"],
        "max_bin": params["bins"],
        "nthread": params["threads"],
        "seed": seed,
    }
    form_class = np.maximum(reference - 1, 0)
    form = _boost(
        {**common, "max_depth": params["form_depth"], "objective": "multi:softprob", "num_class": len(FORM_CLASSES)},
        _columns(context, FORM_FEATURES),
        form_class,
        float(params["form_weight_exponent"]),
        int(params["form_rounds"]),
    )
    narrow = reference <= _S
    rhythm = _boost(
        {
            **common,
            "max_depth": params["rhythm_depth"],
            "objective": "binary:logistic",
            "base_score": 0.5,
            "monotone_constraints": tuple(-int(_falls_with_s(name)) for name in RHYTHM_FEATURES),
        },
        _columns(context[narrow], RHYTHM_FEATURES),
        (reference[narrow] == _S).astype(np.int64),
        float(params["rhythm_weight_exponent"]),
        int(params["rhythm_rounds"]),
    )
    return form, rhythm


def _falls_with_s(name: str) -> bool:
    return bool(_LESS_IF_EARLY.match(name) or _LESS_IF_UNLIKE.match(name))


def _boost(
    settings: dict[str, object], columns: NDArray[np.float32], target: NDArray[np.int64], exponent: float, rounds: int
) -> xgb.Booster:
    counts = np.bincount(target)
    weights = (counts[target] / len(target)) ** -exponent
    data = xgb.QuantileDMatrix(
        columns, target, weight=weights / weights.mean(), max_bin=settings["max_bin"], nthread=settings["nthread"]
    )
    return xgb.train(settings, data, rounds)


def _combine(form: xgb.Booster, rhythm: xgb.Booster, context: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (n, 5): the form head's narrow beats are shared out between N and S by the rhythm head."""
    if not len(context):
        return np.empty((0, len(CLASSES)), dtype=np.float32)
    shape = form.inplace_predict(_columns(context, FORM_FEATURES))
    early = rhythm.inplace_predict(_columns(context, RHYTHM_FEATURES))
    narrow = shape[:, 0]
    return np.column_stack([narrow * (1 - early), narrow * early, shape[:, 1:]]).astype(np.float32)


def _columns(context: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    return np.ascontiguousarray(context[:, [CONTEXT_FEATURES.index(name) for name in names]])


def _load_booster(content: bytes) -> xgb.Booster:
    booster = xgb.Booster()
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": 1})  # scoring is parallel over shards
    return booster
