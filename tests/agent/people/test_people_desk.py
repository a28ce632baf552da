import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.api.contract import PersonBody, PersonChange
from agent.errors import Refused
from agent.people import desk as desk_module
from agent.people.desk import EXPIRY, PeopleDesk
from agent.people.register import LEFT_KEPT, Person, PersonRegister
from privacy import entries
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Item, Scope
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

OWNER = PersonBody(role=Role.OWNER, name="Kari Nordmann", lives_here=True)
GUEST = PersonBody(role=Role.GUEST, name="Ola", lives_here=False, email="ola@example.org", phone="22 22 55 55")


class Hold:
    reason, until = "dispute", None
    person = ""

    def held(self, item: Item) -> "Hold | None":
        return self if self.person in item.subjects else None


class Bench:
    def __init__(self, folder: Path, clock: Any) -> None:
        keeper = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
        keeper.witness(clock.now(), Witness.PERSON)
        ring = KeyRing.open(folder / "keys", MemorySlots(), os.urandom)
        self.clock, self.barrier, self.hold, self.disk = clock, Barrier(), Hold(), Disk()
        self.register = PersonRegister(folder / "people", ring, keeper.moment, self.barrier, holds=self.hold.held)  # type: ignore[arg-type]
        self.recorded: list[entries.Entry] = []
        self.keeper, self.changed = keeper, 0
        self.desk = PeopleDesk(
            register=self.register,
            disk=self.disk,
            clock=clock,
            random_bytes=os.urandom,
            record=self.recorded.append,
            on_change=self.change,
        )

    def change(self) -> None:
        self.changed += 1

    async def names(self) -> list[str]:
        return [person.name for person in await self.desk.all() if person.until is None]


@pytest.fixture
def bench(tmp_path: Path, clock: Any) -> Any:
    made = Bench(tmp_path, clock)
    yield made
    made.disk.close()


