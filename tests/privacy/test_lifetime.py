from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from privacy.lifetime import GO_IN_DOUBT, Lifetime
from privacy.moment import Age, Moment, since
from privacy.records import RecordClass

HOUR = timedelta(hours=1)
LIMIT = 72 * HOUR


class Keeper:
    """Says of every moment the same."""

    def __init__(self, at_least: int, at_most: int | None, *, patience_over: bool = False) -> None:
        self._age = Age(at_least * HOUR, None if at_most is None else at_most * HOUR)
        self.patience_over = patience_over

    def sealed(self, _moment: object) -> bool:
        return True

    def age(self, _moment: object) -> Age:
        return self._age


def due(
    keeper: Any, ahead: int = 0, *, limit: timedelta | None = LIMIT, record_class: RecordClass = RecordClass.OP_LOG
) -> bool:
    moment: Any = None
    return Lifetime(keeper, record_class, limit).due(ahead * HOUR)(moment)


def test_what_is_as_old_as_the_limit_goes() -> None:
    assert due(Keeper(72, 72))
    assert due(Keeper(71, 71), 1)
    assert due(Keeper(72, None))
    assert not due(Keeper(71, 71))
    assert not due(Keeper(71, 400))
    assert not due(Keeper(9000, None), limit=None)


def test_in_doubt_it_goes_once_patience_is_over() -> None:
    for at_most in (None, 72, 400):
        assert not due(Keeper(1, at_most))
        assert due(Keeper(1, at_most, patience_over=True))
    assert not due(Keeper(1, 71, patience_over=True)), "it can be shown to be young enough"
    assert due(Keeper(1, 71, patience_over=True), 1)


@pytest.mark.parametrize("record_class", RecordClass)
def test_only_some_classes_go_in_doubt(record_class: RecordClass) -> None:
    keeper: Any = Keeper(1, None, patience_over=True)
    moment: Any = None
    assert due(keeper, record_class=record_class) == (record_class in GO_IN_DOUBT)
    assert Lifetime(keeper, record_class, LIMIT).sealed(moment) == (record_class in GO_IN_DOUBT)


@pytest.mark.parametrize(
    ("limit", "span"),
    [(72 * HOUR, HOUR), (timedelta(days=30), 10 * HOUR), (timedelta(days=1095), 24 * HOUR), (None, None)],
)
def test_a_file_takes_records_for_a_share_of_the_limit(limit: timedelta | None, span: timedelta | None) -> None:
    keeper: Any = Keeper(0, 0)
    assert Lifetime(keeper, RecordClass.OP_LOG, limit).span == span


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("waited", [0.0, 60.0])
def test_a_record_is_as_old_as_it_waited_whatever_the_wall_clock_says(*, trusted: bool, waited: float) -> None:
    """While time is not known, records are written by the floor, which may be days behind the wall clock."""
    believed = datetime(2026, 3, 1, 12, tzinfo=UTC)
    wall = believed if trusted else believed + timedelta(days=3)
    now = Moment(b"b" * 16, 400_000.0, 900_000.0, wall, trusted=trusted, no_earlier=believed)
    first = since([believed, believed - timedelta(seconds=waited)], now)
    assert (first.since_boot, first.powered) == (400_000.0 - waited, 900_000.0 - waited)
    assert (first.wall, first.no_earlier) == (wall - timedelta(seconds=waited), believed - timedelta(seconds=waited))
