"""What HeartWave's tasks do after a failure: wait and try again, unless that cannot help."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import RetryDecision, RetryPolicy


class UnlessPermanent(RetryPolicy):
    """Fails a task at once, with the reason, when what stopped it will not pass by itself."""

    def evaluate(self, exception, try_number, max_tries, context=None):  # noqa: ARG002 - Airflow's signature
        """Ask the package, in the task's own process; the scheduler never calls this."""
        from heartwave_tasks.stores.failures import is_permanent

        if is_permanent(exception):
            return RetryDecision.fail(reason=f"Trying again would not help: {exception}")
        return RetryDecision.default()


def default_args(*, retries: int, at_most: timedelta) -> dict:
    """Return what all tasks of a DAG have in common.

    ``at_most`` ends an attempt that hangs in spite of every timeout below it, so that a night does not.
    """
    return {
        "owner": "heartwave",
        "retries": retries,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "retry_policy": UnlessPermanent(),
        "execution_timeout": at_most,
    }
