"""So many at once, and as many again in time."""

from typing import Any

import pytest

from agent.allowances import MOST_KEYS, Allowances


def taken(allowances: Allowances, key: str, tries: int) -> int:
    return sum(allowances.take(key) for _ in range(tries))


@pytest.mark.parametrize(("most", "span"), [(1, 10.0), (20, 3600.0), (7, 0.3)])
def test_so_many_at_once_and_then_one_by_one(clock: Any, most: int, span: float) -> None:
    allowances = Allowances(clock, most, span)
    assert taken(allowances, "a", 5 * most) == most
    assert taken(allowances, "b", 5 * most) == most, "each has its own"
    clock.move(seconds=1.01 * span / most)
    assert taken(allowances, "a", 5 * most) == 1
    clock.move(seconds=10 * span)
    assert taken(allowances, "a", 5 * most) == most, "and never more"


def test_keys_take_no_more_memory(clock: Any) -> None:
    allowances = Allowances(clock, 2, 60.0)
    assert taken(allowances, "busy", 2) == 2
    for n in range(MOST_KEYS + 10):
        assert allowances.take(f"{n}")
    assert len(allowances._until) == MOST_KEYS
    assert not allowances.take("busy"), "who used up most is remembered"
