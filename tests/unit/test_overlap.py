"""Work that is done one item ahead."""

from __future__ import annotations

import threading
import time

import pytest

from heartwave_tasks.jobs.overlap import ahead


def test_items_keep_their_order_and_errors() -> None:
    """Every item comes in its turn with its own result, and one that fails is alone in failing."""
    found = list(ahead(lambda number: 10 // number, [5, 0, 2]))
    assert [number for number, _ in found] == [5, 0, 2]
    assert found[0][1].result() == 2
    with pytest.raises(ZeroDivisionError):
        found[1][1].result()
    assert found[2][1].result() == 5


def test_the_next_item_is_worked_on_meanwhile() -> None:
    """While the caller deals with the first item the second is done, and the third is not begun."""
    begun: list[int] = []
    second = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            second.set()
        return number

    for number, result in ahead(work, [1, 2, 3]):
        if number == 1:
            assert second.wait(10)
            time.sleep(0.05)
            assert begun == [1, 2]
        assert result.result() == number
    assert begun == [1, 2, 3]


def test_nothing_more_is_begun_after_an_error_of_the_caller() -> None:
    """A caller that gives up leaves no thread that goes on."""
    begun: list[int] = []
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match="enough"):  # noqa: PT012 - the loop is what raises
        for number, _ in ahead(begun.append, range(100)):
            raise RuntimeError(f"enough at {number}")
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert len(begun) <= 3
