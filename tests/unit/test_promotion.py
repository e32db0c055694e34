"""Who was champion before whom, also after people went back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from heartwave_tasks.jobs.promotion import standing
from heartwave_tasks.stores.predictions import ModelPromotion


def _history(*steps: int) -> list[ModelPromotion]:
    """Return promotions of versions; a negative number is a rollback to it."""
    return [
        ModelPromotion(
            promotion_id=number,
            model_version_id=abs(step),
            promoted_at=datetime.now(UTC),
            promoted_by="Ada",
            reason="",
            is_rollback=step < 0,
        )
        for number, step in enumerate(steps)
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), []),
        ((1,), [1]),
        ((1, 2, 3), [1, 2, 3]),
        ((1, 2, 3, -2), [1, 2]),
        ((1, 2, 3, -2, -1), [1]),
        ((1, 2, -1, 3), [1, 3]),
        ((1, 2, -1, 2), [1, 2]),
        ((1, 2, 1, -2), [1, 2]),
    ],
)
def test_going_back_twice_goes_further_back(steps: tuple[int, ...], expected: list[int]) -> None:
    """A rollback takes the champion after it off the list, so that the next one does not bring it back."""
    assert standing(_history(*steps)) == expected
