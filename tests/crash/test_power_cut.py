"""A house dies by SIGKILL at every step towards the disk, and what it leaves behind is whole.

What a kill cannot show is a sync that is missing: the kernel keeps what it was given.
"""

from collections.abc import Iterator
from typing import Any

import pytest

VARIANTS = [
    "receipt before erasing",
    "skips the spool",
    "acknowledges before it journals",
    "does not journal what it found",
]


def problems(street: Any, befalls: str, variant: str = "") -> Iterator[str]:
    """One line for each cut that leaves something wrong behind."""
    steps = street.steps("live")
    assert len(steps) > 60
    assert set(steps) >= {"open", "write", "fsync", "fdatasync", "replace", "unlink", "mkdir"}
    for step, name in enumerate(steps, 1):
        if (befalls != "during" or name == "write") and (wrong := street.cut(step, befalls, variant)):
            yield f"{befalls} {step} ({name}): {'; '.join(wrong)}"


@pytest.mark.parametrize("befalls", ["before", "during", "after"])
def test_an_order_survives_a_cut_at_every_step(street: Any, befalls: str) -> None:
    assert list(problems(street, befalls)) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_house_that_is_wrong_is_caught(street: Any, variant: str) -> None:
    assert next(problems(street, "before", variant), None)


@pytest.mark.parametrize("befalls", ["before", "during", "after"])
def test_the_first_start_survives_a_cut_at_every_step(street: Any, befalls: str) -> None:
    steps = street.steps("begin", planted=False)
    assert len(steps) > 30
    chosen = [step for step, name in enumerate(steps, 1) if befalls != "during" or name == "write"]
    assert {step: wrong for step in chosen if (wrong := street.begin(step, befalls))} == {}


def test_a_second_cut_during_the_recovery(street: Any) -> None:
    pairs = [(step, step * 7 % 60 + 1) for step in range(1, len(street.steps("live")) + 1)]
    assert {pair: wrong for pair in pairs if (wrong := street.cut_twice(*pair))} == {}


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_second_cut_at_every_step_of_every_recovery(street: Any) -> None:
    pairs = [(step, again) for step in range(1, len(street.steps("live")) + 1) for again in range(1, 75)]
    assert {pair: wrong for pair in pairs if (wrong := street.cut_twice(*pair))} == {}
