"""Errors a person can do something about: one sentence and the remedy instead of a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

# By name, because importing the modules that define them would cost every command their weight. All of them carry
# messages written for people.
_SPEAKING: Final = frozenset(
    {
        "AirflowError",
        "CommandError",
        "ForgetError",
        "NotInQuarantineError",
        "DatabaseSetupError",
        "EvaluationDocumentError",
        "EvaluationError",
        "NoSuchVersionError",
        "PromotionError",
        "ProtocolError",
        "RecordFilesError",
        "RetrainError",
        "SettingsError",
        "StackError",
        "SyntheticError",
        "TamperedModelError",
        "TrainingError",
    }
)
_S3_UNREACHABLE: Final = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError"})
_S3_DENIED: Final = frozenset({"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class CommandError(RuntimeError):
    """A command cannot do what it was asked; the message says why and what to do."""


def explain(error: BaseException) -> str | None:
    """Say in a sentence or two what is wrong and how to mend it; None for errors nobody expected."""
    names = {kind.__name__ for kind in type(error).__mro__}
    told: str | None = None
    if names & _SPEAKING:
        told = str(error)
    elif "S3UploadFailedError" in names:
        told = f"S3 refused an upload: {error}. Check HEARTWAVE_S3_* and the bucket's rights."
    elif names & _S3_UNREACHABLE:
        told = f"S3 cannot be reached: {error} Start it with `heartwave up`, or check HEARTWAVE_S3_ENDPOINT_URL."
    elif "NoCredentialsError" in names or "PartialCredentialsError" in names:
        told = (
            "There are no S3 credentials. Set HEARTWAVE_S3_ACCESS_KEY_ID and HEARTWAVE_S3_SECRET_ACCESS_KEY, "
            "or start the embedded stack with `heartwave up`."
        )
    elif "ClientError" in names:
        told = _explain_s3(error)
    elif "OperationalError" in names:
        told = f"The database cannot be used: {_first_line(error)}. `heartwave doctor` tells what is wrong."
    elif "MlflowException" in names:
        told = f"MLflow cannot do it: {_first_line(error)}. Start it with `heartwave up`, or see `heartwave status`."
    elif "ValidationError" in names and type(error).__module__.startswith("pydantic"):
        told = f"A HEARTWAVE_* setting is not valid: {_settings_faults(error)}."
    elif isinstance(error, OSError):
        told = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."
    return told


def need(settings: Settings, *fields: str) -> tuple[str, ...]:
    """Return the values of settings a command cannot do without; raises `CommandError` naming those not set."""
    missing = [f"HEARTWAVE_{field.upper()}" for field in fields if getattr(settings, field) is None]
    if missing:
        raise CommandError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set. "
            "Start the embedded stack with `heartwave up`, or set them to your own servers."
        )
    values = [getattr(settings, field) for field in fields]
    return tuple(str(value.get_secret_value() if hasattr(value, "get_secret_value") else value) for value in values)


def _explain_s3(error: BaseException) -> str:
    response = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", ""))
    if code in {"NoSuchBucket", "404"}:
        return "A bucket does not exist. `heartwave init` creates those that are missing."
    if code in _S3_DENIED:
        return f"S3 refuses the credentials ({code}). Check HEARTWAVE_S3_ACCESS_KEY_ID and its secret."
    return f"S3 answers with an error: {error}."


def _settings_faults(error: BaseException) -> str:
    faults = error.errors(include_input=False, include_url=False)  # type: ignore[attr-defined]  # pydantic's
    return "; ".join(f"HEARTWAVE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in faults if fault["loc"])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
