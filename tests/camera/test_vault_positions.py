"""Sets of positions, and where a time falls among pictures of which some are damaged."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from camera.vault import positions

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
sets = st.sets(st.integers(0, 90))


@given(sets, sets)
def test_bits_are_sets(some: set[int], others: set[int]) -> None:
    bits = positions.at(some)
    assert list(positions.members(bits)) == sorted(some)
    assert bits.bit_count() == len(some)
    assert set(positions.members(bits & ~positions.at(others))) == some - others
    assert positions.chosen(bits, range(91)) == sorted(some)
    assert positions.where(range(91), some.__contains__) == bits


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_ranges(count: int, low: int, high: int) -> None:
    assert list(positions.members(positions.every(count))) == list(range(count))
    assert list(positions.members(positions.between(low, high))) == list(range(low, high))


def test_nothing_of_nothing() -> None:
    assert positions.chosen(0, []) == []
    assert positions.edges(0, lambda _: NOON, NOON) == (0, 0)


times = st.lists(st.none() | st.integers(0, 12), max_size=24).map(
    lambda seconds: [None if one is None else NOON + timedelta(seconds=one) for one in _in_order(seconds)]
)


def _in_order(seconds: list[int | None]) -> list[int | None]:
    known = iter(sorted(one for one in seconds if one is not None))
    return [None if one is None else next(known) for one in seconds]


@given(times, st.integers(-1, 13).map(lambda second: NOON + timedelta(seconds=second)))
def test_where_a_bound_falls(captured: list[datetime | None], bound: datetime) -> None:
    low, high = positions.edges(len(captured), captured.__getitem__, bound)
    before = [place for place, at in enumerate(captured) if at and at < bound]
    since = [place for place, at in enumerate(captured) if at and at >= bound]
    assert low == max(before, default=-1) + 1
    assert high == min(since, default=len(captured))


def test_few_looks_are_enough() -> None:
    looks = []

    def captured(place: int) -> datetime:
        looks.append(place)
        return NOON + timedelta(seconds=place)

    assert positions.edges(3600, captured, NOON + timedelta(seconds=1234)) == (1234, 1234)
    assert len(looks) <= 12


@given(captured=times, bound=st.integers(-1, 13), near=st.integers(-2, 26))
def test_a_wrong_guess_changes_nothing(captured: list[datetime | None], bound: int, near: int) -> None:
    at = NOON + timedelta(seconds=bound)
    edges = positions.edges(len(captured), captured.__getitem__, at)
    assert positions.edges(len(captured), captured.__getitem__, at, near) == edges


def test_a_right_guess_takes_two_looks() -> None:
    looks = []

    def captured(place: int) -> datetime:
        looks.append(place)
        return NOON + timedelta(seconds=place)

    assert positions.edges(3600, captured, NOON + timedelta(seconds=1234), 1234) == (1234, 1234)
    assert looks == [1234, 1233]
