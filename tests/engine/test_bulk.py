"""Bulk work: order, bounds, errors as values, and threads that end with the iteration."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophon.engine.bulk import map_in_order
from sophon.errors import Code, SophonError


def bulk_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("sophon-bulk")]


@given(items=st.lists(st.integers()), workers=st.integers(1, 4), ahead=st.integers(1, 9))
def test_outcomes_come_in_the_order_of_the_items(items: list[int], workers: int, ahead: int) -> None:
    outcomes = list(map_in_order(lambda n: n * n, items, workers=workers, ahead=ahead))
    assert [outcome.item for outcome in outcomes] == items
    assert [outcome.get() for outcome in outcomes] == [n * n for n in items]


def test_a_slow_first_item_does_not_lose_its_place() -> None:
    second_done = threading.Event()

    def slow_first(n: int) -> int:
        if n == 0:
            assert second_done.wait(30)
        else:
            second_done.set()
        return n

    assert [outcome.get() for outcome in map_in_order(slow_first, [0, 1, 2], workers=2)] == [0, 1, 2]


def test_a_refused_item_is_an_outcome_and_stops_nothing() -> None:
    def refuse_two(n: int) -> int:
        if n == 2:
            raise SophonError(Code.IMAGE_ERROR, "the photograph is damaged")
        return n

    outcomes = list(map_in_order(refuse_two, range(5), workers=2))
    assert [outcome.result for outcome in outcomes] == [0, 1, None, 3, 4]
    refused = outcomes[2].error
    assert refused is not None
    assert refused.code is Code.IMAGE_ERROR
    with pytest.raises(SophonError, match="damaged"):
        outcomes[2].get()


def test_a_defect_ends_the_iteration_and_its_threads() -> None:
    def defective(n: int) -> float:
        return 1 / n

    with pytest.raises(ZeroDivisionError):
        list(map_in_order(defective, [1, 0, 2], workers=2))
    assert not bulk_threads()


def test_no_more_items_are_taken_than_the_bound_allows() -> None:
    taken: list[int] = []

    def counted() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    outcomes = map_in_order(lambda n: n, counted(), workers=2, ahead=3)
    for yielded in range(1, 51):
        next(outcomes)
        assert len(taken) <= yielded + 2
    outcomes.close()


def test_closing_early_joins_the_threads_and_drops_what_has_not_begun() -> None:
    begun: list[int] = []
    outcomes = map_in_order(lambda n: begun.append(n), range(1000), workers=2, ahead=4)
    next(outcomes)
    assert bulk_threads()
    outcomes.close()
    assert not bulk_threads()
    assert len(begun) <= 4


def test_nothing_runs_before_the_first_outcome_is_asked_for() -> None:
    map_in_order(lambda n: n, range(3), workers=2)
    assert not bulk_threads()


@pytest.mark.parametrize(("workers", "ahead"), [(0, 1), (1, 0)])
def test_a_bound_below_one_is_refused(workers: int, ahead: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next(map_in_order(lambda n: n, [1], workers=workers, ahead=ahead))