async def refused(call: Any, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.code == code
    assert refusal.value.hint


async def test_people_are_added_changed_and_removed_and_the_log_says_so_without_names(bench: Bench) -> None:
    kari = await bench.desk.add(OWNER, "local")
    bench.clock.move(seconds=1)
    ola = await bench.desk.add(GUEST, "local")
    assert (ola.email, ola.phone) == ("ola@example.org", "+4722225555")
    assert await bench.desk.all() == (kari, ola)
    change = PersonChange(name="Ola Hansen", email="", phone="91234567", role=Role.RESIDENT, lives_here=True)
    changed = await bench.desk.change(ola.id, change, "local")
    assert (changed.name, changed.email, changed.phone, changed.role) == ("Ola Hansen", None, "+4791234567", "resident")
    assert (changed.lives_here, changed.language, changed.added) == (True, "nb", ola.added)
    assert await bench.desk.all() == (kari, changed)
    again = await bench.desk.change(ola.id, PersonChange(phone="", email="o@example.org"), "local")
    assert (again.name, again.phone, again.email) == ("Ola Hansen", None, "o@example.org")
    assert bench.changed == 4
    await bench.desk.remove(ola.id, "local")
    left = msgspec.structs.replace(again, until=bench.clock.now())
    assert await bench.desk.all() == (kari, left), "who has left is known for a while"
    await bench.desk.remove(ola.id, "local")
    assert await bench.desk.all() == (kari,)
    assert bench.changed == 6
    assert [entry.event for entry in bench.recorded] == [
        *("person_added", "person_added", "person_changed", "person_changed", "person_removed", "person_removed")
    ]
    assert all(entry.about.subjects >= {"local"} for entry in bench.recorded)
    assert "Ola" not in repr(bench.recorded)
    assert "Kari" not in repr(bench.recorded)


async def test_there_is_always_an_owner_once_there_is_anybody(bench: Bench) -> None:
    await refused(bench.desk.add(GUEST, "local"), "no_owner")
    kari = await bench.desk.add(OWNER, "local")
    await refused(bench.desk.change(kari.id, PersonChange(role=Role.RESIDENT), "local"), "no_owner")
    ola = await bench.desk.add(GUEST, "local")
    await refused(bench.desk.remove(kari.id, "local"), "no_owner")
    await bench.desk.change(ola.id, PersonChange(role=Role.OWNER), "local")
    await bench.desk.remove(kari.id, "local")
    await bench.desk.remove(ola.id, "local")  # the last of all may go
    assert await bench.names() == []


@pytest.mark.parametrize(
    ("field", "value", "code"), [("name", "<i>", "bad_name"), ("email", "x", "bad_email"), ("phone", "1", "bad_phone")]
)
async def test_what_is_wrong_changes_nothing(bench: Bench, field: str, value: str, code: str) -> None:
    await refused(bench.desk.add(msgspec.structs.replace(OWNER, **{field: value}), "local"), code)
    kari = await bench.desk.add(OWNER, "local")
    await refused(bench.desk.change(kari.id, PersonChange(**{field: value}), "local"), code)  # type: ignore[arg-type]
    assert await bench.desk.all() == (kari,)
    assert len(bench.recorded) == 1


async def test_nobody_of_that_id_and_one_whom_a_hold_keeps(bench: Bench) -> None:
    kari = await bench.desk.add(OWNER, "local")
    await refused(bench.desk.change("p0", PersonChange(name="X"), "local"), "unknown_person")
    await refused(bench.desk.remove("p0", "local"), "unknown_person")
    bench.hold.person = kari.id
    assert await bench.desk.all() == (), "what is held is not shown"
    await refused(bench.desk.change(kari.id, PersonChange(name="X"), "local"), "held")
    await refused(bench.desk.remove(kari.id, "local"), "held")
    ola = await bench.desk.add(GUEST, "local")  # the house has an owner all the same
    bench.hold.person = ""
    assert set(await bench.desk.all()) == {kari, ola}


async def test_an_order_that_is_under_way_is_not_evaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = await bench.desk.add(OWNER, "local")
    bench.barrier.raise_for("order", Scope(everything=True), bench.clock.now() + timedelta(seconds=1))
    await refused(bench.desk.add(OWNER, "local"), "ordered")
    await refused(bench.desk.change(kari.id, PersonChange(name="X"), "local"), "unknown_person")
    monkeypatch.setattr(bench.register, "all", lambda: [bench_person(kari)])  # it came between looking and writing
    await refused(bench.desk.change(kari.id, PersonChange(name="X"), "local"), "ordered")
    await refused(bench.desk.remove(kari.id, "local"), "ordered")
    assert bench.changed == 1


def bench_person(view: Any) -> Any:
    return Person(view.id, view.added, view.role, view.name, lives_here=view.lives_here)


async def test_there_is_an_end_to_how_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "MOST_PEOPLE", 2)
    await bench.desk.add(OWNER, "local")
    await bench.desk.add(GUEST, "local")
    await refused(bench.desk.add(GUEST, "local"), "too_many")


