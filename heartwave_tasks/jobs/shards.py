"""Sharing work out among mapped tasks."""

from __future__ import annotations

import heapq
import math
from typing import TypeVar

Item = TypeVar("Item")


def balance(items: list[tuple[Item, int]], most_items: int) -> list[list[Item]]:
    """Spread weighted items over as few groups as hold `most_items` each, the groups' weights nearly equal.

    The heaviest item goes first, always to the lightest group with room; each group keeps the given order.
    """
    n_groups = math.ceil(len(items) / most_items)
    groups: list[list[int]] = [[] for _ in range(n_groups)]
    lightest = [(0, group) for group in range(n_groups)]
    for place in sorted(range(len(items)), key=lambda place: (-items[place][1], place)):
        weight, group = heapq.heappop(lightest)
        groups[group].append(place)
        if len(groups[group]) < most_items:
            heapq.heappush(lightest, (weight + items[place][1], group))
    return [[items[place][0] for place in sorted(group)] for group in groups]
