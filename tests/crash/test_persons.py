"""An order about persons dies at every step: which pictures were theirs, the receipts say as if nothing had happened.

Who was tagged and what was claimed dies in the same change of keys as the pictures, so both are noted before.
"""

from typing import Any

import pytest

PARTS = 2
"""So that several processes share them."""


def steps(street: Any, befalls: str) -> list[int]:
    """From the order on."""
    first = street.deaths("before", "journal$", do="person")[0]
    return [step for step in street.deaths(befalls, do="person") if step >= first]


def test_nothing_befalls_it(street: Any) -> None:
    assert street.cut_for_persons(0, "") == []


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("befalls", ["before", "during", "lost"])
def test_an_order_about_persons_survives_a_cut_at_every_step(street: Any, befalls: str, part: int) -> None:
    names = street.steps("person")
    found = {
        f"{befalls} {step} {names[step - 1]}": street.cut_for_persons(step, befalls)
        for step in steps(street, befalls)[part::PARTS]
    }
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_it_is_noted_before_the_change_that_takes_them(street: Any) -> None:
    """Intent, what was found, what dies; then the change; then the receipts."""
    touched = [path for kind, path in street.steps("person") if kind in {"write", "pwrite"}]
    order = touched[touched.index("journal") :]
    commit = order.index("keys/slots")
    assert order[:commit].count("journal") == 3
    assert order[commit:].count("journal") == 2
