"""Models: every version's figures, side by side, and the report of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Request, status
from fastapi.responses import HTMLResponse

from heartwave_tasks.page.database import Data

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

router = APIRouter(prefix="/data", tags=["models"])

REPORT: Final = "report.html"
_REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""A report is a page of its own, with its style and pictures inside; it runs no script."""


@router.get("/models")
def list_models(data: Data) -> dict[str, Any]:
    """List all versions with their figures under every protocol, by class too, comparisons and promotions."""
    return {
        "evaluations": data.rows(
            """
            SELECT protocol, place, model_name, model_version, architecture, is_champion, n_beats, n_recordings,
                accuracy, macro_f1, nsv_mean_f1, cohen_kappa, ece, n_training_beats, mlflow_run_id, evaluated_at,
                confusion
            FROM model_leaderboard ORDER BY protocol, place, model_version DESC
            """
        ),
        "classes": data.rows(
            """
            SELECT model_version, protocol, class, n_beats, sensitivity, positive_predictivity, f1, f1_low, f1_high
            FROM model_evaluation_by_class ORDER BY model_version, protocol, class
            """
        ),
        "champion": data.row("SELECT * FROM champion"),
        "promotions": data.rows(
            """
            SELECT model_version, architecture, promoted_at, promoted_by, reason, is_rollback
            FROM model_promotions ORDER BY promotion_id DESC LIMIT 20
            """
        ),
        "comparisons": data.rows(
            """
            SELECT comparison_id, challenger_version, champion_version, protocol, n_beats, n_patients, passed, reasons,
                approved, decided_by, note, compared_at, place, figure, decides, challenger, champion, difference_low,
                difference_high
            FROM model_comparison
            WHERE comparison_id IN (SELECT DISTINCT comparison_id FROM model_comparison ORDER BY 1 DESC LIMIT 20)
            ORDER BY comparison_id DESC, place
            """
        ),
    }


@router.get("/models/{version}/report", response_class=HTMLResponse)
def show_report(data: Data, request: Request, version: Annotated[int, Path(ge=1, le=10**9)]) -> HTMLResponse:
    """Show the report that was made when the version was trained."""
    settings: Settings = request.app.state.settings
    found = data.row(
        "SELECT mlflow_run_id FROM model_leaderboard WHERE model_version = :version AND model_name = :name LIMIT 1",
        version=version,
        name=settings.model_name,
    )
    content = None
    if found is not None:
        from heartwave_tasks.stores.registry import Registry  # noqa: PLC0415 - a second, for who reads reports

        content = Registry(settings).find_artifact(found["mlflow_run_id"], REPORT)
    if content is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no report of version {version}.")
    return HTMLResponse(content, headers={"Content-Security-Policy": _REPORT_POLICY})
