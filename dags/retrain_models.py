"""Retrain models: tune, train, evaluate, register, and promote the best; weekly, and from the trigger form."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import CronTriggerTimetable, Metadata, Param, dag, get_current_context, task
from heartwave_assets import CHAMPION
from heartwave_notices import FAILED, WAITS_FOR_APPROVAL
from heartwave_retrain_form import FORM
from heartwave_retries import default_args

APPROVE, REJECT = "Approve", "Reject"

# A training holds a core and, with the process its networks are trained in, up to 1.9 GB; all are wanted within four.
# The scheduler starts mapped tasks in their order: with the shortest last, two cores stay busy until nearly the end.
TRAININGS_AT_ONCE = 2
LONGEST_FIRST = ["cnn_mlp", "convxgb", "xgb_features", "relative"]


@task
def plan_training() -> dict:
    """Fix the beats, the protocols and the way of this run."""
    from heartwave_tasks.jobs import training_plan
    from heartwave_tasks.settings import get_settings

    context = get_current_context()
    params = context["params"]
    external = [f"external:{source}" for source in params["external_sources"] or []]
    balancing = params["class_balancing"]
    return asdict(
        training_plan.plan(
            get_settings(),
            protocol_names=[*(params["protocols"] or []), *external],
            seed=int(params["seed"]),
            sources=list(params["sources"] or []),
            dag_run_id=context["dag_run"].run_id,
            balancing=None if balancing == "default" else balancing,
            tuning_trials=int(params["tuning_trials"]),
            time_budget_minutes=int(params["time_budget_minutes"]),
        )
    )


@task
def list_architectures() -> list[str]:
    """Hand the chosen architectures on, one task each, those that take longest first."""
    return sorted(get_current_context()["params"]["architectures"], key=LONGEST_FIRST.index)


@task(
    map_index_template="{{ architecture_name }}",
    max_active_tis_per_dagrun=TRAININGS_AT_ONCE,
    doc_md="Search for the architecture's parameters on folds of training patients; nothing if no trial is wanted.",
)
def tune(plan: dict, architecture: str) -> dict:
    from heartwave_tasks.jobs import tuning
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.settings import get_settings

    get_current_context()["architecture_name"] = architecture
    return asdict(tuning.tune(get_settings(), RetrainPlan(**plan), architecture))


@task(
    map_index_template="{{ architecture_name }}",
    max_active_tis_per_dagrun=TRAININGS_AT_ONCE,
    doc_md="Evaluate the architecture under every protocol, train it on everything, log it to MLflow.",
)
def train(plan: dict, tuned: dict) -> dict:
    from heartwave_tasks.jobs import training
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.jobs.tuning import Tuning
    from heartwave_tasks.settings import get_settings

    get_current_context()["architecture_name"] = tuned["architecture"]
    return asdict(training.train(get_settings(), RetrainPlan(**plan), Tuning(**tuned)))


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


@task
def compare(versions: list[dict]) -> dict:
    """Let the best version challenge the champion; what does not pass the gate ends here."""
    from airflow.sdk.exceptions import AirflowSkipException

    from heartwave_tasks.jobs import promotion
    from heartwave_tasks.jobs.registration import RegisteredVersion
    from heartwave_tasks.settings import get_settings

    run_id = get_current_context()["dag_run"].run_id
    candidates = [RegisteredVersion(**version) for version in versions]
    comparison = promotion.compare(get_settings(), candidates, dag_run_id=run_id)
    if not comparison.passed:
        raise AirflowSkipException(f"Version {comparison.version} was not promoted: {' '.join(comparison.reasons)}")
    return asdict(comparison)


@task.branch
def ask_a_person(comparison: dict) -> str:  # noqa: ARG001 - it is asked about what passed
    """Wait for a person where the form says so."""
    return "approve" if get_current_context()["params"]["approval"] else "promote"


@task(outlets=[CHAMPION], trigger_rule="none_failed_min_one_success")
def promote(comparison: dict):
    """Make the challenger champion, unless a person said no."""
    from airflow.sdk.exceptions import AirflowSkipException

    from heartwave_tasks.jobs import promotion
    from heartwave_tasks.settings import get_settings

    context = get_current_context()
    settled = promotion.settle(
        get_settings(),
        promotion.Comparison(**comparison),
        context["ti"].xcom_pull(task_ids="approve"),
        run=f"retrain_models {context['dag_run'].run_id}",
    )
    if not settled.promoted:
        raise AirflowSkipException(f"Version {settled.version} was not promoted. {' '.join(settled.reasons)}")
    yield Metadata(CHAMPION, extra=asdict(settled))


@dag(
    # The next tick, not the last one: what was just installed has nothing to catch up on.
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    on_failure_callback=FAILED,
    max_active_runs=1,
    default_args=default_args(retries=2, at_most=timedelta(hours=6)),
    tags=["heartwave", "weekly"],
    params=FORM,
    doc_md="""
### Beats become a model

Trains each chosen architecture on every annotated recording in the lake, tests its recipe on **patients it has not
seen**, logs parameters, figures, pictures and the report to MLflow, and registers a version.

The best new version becomes **champion** only if it is better on `patient_folds` (mean F1 of N, S and V) and finds
no fewer V or S beats than chance explains; on request, only after a person has approved it, too. Every comparison is
kept: `SELECT * FROM model_comparison`. `SELECT * FROM model_leaderboard` shows all versions.
""",
)
def retrain_models() -> None:
    plan = plan_training()
    tuned = tune.partial(plan=plan).expand(architecture=list_architectures())
    trained = train.partial(plan=plan).expand(tuned=tuned)
    comparison = compare(register.partial(plan=plan).expand(trained=trained))
    approve = HITLOperator(
        task_id="approve",
        subject="May version {{ ti.xcom_pull(task_ids='compare')['version'] }} become champion?",
        body="{{ ti.xcom_pull(task_ids='compare')['description'] }}",
        options=[APPROVE, REJECT],
        params={
            "reason": Param(
                "",
                type="string",
                title="Why",
                description="Kept with the version, beside your name.",
                maxLength=1000,
            )
        },
        notifiers=[WAITS_FOR_APPROVAL],
        response_timeout=timedelta(days=6),
        # Nobody's answer is no approval.
        defaults=REJECT,
        doc_md="Show the challenger beside the champion to a person, and wait for their answer.",
    )
    promoted = promote(comparison)
    ask_a_person(comparison) >> [approve, promoted]
    approve >> promoted


retrain_models()
