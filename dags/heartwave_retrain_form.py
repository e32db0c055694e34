"""The form of `retrain_models`: what can be asked of a retraining, within which limits."""

from __future__ import annotations

from airflow.sdk import Param

ARCHITECTURES = ["relative", "convxgb", "xgb_features", "cnn_mlp"]
PROTOCOLS = ["random_beats", "inter_patient"]
SOURCE = "^[A-Za-z0-9_/-]{1,128}$"

FORM = {
    "architectures": Param(
        ["relative"],
        type="array",
        title="Architectures",
        description="Models to train; the best of them challenges the champion. "
        "relative: XGBoost on features relative to the recording, built for patients never seen. "
        "convxgb, xgb_features, cnn_mlp: those of the original project, best where patients are known.",
        items={"type": "string", "enum": ARCHITECTURES},
        examples=ARCHITECTURES,
        minItems=1,
        uniqueItems=True,
    ),
    "protocols": Param(
        PROTOCOLS,
        type=["null", "array"],
        title="Protocols",
        description="Ways to test besides patient_folds, which always runs because promotion hangs on it. "
        "random_beats: beats of one patient on both sides, as older papers do. "
        "inter_patient: MIT-BIH's DS1 to DS2, to compare with the literature.",
        items={"type": "string", "enum": PROTOCOLS},
        examples=PROTOCOLS,
        uniqueItems=True,
    ),
    "external_sources": Param(
        [],
        type=["null", "array"],
        title="External test sources",
        description="Annotated sources to test on by models trained without them, one a line, such as svdb; "
        "each is a protocol external:NAME. Any sampling rate and lead names will do.",
        items={"type": "string", "pattern": SOURCE},
        maxItems=8,
        uniqueItems=True,
    ),
    "sources": Param(
        [],
        type=["null", "array"],
        title="Sources",
        description="Sources whose annotated recordings are trained and tested on, one a line, such as mitdb; "
        "empty for all of them.",
        items={"type": "string", "pattern": SOURCE},
        maxItems=64,
        uniqueItems=True,
    ),
    "class_balancing": Param(
        "default",
        type="string",
        title="Class balancing",
        description="How rare classes are made to count. default: each architecture's own way. smote: synthetic "
        "beats. weights: rare beats weigh more. off: neither. relative always weighs classes, by its own settings.",
        enum=["default", "smote", "weights", "off"],
    ),
    "tuning_trials": Param(
        0,
        type="integer",
        title="Tuning trials",
        description="Parameter settings to try in each search; 0 trains with the tuned defaults. Every protocol "
        "has searches of its own, which never see its test patients. The same beats and seed go on where an "
        "earlier run stopped.",
        minimum=0,
        maximum=500,
    ),
    "time_budget_minutes": Param(
        30,
        type="integer",
        title="Time budget for tuning, minutes",
        description="Tuning of an architecture ends after this long, shared out among its searches.",
        minimum=1,
        maximum=300,
    ),
    "seed": Param(
        42,
        type="integer",
        title="Seed",
        description="Same beats and same seed give the same model.",
        minimum=0,
        maximum=2147483647,
    ),
    "approval": Param(
        default=False,
        type="boolean",
        title="Ask a person before promoting",
        description="A challenger that has passed the gate waits under Required Actions until somebody approves "
        "it, for six days at most. Unticked, the gate alone decides.",
    ),
}
