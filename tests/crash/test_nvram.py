"""The same where the root of keys is NVRAM: at each step that touches the chip, and at some of the others.

A chip has what a write to it returned from; its secrets are 32 bytes, and nothing is around them. About 240 deaths and
100 refusals, half a minute. The deep tests let befall these houses all that befalls those with a root in a file.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

CHIP = "keys/slots"
OTHERS = 10
"""Of the steps that do not touch the chip, every so many."""
BEFALLS = ("before", "during", "after", "lost")


@pytest.fixture
def street(streets: Callable[[str], Any]) -> Any:
    return streets("nvram")


def wrong(hit: Callable[[int, str], list[str]], steps: Sequence[int], befalls: str) -> dict[int, list[str]]:
    return {step: problems for step in steps if (problems := hit(step, befalls))}


def chosen(steps: Sequence[int], chip: Sequence[int], offset: int) -> list[int]:
    return sorted({*chip, *[step for step in steps if step not in chip][offset::OTHERS]})


def test_nothing_befalls_it(street: Any) -> None:
    assert street.uncut() == []
    assert street.cut_for_persons(0, "") == []


@pytest.mark.parametrize("befalls", BEFALLS)
def test_an_order_survives_a_cut(street: Any, befalls: str) -> None:
    steps = chosen(street.deaths(befalls), street.deaths(befalls, CHIP), 2 * BEFALLS.index(befalls))
    assert wrong(street.cut, steps, befalls) == {}


@pytest.mark.parametrize("befalls", ["before", "during"])
def test_an_order_about_persons_survives_a_cut(street: Any, befalls: str) -> None:
    ordered = street.deaths("before", "journal$", do="person")[0]
    steps = [step for step in street.deaths(befalls, CHIP, do="person") if step > ordered]
    assert steps
    assert wrong(street.cut_for_persons, steps, befalls) == {}


@pytest.mark.parametrize(("befalls", "again"), [("before", "during"), ("during", "lost")])
def test_a_second_cut_during_the_recovery(street: Any, befalls: str, again: str) -> None:
    seconds = street.deaths(again, CHIP, do="recover")[:4]
    pairs = [(step, second) for step in street.deaths(befalls, CHIP)[::4] for second in seconds]
    assert {pair: found for pair in pairs if (found := street.cut_twice(pair[0], befalls, pair[1], again))} == {}


@pytest.mark.parametrize("befalls", BEFALLS)
def test_the_first_start_is_interrupted(street: Any, befalls: str) -> None:
    assert wrong(street.begin, street.deaths(befalls, CHIP, do="begin"), befalls) == {}


@pytest.mark.parametrize("befalls", ["EIO", "EROFS for good"])
def test_a_refusal_costs_one_more_try(street: Any, befalls: str) -> None:
    steps = street.steps("live")
    chip = [step for step, (_, path) in enumerate(steps, 1) if path == CHIP]
    assert chip
    assert (
        wrong(street.fault, chosen(range(1, len(steps) + 1), chip[:: 1 if befalls == "EIO" else 3], 4), befalls) == {}
    )


def test_a_refusal_of_the_chip_is_noticed(street: Any) -> None:
    steps = [step for step, (_, path) in enumerate(street.steps("live"), 1) if path == CHIP]
    assert [step for step in steps if not street.noticed(step, "EIO")] == []


def test_a_secret_that_stays_in_the_chip_is_found(street: Any) -> None:
    assert any(
        "an old slot's secret" in one or "secrets of root slots" in one
        for one in street.uncut(variant="leaves the old slot")
    )
