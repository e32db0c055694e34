"""Overlap: while one thing is dealt with, the next is being prepared."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[tuple[Item, Future[Result]]]:
    """Work on each item in a thread, one item ahead of the caller; yields items in order, each with what came of it.

    No more than two results are held at a time. An error is raised by its own item's ``result()``; the others go on.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > 1:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, result in waiting:
                result.cancel()
