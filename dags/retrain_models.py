"""Retrain models: train, evaluate, register, and promote the best; weekly, and from the trigger form."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Metadata, Param, dag, get_current_context, task
from heartwave_assets import CHAMPION
from heartwave_notices import FAILED
from heartwave_retries import default_args

ARCHITECTURES = ["relative"]
PROTOCOLS = ["random_beats", "inter_patient"]


@dag(
    # The next tick, not the last one: what was just installed has nothing to catch up on.
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    on_failure_callback=FAILED,
    max_active_runs=1,
    default_args=default_args(retries=2, at_most=timedelta(hours=6)),
    tags=["heartwave", "weekly"],
    params={
        "architectures": Param(
            ["relative"],
            type="array",
            title="Architectures",
            description="Models to train; the best of them challenges the champion. "
            "relative: XGBoost on features relative to the recording, built for patients never seen.",
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
        "sources": Param(
            [],
            type=["null", "array"],
            title="Sources",
            description="Sources whose annotated recordings are trained on, one a line, such as mitdb; "
            "empty for all of them.",
            items={"type": "string", "pattern": "^[A-Za-z0-9_/-]{1,128}$"},
        ),
        "seed": Param(
            42,
            type="integer",
            title="Seed",
            description="Same beats and same seed give the same model.",
            minimum=0,
            maximum=2147483647,
        ),
    },
    doc_md="""
### Beats become a model

Trains each chosen architecture on every annotated recording in the lake, tests its recipe on **patients it has not
seen**, logs parameters, figures, pictures and the report to MLflow, and registers a version.

The best new version becomes **champion** only if it is better on `patient_folds` (mean F1 of N, S and V) and finds
no fewer V or S beats than chance explains. `SELECT * FROM model_leaderboard` shows all versions.
""",
)
def retrain_models() -> None:
    @task
    def plan_training() -> dict:
        """Fix the beats and protocols of this run."""
        from heartwave_tasks.jobs import training_plan
        from heartwave_tasks.settings import get_settings

        context = get_current_context()
        params = context["params"]
        return asdict(
            training_plan.plan(
                get_settings(),
                protocol_names=list(params["protocols"] or []),
                seed=int(params["seed"]),
                sources=list(params["sources"] or []),
                dag_run_id=context["dag_run"].run_id,
            )
        )

    @task
    def list_architectures() -> list[str]:
        """Hand the chosen architectures on, one task each."""
        return list(get_current_context()["params"]["architectures"])

    @task(
        map_index_template="{{ architecture_name }}",
        doc_md="Evaluate the architecture under every protocol, train it on everything, log it to MLflow.",
    )
    def train(plan: dict, architecture: str) -> dict:
        from heartwave_tasks.jobs import training
        from heartwave_tasks.jobs.training_plan import RetrainPlan
        from heartwave_tasks.settings import get_settings

        get_current_context()["architecture_name"] = architecture
        return asdict(training.train(get_settings(), RetrainPlan(**plan), architecture))

    @task(
        map_index_template="{{ architecture_name }}",
        doc_md="Make the model a version in MLflow and Postgres, with its evaluations.",
    )
    def register(plan: dict, trained: dict) -> dict:
        from heartwave_tasks.jobs import registration
        from heartwave_tasks.jobs.training import TrainedModel
        from heartwave_tasks.jobs.training_plan import RetrainPlan
        from heartwave_tasks.settings import get_settings

        get_current_context()["architecture_name"] = trained["architecture"]
        return asdict(registration.register(get_settings(), RetrainPlan(**plan), TrainedModel(**trained)))

    @task(outlets=[CHAMPION])
    def promote(versions: list[dict]):
        """Let the best version challenge the champion."""
        from airflow.sdk.exceptions import AirflowSkipException

        from heartwave_tasks.jobs import promotion
        from heartwave_tasks.jobs.registration import RegisteredVersion
        from heartwave_tasks.settings import get_settings

        run_id = get_current_context()["dag_run"].run_id
        candidates = [RegisteredVersion(**version) for version in versions]
        comparison = promotion.compare(get_settings(), candidates, dag_run_id=run_id)
        if not comparison.passed:
            raise AirflowSkipException(f"Version {comparison.version} was not promoted: {' '.join(comparison.reasons)}")
        promoted = promotion.promote(get_settings(), comparison, by=f"retrain_models {run_id}")
        yield Metadata(CHAMPION, extra=asdict(promoted))

    plan = plan_training()
    trained = train.partial(plan=plan).expand(architecture=list_architectures())
    promote(register.partial(plan=plan).expand(trained=trained))


retrain_models()
