"""When segments go, and why."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera.vault.retention import LIMIT, Expired, Kept, Limits, Reason, due, for_space
from privacy.moment import Age

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = Limits()


def kept(least: timedelta, most: timedelta | None = timedelta(0), camera: str | None = "front") -> Kept:
    return Kept(b"s", camera, Age(least, None if most is None else max(least, most)), 9)


def reasons(one: Kept, limits: Limits = WEEK, *, patience_over: bool = False) -> list[Reason]:
    return [gone.reason for gone in due([one], limits, patience_over)]


def test_the_promise_is_a_week() -> None:
    assert timedelta(days=7) == LIMIT


def test_what_reaches_its_limit_before_the_next_run_goes() -> None:
    assert reasons(kept(LIMIT - HOUR)) == [Reason.LIMIT]
    assert reasons(kept(LIMIT - HOUR - timedelta(seconds=1))) == []


def test_what_goes_is_told() -> None:
    assert due([kept(LIMIT)], WEEK, patience_over=False) == [Expired(b"s", "front", 9, Reason.LIMIT)]


def test_what_may_be_too_old_goes() -> None:
    assert reasons(kept(DAY, LIMIT - HOUR)) == [Reason.DOUBT]
    assert reasons(kept(DAY, LIMIT - 2 * HOUR)) == []


def test_where_nobody_knows_it_waits_for_a_day() -> None:
    assert reasons(kept(DAY, None)) == []
    assert reasons(kept(DAY, None), patience_over=True) == [Reason.DOUBT]
    assert reasons(kept(LIMIT, None), patience_over=True) == [Reason.LIMIT]


def test_what_can_be_shown_to_be_young_enough_stays_also_then() -> None:
    assert reasons(kept(DAY, DAY), patience_over=True) == []


def test_what_nobody_can_read_goes() -> None:
    assert [one.reason for one in due([Kept(b"s", None, None, 9)], WEEK, patience_over=False)] == [Reason.DOUBT]


def test_each_camera_has_its_own_limit_and_others_the_sites() -> None:
    limits = Limits(2 * DAY, {"front": HOUR, "garden": 30 * DAY})
    assert limits.of("front") == HOUR
    assert limits.of("garden") == limits.of("removed-long-ago") == 2 * DAY
    assert limits.of(None) == HOUR, "whose camera nobody knows"
    assert reasons(kept(HOUR), limits) == [Reason.LIMIT]
    assert reasons(kept(HOUR, camera="garden"), limits) == []


def test_nobody_may_lengthen_it() -> None:
    assert reasons(kept(LIMIT), Limits(400 * DAY, {"front": 400 * DAY})) == [Reason.LIMIT]


@pytest.mark.parametrize(
    ("limit", "span"),
    [(LIMIT, HOUR), (DAY, HOUR), (12 * HOUR, HOUR / 2), (timedelta(seconds=120), timedelta(seconds=5))],
)
def test_segments_and_pauses_are_a_24th_of_a_short_limit(limit: timedelta, span: timedelta) -> None:
    assert Limits(limit).span("front") == Limits(limit).pause() == span
    assert Limits(LIMIT, {"front": limit}).pause() == span
    assert Limits(LIMIT, {"front": limit}).span("garden") == HOUR


def test_at_least_a_second() -> None:
    assert Limits(timedelta(seconds=2)).pause() == timedelta(seconds=1)


ages = st.builds(kept, st.timedeltas(timedelta(0), 30 * DAY), st.none() | st.timedeltas(timedelta(0), 30 * DAY))


@given(st.lists(ages, max_size=20), st.timedeltas(timedelta(seconds=1), 30 * DAY), st.booleans())
def test_never_late_and_early_by_a_pause_at_most(segments: list[Kept], limit: timedelta, over: object) -> None:
    limits = Limits(limit)
    for one in segments:
        gone = bool(due([one], limits, bool(over)))
        assert one.age
        if one.age.at_least >= limits.of("front"):
            assert gone
        young = one.age.at_least if one.age.at_most is None and not over else one.age.at_most
        if young is not None and young < limits.of("front") - limits.pause():
            assert not gone


# -- what was stored under a limit of its own


def test_a_camera_that_is_gone_keeps_the_limit_it_had() -> None:
    gone = Kept(b"s", "removed", Age(HOUR, HOUR), 9, limit=HOUR)
    assert WEEK.of("removed", HOUR) == HOUR
    assert [one.reason for one in due([gone], WEEK, patience_over=False)] == [Reason.LIMIT]


def test_a_limit_that_was_raised_since_lengthens_nothing_and_one_that_was_lowered_counts_at_once() -> None:
    limits = Limits(cameras={"front": 2 * DAY})
    assert limits.of("front", DAY) == DAY
    assert limits.of("front", 3 * DAY) == 2 * DAY
    assert limits.of("garden", 400 * DAY) == LIMIT
    assert limits.of(None, HOUR) == HOUR


def test_expiry_runs_as_often_as_the_shortest_limit_of_what_is_kept_asks_for() -> None:
    def gone(age: timedelta) -> Kept:
        return Kept(b"s", "removed", Age(age, age), 9, limit=timedelta(minutes=24))

    young, over, undated = gone(timedelta(0)), gone(timedelta(minutes=24)), Kept(b"s", None, None, 9)
    assert WEEK.pause([young, kept(DAY)]) == timedelta(minutes=1)
    assert WEEK.pause([kept(DAY)]) == HOUR
    assert WEEK.pause([over, undated]) == HOUR, "what only a hold keeps needs no run of its own"
    assert not due([gone(timedelta(minutes=22))], WEEK, patience_over=False), "not an hour early"
    assert due([gone(timedelta(minutes=23))], WEEK, patience_over=False)


spans = st.integers(60, 12 * 60).map(lambda number: timedelta(minutes=number))
stored = st.tuples(st.sampled_from(["front", "garden", "removed"]), spans, spans)


@settings(max_examples=40, deadline=None)
@given(st.lists(stored, min_size=1, max_size=8), spans, spans, st.floats(0, 1))
def test_nothing_outlives_the_shorter_of_both_limits_and_nothing_goes_much_earlier(
    rows: list[tuple[str, timedelta, timedelta]], site: timedelta, front: timedelta, early: float
) -> None:
    """Runs of expiry, each as late as the last one allows, or somewhat earlier; ages are times powered on."""
    limits = Limits(site, {"front": front})
    start, now = 12 * HOUR, 12 * HOUR
    born = {bytes([number]): (camera, start - age, limit) for number, (camera, age, limit) in enumerate(rows)}
    # Before the first run, the box was off: what was late then is none of this.
    fresh = {id_ for id_, (camera, at, limit) in born.items() if now - at < limits.of(camera, limit)}
    while born:
        living = [Kept(id_, camera, Age(now - at, now - at), 1, limit) for id_, (camera, at, limit) in born.items()]
        for one in living:
            assert one.age
            limit = min(limits.cameras.get(one.camera or "", site), site, one.limit)
            assert one.id not in fresh or one.age.at_least <= limit, "it outlived its limit"
        pause = limits.pause(living)
        going = {one.segment for one in due(living, limits, patience_over=False)}
        for one in living:
            assert one.age
            limit = limits.of(one.camera, one.limit)
            assert one.id not in going or one.age.at_least >= limit - max(limit / 24, timedelta(seconds=1))
        born = {id_: row for id_, row in born.items() if id_ not in going}
        now += pause * (1 - early / 2)


def test_the_oldest_go_for_space_and_no_more_than_must() -> None:
    rows = [(Kept(bytes([number]), "front", None, 3), 100) for number in range(5)]
    assert [one.segment for one in for_space(rows, 150)] == [b"\x00", b"\x01"]
    assert {one.reason for one in for_space(rows, 150)} == {Reason.SPACE}
    assert for_space(rows, 0) == []
    assert len(for_space(rows, 10_000)) == 5
