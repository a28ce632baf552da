from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from agent.inventory import GRACE, inventory, words
from privacy.policy import policies
from privacy.records import RecordClass, Tier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Row = tuple[RecordClass, int, datetime | None]


class Shelf:
    """Of a store only what the inventory asks."""

    def __init__(self, *rows: Row, tier: Tier = Tier.UNLINKED) -> None:
        self.tier = tier
        self._rows = rows

    def oldest(self) -> Iterable[Row]:
        return iter(self._rows)


def test_classes_of_several_stores_are_one_row() -> None:
    found = inventory(
        [  # type: ignore[arg-type]
            Shelf((RecordClass.OP_LOG, 3, NOW - DAY), tier=Tier.HARDWARE_SLOT),
            Shelf((RecordClass.OP_LOG, 4, NOW - 2 * DAY), (RecordClass.DEVICE, 1, NOW - 99 * DAY)),
            Shelf((RecordClass.OP_LOG, 0, None), tier=Tier.OVERWRITTEN_IN_PLACE),
        ],
        policies(),
        NOW,
    )
    device, log = found
    assert (device.record_class, device.count, device.limit, device.limit_seconds) == (
        "device",
        1,
        "while in use",
        None,
    )
    assert (device.next_to_go, device.overdue) == (None, False)
    assert (log.record_class, log.count, log.oldest) == ("op_log", 7, NOW - 2 * DAY)
    assert (log.limit, log.limit_seconds, log.next_to_go) == ("72 hours", 259_200, NOW + DAY)
    assert log.tier == "C", "of several tiers the worst is what can be promised"
    assert log.purpose
    assert log.basis == "contract"


def test_an_empty_store_has_a_row_and_is_never_late() -> None:
    [row] = inventory([Shelf((RecordClass.SNAPSHOT, 0, None))], policies(), NOW)  # type: ignore[list-item]
    assert (row.count, row.oldest, row.next_to_go, row.overdue) == (0, None, None, False)


@pytest.mark.parametrize(
    ("age", "overdue"),
    [
        (7 * DAY - timedelta(seconds=1), False),
        (7 * DAY, False),
        (7 * DAY + GRACE, False),
        (7 * DAY + GRACE + timedelta(seconds=1), True),
        (300 * DAY, True),
        (-DAY, False),
    ],
)
def test_what_lives_past_its_limit_is_overdue(age: timedelta, *, overdue: bool) -> None:
    [row] = inventory([Shelf((RecordClass.SNAPSHOT, 1, NOW - age))], policies(), NOW)  # type: ignore[list-item]
    assert row.overdue is overdue
    assert row.next_to_go == NOW - age + 7 * DAY


def test_a_shortened_limit_counts() -> None:
    short = policies({RecordClass.OP_LOG: timedelta(hours=1)})
    shelf = Shelf((RecordClass.OP_LOG, 1, NOW - timedelta(hours=2)))
    [row] = inventory([shelf], short, NOW)  # type: ignore[list-item]
    assert (row.limit, row.overdue) == ("1 hour", True)


def test_records_that_nobody_can_date_are_counted() -> None:
    [row] = inventory([Shelf((RecordClass.SNAPSHOT, 2, None))], policies(), NOW)  # type: ignore[list-item]
    assert (row.count, row.oldest, row.overdue) == (2, None, False)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (None, "while in use"),
        (timedelta(hours=72), "72 hours"),
        (timedelta(days=7), "7 days"),
        (timedelta(days=4), "4 days"),
        (timedelta(hours=24), "24 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=61), "61 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=0.2), "0.2 seconds"),
        (timedelta(hours=1, seconds=0.5), "3600.5 seconds"),
    ],
)
def test_words(limit: timedelta | None, said: str) -> None:
    assert words(limit) == said
