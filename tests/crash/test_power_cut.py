"""A house dies at every step towards the disk, and what it leaves behind is whole.

Deaths are SIGKILL before a step, after it, or with half of a write done; and the power cut (`lost`), where all that was
never synced is gone too. A life has 281 steps, of which 217 change something; the others are opens. A start has 151.

`make test` takes some 530 cuts: before each of the 217, with the cache lost at each, in each of the 62 writes, after
every sixth; some 50 second cuts in the start that follows; and those of the first start. The deep tests die after each,
and take a second cut at every fifth step of each start that follows: some 14,000 pairs, about 35 minutes. All of it
also befalls houses whose root of keys is NVRAM: in the deep tests, and a part of it in `test_nvram.py`.
"""

import itertools
from typing import Any

import pytest

PARTS = 4
"""So that several processes share them."""
AFTER = 6
"""Of the deaths after a step, every so many: the disk is as before the next one, only less has been said."""
SECONDS = (("before", "before"), ("lost", "during"), ("during", "lost"))
"""What befalls at the first cut, and at the second."""
LATE = 60
"""Steps of a start after a cut that change something: about so many."""


def problems(street: Any, befalls: str, steps: list[int]) -> dict[str, list[str]]:
    names = street.steps("live")
    found = {f"{befalls} {step} {names[step - 1]}": street.cut(step, befalls) for step in steps}
    return {where: wrong for where, wrong in found.items() if wrong}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("befalls", ["before", "lost"])
def test_an_order_survives_a_cut_at_every_step(street: Any, befalls: str, part: int) -> None:
    assert problems(street, befalls, street.deaths(befalls)[part::PARTS]) == {}


def test_an_order_survives_every_torn_write(street: Any) -> None:
    assert problems(street, "during", street.deaths("during")) == {}


def test_an_order_survives_a_cut_after_a_step(street: Any) -> None:
    assert problems(street, "after", street.deaths("after")[::AFTER]) == {}


def test_the_steps_are_those_that_matter(street: Any) -> None:
    steps = street.steps("live")
    assert len(steps) > 200
    kinds = {kind for kind, _ in steps}
    assert kinds >= {
        "create",
        "write",
        "pwrite",
        "writev",
        "fsync",
        "fdatasync",
        "ftruncate",
        "replace",
        "unlink",
        "sql",
    }
    paths = " ".join(path for _, path in steps)
    for name in (
        *("journal", "keys/slots", "keys/table.a", "keys/table.b", "vault/segments/", "vault/pages/", "vault/index"),
        *("operation-log/", "spool/", "devices/", "tags/", "holds/", "spool/state"),
    ):
        assert name in paths


@pytest.mark.parametrize("befalls", ["before", "during", "after", "lost"])
def test_the_first_start_survives_a_cut_at_every_step(street: Any, befalls: str) -> None:
    chosen = street.deaths(befalls, do="begin")
    assert len(chosen) > 10
    if befalls in {"before", "after"}:
        chosen = chosen[befalls == "after" :: 2]
    assert {step: wrong for step in chosen if (wrong := street.begin(step, befalls))} == {}


@pytest.mark.parametrize(("befalls", "again"), SECONDS)
def test_a_second_cut_during_the_recovery(street: Any, befalls: str, again: str) -> None:
    chosen = street.deaths(befalls)[SECONDS.index((befalls, again)) :: 4 * len(SECONDS)]
    pairs = [(step, step * 7 % LATE + 1) for step in chosen]
    assert {pair: wrong for pair in pairs if (wrong := street.cut_twice(pair[0], befalls, pair[1], again))} == {}


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_an_order_survives_a_cut_after_every_step(street: Any) -> None:
    assert problems(street, "after", street.deaths("after")) == {}


@pytest.mark.deep
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("befalls", "again"), SECONDS)
def test_a_second_cut_at_every_step_of_every_recovery(street: Any, befalls: str, again: str) -> None:
    wrong = {}
    for step in street.deaths(befalls):
        for second in itertools.count(1 + step % 5, 5):
            found = street.cut_twice(step, befalls, second, again)
            if found is None:
                break
            if found:
                wrong[step, second] = found
    assert wrong == {}
