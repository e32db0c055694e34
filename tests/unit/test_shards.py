"""Work is shared out evenly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heartwave_tasks.jobs.shards import balance


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(1, 10))
def test_everything_once_within_the_limit(weights: list[int], most: int) -> None:
    """Every item is in exactly one group, and no group holds more than allowed."""
    groups = balance(list(enumerate(weights)), most)

    assert sorted(item for group in groups for item in group) == list(range(len(weights)))
    assert all(0 < len(group) <= most for group in groups)


def test_weights_are_balanced() -> None:
    """The heaviest group is not much heavier than the lightest."""
    groups = balance([(n, 1_000 + n) for n in range(48)], 12)
    weights = [sum(1_000 + n for n in group) for group in groups]

    assert len(groups) == 4
    assert max(weights) - min(weights) < 100