async def kept_for_a_moment(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await bench.desk.keep_limit(bench.keeper.age)


async def test_who_has_left_goes_by_themselves_after_thirty_days(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.desk.add(OWNER, "local")
    ola = await bench.desk.add(GUEST, "local")
    await bench.desk.remove(ola.id, "local")
    bench.clock.move(seconds=(LEFT_KEPT - 2 * EXPIRY).total_seconds())
    keeping = asyncio.ensure_future(bench.desk.keep_limit(bench.keeper.age))
    await asyncio.sleep(0.05)
    assert len(await bench.desk.all()) == 2
    keeping.cancel()
    bench.clock.move(seconds=EXPIRY.total_seconds())
    keeping = asyncio.ensure_future(bench.desk.keep_limit(bench.keeper.age))
    while len(await bench.desk.all()) == 2:
        await asyncio.sleep(0.001)
    keeping.cancel()
    assert await bench.names() == ["Kari Nordmann"]
    assert bench.register.has(ola.id) is False
    assert bench.changed == 4


async def test_a_clock_that_is_set_back_keeps_nobody_and_a_hold_does(bench: Bench) -> None:
    await bench.desk.add(OWNER, "local")
    ola = await bench.desk.add(GUEST, "local")
    await bench.desk.remove(ola.id, "local")
    bench.clock.move(seconds=LEFT_KEPT.total_seconds())
    bench.clock.time -= LEFT_KEPT
    bench.hold.person = ola.id
    assert bench.register.expire(bench.keeper.age, EXPIRY) == 0
    bench.hold.person = ""
    assert bench.register.expire(bench.keeper.age, EXPIRY) == 1


async def test_who_has_left_owns_nothing_and_may_come_back(bench: Bench) -> None:
    kari = await bench.desk.add(OWNER, "local")
    ola = await bench.desk.add(msgspec.structs.replace(OWNER, name="Ola"), "local")
    await bench.desk.remove(ola.id, "local")
    assert bench.register.owners() == {kari.id}
    await refused(bench.desk.change(kari.id, PersonChange(role=Role.GUEST), "local"), "no_owner")
    await refused(bench.desk.change(ola.id, PersonChange(role=Role.GUEST), "local"), "has_left")
    await refused(bench.desk.change(ola.id, PersonChange(lives_here=True), "local"), "has_left")
    assert (await bench.desk.change(ola.id, PersonChange(name="Ola H"), "local")).name == "Ola H"
    await refused(bench.desk.change(kari.id, PersonChange(returns=True), "local"), "not_left")
    bench.clock.move(seconds=60)
    back = await bench.desk.change(ola.id, PersonChange(returns=True), "local")
    assert back.until is None
    assert bench.register.owners() == {kari.id, ola.id}
    (kept,) = [one for one in bench.register.all() if one.id == ola.id]
    assert (kept.since, kept.left) == (bench.clock.now(), None)


async def test_a_minor_owns_nothing_and_a_guest_lives_elsewhere(bench: Bench) -> None:
    await refused(bench.desk.add(msgspec.structs.replace(OWNER, minor=True), "local"), "minor_owner")
    await bench.desk.add(OWNER, "local")
    await refused(bench.desk.add(msgspec.structs.replace(GUEST, lives_here=True), "local"), "lives_elsewhere")
    tiril = PersonBody(role=Role.RESIDENT, name="Tiril", lives_here=True, minor=True)
    view = await bench.desk.add(tiril, "local")
    assert view.minor
    await refused(bench.desk.change(view.id, PersonChange(role=Role.OWNER), "local"), "minor_owner")
    await refused(
        bench.desk.change(view.id, PersonChange(role=Role.GUEST, lives_here=True), "local"), "lives_elsewhere"
    )
    grown = await bench.desk.change(view.id, PersonChange(role=Role.OWNER, minor=False), "local")
    assert (grown.minor, grown.role, grown.lives_here) == (False, Role.OWNER, True)


async def test_since_when_somebody_is_what_they_are(bench: Bench) -> None:
    kari = await bench.desk.add(OWNER, "local")

    async def since(**change: Any) -> Any:
        bench.clock.move(seconds=60)
        await bench.desk.change(kari.id, PersonChange(**change), "local")
        (one,) = [one for one in bench.register.all() if one.id == kari.id]
        return one.since

    await bench.desk.add(OWNER, "local")
    assert await since(name="Kari") is None
    assert await since(role=Role.RESIDENT) is None, "she lives there as before"
    assert await since(role=Role.GUEST) == (first := bench.clock.now())
    assert [one.lives_here for one in bench.register.all() if one.id == kari.id] == [False]
    assert await since(phone="22225555") == first
    assert await since(role=Role.RESIDENT, lives_here=True) == bench.clock.now()


@pytest.mark.parametrize("taken", [{"email": "OLA@example.org"}, {"phone": "+47 22 22 55 55"}])
async def test_nobody_takes_the_address_that_another_signs_in_with(bench: Bench, taken: dict[str, str]) -> None:
    first = await bench.desk.add(OWNER, "test")
    ola = await bench.desk.add(GUEST, "test")
    with pytest.raises(Refused) as refused:
        await bench.desk.change(first.id, PersonChange(**taken), first.id)
    assert refused.value.code == "address_taken"
    await bench.desk.change(ola.id, PersonChange(name="Ola N", **taken), ola.id)  # one's own, typed anew
    await bench.desk.change(ola.id, PersonChange(email="", phone=""), ola.id)
    await bench.desk.change(first.id, PersonChange(**taken), first.id)
