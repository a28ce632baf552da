"""The keys of the day under which pseudonyms are made."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from privacy.clock import Clock
from privacy.entries import DeviceReachable
from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.redaction.household import Registry
from privacy.redaction.pseudonyms import DayKeys, derived
from privacy.redaction.redactor import Redactor
from privacy.timekeeping import TimeKeeper

LIMIT = timedelta(hours=72)


@pytest.fixture
def reopened(open_ring: Callable[[], KeyRing], keeper: TimeKeeper) -> Callable[[], DayKeys]:
    return lambda: DayKeys(open_ring(), keeper, LIMIT)


def test_a_day_has_one_key_over_restarts_too(reopened: Callable[[], DayKeys], clock: Any) -> None:
    today = clock.now().date()
    key = reopened()(today)
    assert len(key) == 32
    again = reopened()
    assert again(today) == key
    assert again(today + timedelta(days=1)) != key
    assert again(today) == key


def test_a_key_dies_at_the_limit_of_the_operation_log(
    reopened: Callable[[], DayKeys], clock: Any, keeper: TimeKeeper
) -> None:
    keys, today = reopened(), clock.now().date()
    first = keys(today)
    clock.move(hours=24)
    second = keys(today + timedelta(days=1))
    assert [keeper.age(moment).at_least for moment in keys.moments()] == [timedelta(hours=24), timedelta(0)]
    clock.move(hours=47)
    assert keys.expire(timedelta(minutes=59)) == 0
    assert keys.expire(timedelta(hours=1)) == 1
    again = reopened()
    assert again(today + timedelta(days=1)) == second
    assert again(today) != first
    assert again.forget() == 2
    assert again.forget() == 0
    assert list(reopened().moments()) == []


def test_a_key_that_cannot_be_kept_is_not_used(ring: KeyRing, keeper: TimeKeeper, clock: Any) -> None:
    """Else a power cut would change the pseudonyms of the day; and nothing is wrong with the line."""
    keys = DayKeys(ring, keeper, LIMIT)
    redactor = Redactor(keys, Registry(), clock)
    entry = DeviceReachable(clock.now(), "lamp-1")
    real = os.fsync, os.fdatasync

    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    for _ in range(2):
        os.fsync = os.fdatasync = refuse
        try:
            with pytest.raises(StoreBroken):
                redactor.entry(entry)
            with pytest.raises(StoreBroken):
                redactor.line("192.168.1.20 answered")
        finally:
            os.fsync, os.fdatasync = real
    assert redactor.failures == 0
    line = redactor.entry(entry).text
    assert "<device:" in line
    assert redactor.entry(entry).text == line


def test_without_a_state_directory_a_key_for_one_run(clock: Clock) -> None:
    today = clock.now().date()
    assert derived(bytes(32))(today) == derived(bytes(32))(today)
    others = derived(bytes(31) + b"a")(today), derived(bytes(32))(today - timedelta(days=1))
    assert derived(bytes(32))(today) not in others
