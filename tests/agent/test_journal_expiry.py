"""The loop that has orders and receipts go at their limit."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from agent import journal_expiry
from agent.journal_expiry import PAUSE, keep_limit, limit_of
from privacy.policy import policies
from privacy.records import RecordClass
from privacy.store import Disk

YEARS = timedelta(days=3 * 365)


def test_the_shortest_limit_of_both_classes_counts() -> None:
    assert limit_of(policies()) == YEARS
    for class_ in (RecordClass.ORDER_JOURNAL, RecordClass.RECEIPT):
        assert limit_of(policies(shortened={class_: timedelta(days=90)})) == timedelta(days=90)


async def test_at_once_and_before_what_was_left_falls_due(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    told: list[int] = []
    slept: list[float] = []

    class FakeJournal:
        def expire(self, *how: object) -> int:
            asked.append(how)
            return 2 if len(asked) == 1 else 0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(journal_expiry.asyncio, "sleep", sleep)
    time: Any = object()
    with contextlib.suppress(asyncio.CancelledError):
        await keep_limit(FakeJournal(), time, YEARS, disk, told.append)  # type: ignore[arg-type]
    assert asked == [(time, YEARS, PAUSE)] * 3
    assert told == [2], "only of what went"
    assert set(slept) == {3240.0}
    assert PAUSE.total_seconds() > slept[0]
