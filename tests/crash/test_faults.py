"""The medium refuses one step: the house says so in one clear line, and the next try finishes."""

from typing import Any

import pytest


@pytest.mark.parametrize("befalls", ["EIO", "ENOSPC"])
def test_a_fault_at_every_step_costs_one_more_try(street: Any, befalls: str) -> None:
    steps = street.steps("live")
    # A folder that cannot be made is no loss where it is there.
    wrong = {
        f"{step} ({name})": street.fault(step, befalls, seen=name != "mkdir") for step, name in enumerate(steps, 1)
    }
    assert {step: problems for step, problems in wrong.items() if problems} == {}


@pytest.mark.parametrize("befalls", ["EIO", "ENOSPC"])
def test_a_fault_at_the_first_start_costs_one_more_start(street: Any, befalls: str) -> None:
    steps = street.steps("begin", planted=False)
    wrong = {f"{step} ({name})": street.begin(step, befalls) for step, name in enumerate(steps, 1)}
    assert {step: problems for step, problems in wrong.items() if problems} == {}
