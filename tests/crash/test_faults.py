"""The medium refuses, once or from some step on: the house says so in one clear line, and the next try finishes.

Faults strike opens too: 281 steps a life. `make test` takes every sixth for each code that strikes once, every twelfth
for each that stays, each code at others: about 210. The deep tests take all 1,686, about four minutes, and as many
where the root of keys is NVRAM.
"""

from typing import Any

import pytest

from tests.crash.fate import REFUSALS

ONCE, STAYING = 6, 12
FOR_GOOD = [f"{code} for good" for code in REFUSALS]


def problems(street: Any, befalls: str, steps: range) -> dict[str, list[str]]:
    names = street.steps("live")
    found = {f"{befalls} {step} {names[step - 1]}": street.fault(step, befalls) for step in steps}
    return {where: wrong for where, wrong in found.items() if wrong}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_fault_costs_one_more_try(street: Any, code: str) -> None:
    first = 1 + 2 * REFUSALS.index(code)
    assert problems(street, code, range(first, len(street.steps("live")) + 1, ONCE)) == {}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_medium_that_stays_broken_costs_one_more_start(street: Any, code: str) -> None:
    first = 1 + 4 * REFUSALS.index(code)
    assert problems(street, f"{code} for good", range(first, len(street.steps("live")) + 1, STAYING)) == {}


@pytest.mark.parametrize("befalls", [*REFUSALS, *FOR_GOOD])
def test_a_fault_at_the_first_start_costs_one_more_start(street: Any, befalls: str) -> None:
    steps = range(1, len(street.steps("begin", planted=False)) + 1)
    assert {
        step: wrong for step in steps[:: 1 if befalls == "EIO" else 4] if (wrong := street.begin(step, befalls))
    } == {}


@pytest.mark.parametrize("befalls", ["EIO", "ENOSPC for good", "EROFS for good"])
def test_a_fault_at_the_start_after_a_cut(street: Any, befalls: str) -> None:
    cut = street.deaths("before", "pwrite keys/slots")[1]
    steps = range(1, len(street.steps("recover")) + 1, STAYING)
    assert {step: wrong for step in steps if (wrong := street.fault_at_the_start(cut, step, befalls))} == {}


def test_a_fault_is_noticed(street: Any) -> None:
    """A step that nobody misses would not have to be taken. Folders are there; dead files may stay a while."""
    unnoticed = [
        (kind, path)
        for step, (kind, path) in enumerate(street.steps("live"), 1)
        if step % ONCE == 0 and kind not in {"mkdir", "unlink"} and not street.noticed(step, "EIO")
    ]
    assert unnoticed == []


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("befalls", [*REFUSALS, *FOR_GOOD])
def test_a_fault_at_every_step(street: Any, befalls: str) -> None:
    assert problems(street, befalls, range(1, len(street.steps("live")) + 1)) == {}
