"""What is kept against its limit: the sums, and over a real house whose items are let live past theirs."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.model import Camera, Config
from agent.doctor.keys import Ring
from agent.doctor.vault import limits
from agent.inventory import GRACE, Kept, inventory, words
from privacy import entries
from privacy.hold import Actor, Reason, Role
from privacy.policy import policies
from privacy.records import RecordClass, Scope, Tier
from tests.agent.served_house import ServedHouse, serving

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FRONT = Camera(id="front", name="Front door", url="http://192.0.2.5/snapshot.jpg", keep_seconds=3600)
OWNER = Actor("cli", Role.OWNER)
A, B, C = Tier.HARDWARE_SLOT, Tier.OVERWRITTEN_IN_PLACE, Tier.UNLINKED


def test_classes_of_several_stores_are_one_row() -> None:
    found = inventory(
        [
            [Kept(RecordClass.OP_LOG, A, 3, NOW - DAY, held=1, held_until=NOW + DAY)],
            [Kept(RecordClass.OP_LOG, C, 4, NOW - 2 * DAY), Kept(RecordClass.DEVICE, B, 1, NOW - 99 * DAY)],
            [Kept(RecordClass.OP_LOG, B, 0, held=2, held_until=NOW + 2 * DAY, hidden=5)],
        ],
        policies(),
        NOW,
    )
    device, log = found
    assert (device.record_class, device.count, device.limit_seconds) == ("device", 1, None)
    assert (device.next_to_go, device.overdue, device.tier) == (None, False, "B")
    assert (log.record_class, log.count, log.oldest) == ("op_log", 7, NOW - 2 * DAY)
    assert (log.limit, log.limit_seconds, log.next_to_go) == ("72 hours", 259_200, NOW + DAY)
    assert (log.held, log.held_until, log.hidden) == (3, NOW + 2 * DAY, 5)
    assert log.tier == "C", "of several tiers the worst is what can be promised"
    assert log.purpose
    assert log.basis == "contract"


@pytest.mark.parametrize(
    ("class_", "said"),
    [
        (
            RecordClass.CAMERA_LOGIN,
            "7 days after its last use (smart_home) or at once after it goes out of use (smart_home)",
        ),
        (RecordClass.DEVICE, "at once after it goes out of use (smart_home)"),
        (RecordClass.SNAPSHOT, "7 days"),
        (RecordClass.RECEIPT, "3 years"),
    ],
)
def test_a_limit_that_waits_for_something_says_for_what(class_: RecordClass, said: str) -> None:
    [row] = inventory([[Kept(class_, C, 1, NOW)]], policies(), NOW)
    assert row.limit == said


def test_an_empty_store_has_a_row_and_is_never_late() -> None:
    [row] = inventory([[Kept(RecordClass.SNAPSHOT, C, 0)]], policies(), NOW)
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
    [row] = inventory([[Kept(RecordClass.SNAPSHOT, C, 1, NOW - age)]], policies(), NOW)
    assert row.overdue is overdue
    assert row.next_to_go == NOW - age + 7 * DAY


def test_the_store_may_know_of_an_earlier_date() -> None:
    kept = Kept(RecordClass.SNAPSHOT, C, 1, NOW - HOUR, due=NOW - 2 * GRACE, limit="1 minute to 7 days, by camera")
    [row] = inventory([[kept]], policies(), NOW)
    assert (row.limit, row.next_to_go, row.overdue) == (kept.limit, kept.due, True)


def test_a_shortened_limit_counts() -> None:
    short = policies(shortened={RecordClass.OP_LOG: HOUR})
    [row] = inventory([[Kept(RecordClass.OP_LOG, C, 1, NOW - 2 * HOUR)]], short, NOW)
    assert (row.limit, row.overdue) == ("1 hour", True)


def test_records_that_nobody_can_date_are_counted() -> None:
    [row] = inventory([[Kept(RecordClass.SNAPSHOT, C, 2)]], policies(), NOW)
    assert (row.count, row.oldest, row.overdue) == (2, None, False)


class TestARealHouse:
    async def test_an_item_past_its_limit_is_exit_1(
        self, tmp_path: Path, clock: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nobody runs expiry here: so the promise is broken, and has to be seen."""
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            assert await house.run("inventory") == 0
            await house.run("doctor")
            assert "ok\tlimit of snapshot\t1 kept" in capsys.readouterr().out
            clock.move(minutes=62)
            assert await house.run("inventory", "--json") == 1
            [row] = [one for one in json.loads(capsys.readouterr().out) if one["record_class"] == "snapshot"]
            assert (row["overdue"], row["limit"], row["tier"]) == (True, "1 hour", "B")
            assert await house.run("inventory") == 1
            assert "overdue" in capsys.readouterr().out
            assert await house.run("doctor") == 1
            assert "fail\tlimit of snapshot\toldest 2026-03-01 12:00 UTC is past 1 hour" in capsys.readouterr().out
            house.storage.vault.expire()
            assert await house.run("inventory") == 0

    async def test_an_entry_of_the_log(self, tmp_path: Path, clock: Any) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            await logged(house)
            clock.move(hours=72)
            assert await house.run("inventory") == 0
            clock.move(minutes=2)
            assert await house.run("inventory") == 1

    async def test_what_is_held_may_outlive_its_limit_and_is_told(
        self, tmp_path: Path, clock: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            await logged(house)
            hold = house.storage.holds.place(Reason.POLICE_REPORT, Scope(everything=True), OWNER)
            clock.move(days=10)
            await rows(house)
            house.agent._watched._mirror = house.agent._watched._look()
            assert await house.run("inventory") == 0
            told = capsys.readouterr().out
            assert f"1, until {hold.until:%Y-%m-%d}" in told
            found = await rows(house)
            assert (found["snapshot"].held, found["snapshot"].held_until) == (1, hold.until)
            assert (found["snapshot"].hidden, found["snapshot"].oldest) == (1, None)
            assert (found["op_log"].held, found["op_log"].oldest) == (2, None)
            assert (found["activity"].count, found["activity"].overdue) == (1, False)
            await logged(house)
            house.keep()
            house.storage.holds.release(hold.id, OWNER)
            assert await house.run("inventory") == 1

    async def test_only_what_the_hold_keeps(self, tmp_path: Path, clock: Any) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            house.keep("garden")
            await logged(house)
            clock.move(seconds=10)
            house.storage.holds.place(Reason.POLICE_REPORT, Scope(cameras=("front",)), OWNER)
            found = await rows(house)
            assert (found["snapshot"].count, found["snapshot"].held, found["op_log"].held) == (2, 1, 0)
            assert found["op_log"].oldest is not None
            clock.move(hours=2)
            assert not (await rows(house))["snapshot"].overdue, "of the garden, a week; the door's is held"
            clock.move(days=7)
            assert (await rows(house))["snapshot"].overdue

    async def test_receipts_and_the_journal_have_rows(self, tmp_path: Path, clock: Any) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            await house.house.erase(Scope(cameras=("front",)), "page")
            found = await rows(house)
            assert (found["receipt"].count, found["order_journal"].count) == (0, 1)
            await house.agent._eraser.finish()
            found = await rows(house)
            assert (found["receipt"].count, found["order_journal"].count) == (2, 1)
            assert found["receipt"].oldest is not None
            assert (found["receipt"].tier, found["snapshot"].tier) == ("C", "B")

    async def test_pictures_of_a_removed_camera_are_judged_by_the_limit_it_had(
        self, tmp_path: Path, clock: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            config = house.agent._config
        now = clock.now() + timedelta(hours=2)
        gone = Config(version=1, gateway=config.gateway, api=config.api, discovery=config.discovery)
        found = list(limits(gone, Ring(gone, at_rest=True), now))
        assert [(check.name, check.verdict) for check in found] == [("limit of snapshot", "fail")]
        async with serving(tmp_path, clock) as house:
            row = (await rows(house))["snapshot"]
            assert row.limit == "1 hour to 7 days, by camera"
            assert (row.overdue, row.next_to_go) == (False, NOW + HOUR)
            house.agent._watched._mirror = house.agent._watched._look()
            [camera] = house.agent._watched.view()
            assert (camera.keep_seconds, camera.next_to_go) == (3600, NOW + HOUR)
            [shot] = house.agent._watched.snapshots()
            assert shot.goes == NOW + HOUR
            clock.move(minutes=62)
            assert (await rows(house))["snapshot"].overdue
            assert await house.run("inventory") == 1
            assert await house.run("doctor") == 1
            assert "is past 1 hour to 7 days, by camera" in capsys.readouterr().out
            assert 'portvakt_records_overdue{class="snapshot"} 1.0' in await house.house.metrics()
            house.storage.vault.expire()
            assert not (await rows(house))["snapshot"].overdue

    async def test_an_order_that_waits_for_a_hold_is_named(
        self, tmp_path: Path, clock: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            house.keep("garden")
            hold = house.storage.holds.place(Reason.POLICE_REPORT, Scope(cameras=("front",)), OWNER)
            order = (await house.house.erase(Scope(cameras=("front",)), "page")).order
            other = (await house.house.erase(Scope(cameras=("garden",)), "page")).order
            assert (await rows(house))["order_journal"].waiting == (), "nobody knows yet whether it has to"
            await house.agent._eraser.finish()
            [waiting] = (await rows(house))["order_journal"].waiting
            assert (waiting.order, waiting.left, waiting.until) == (order, 1, hold.until)
            assert await house.run("inventory") == 0
            told = capsys.readouterr().out
            assert f"order {order} waits until {hold.until:%Y-%m-%d}" in told
            assert "1 records are held" in told
            assert other not in told
            await house.run("doctor")
            assert f"ok\torder {order}\twaits until {hold.until:%Y-%m-%d %H:%M} UTC" in capsys.readouterr().out
            house.storage.holds.release(hold.id, OWNER)
            assert (await rows(house))["order_journal"].waiting == ()

    async def test_the_journal_is_as_old_as_its_first_verified_receipt(self, tmp_path: Path, clock: Any) -> None:
        async with serving(tmp_path, clock, FRONT) as house:
            clock.move(seconds=1)
            await house.house.erase(Scope(cameras=("front",)), "page")
            assert (await rows(house))["receipt"].oldest is None
            await house.agent._eraser.finish()
            for name in ("receipt", "order_journal"):
                row = (await rows(house))[name]
                assert (row.oldest, row.next_to_go) == (NOW + timedelta(seconds=1), NOW + 1095 * DAY + timedelta(0, 1))
            clock.move(days=1095, minutes=2)
            assert (await rows(house))["receipt"].overdue
            assert await house.run("inventory") == 1
            await expired(house)
            found = await rows(house)
            assert (found["receipt"].count, found["order_journal"].count, found["receipt"].oldest) == (0, 0, None)
            assert [entry.kind for entry in await house.house.audit()] == ["expired", "expired"]
            assert await house.house.metrics()

    async def test_of_several_systems_the_shortest_limit_counts(self, tmp_path: Path, clock: Any) -> None:
        async with serving(tmp_path, clock, FRONT, systems=("smart_home", "pocket", "safemate_pro")) as house:
            several = {one.record_class: one for one in (await house.house.inventory())}
            assert several["op_log"].limit == "72 hours"
            wanted = policies(("smart_home", "pocket", "safemate_pro"))
            assert several["device"].limit == " or ".join(map(str, wanted[RecordClass.DEVICE].limits))

    async def test_a_clock_set_back_extends_nothing(self, tmp_path: Path, clock: Any) -> None:
        """The picture's age is at least what the box was powered on since."""
        async with serving(tmp_path, clock, FRONT) as house:
            house.keep()
            clock.move(hours=2)
            clock.time -= 300 * DAY
            assert (await rows(house))["snapshot"].overdue


async def rows(house: ServedHouse) -> dict[str, Any]:
    return {row.record_class: row for row in await house.house.inventory()}


async def expired(house: ServedHouse) -> None:
    """One run of the loop that has orders and receipts go."""
    loop = asyncio.create_task(house.agent._keep_journal_limit())
    while list(house.storage.journal.receipts()):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    loop.cancel()


async def logged(house: ServedHouse) -> None:
    """An entry, and its line that waits."""
    house.agent._record(entries.LinkUp(at=house.storage.time.now()))
    await house.agent._recorder.flush()


@pytest.mark.parametrize(
    ("limit", "said"),
    [
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
def test_words(limit: timedelta, said: str) -> None:
    assert words(limit) == said
