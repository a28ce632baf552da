"""Adopting, removing and erasing devices of the network, in every order in which people and orders may come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

import agent.neighbourhood
from agent.api.contract import AdoptBody, CommandBody
from agent.changes import Changes
from agent.devices import Devices
from agent.errors import Refused
from agent.families import Driver, Family
from agent.neighbourhood import Neighbourhood
from agent.register import DeviceRegister
from agent.supervisor import Supervisor
from drivers.discovery import Appeared, Vanished
from drivers.errors import AdoptionFailed, DriverError, LinkLost, Unsupported
from drivers.model import ON_OFF, Device, Found
from privacy import entries
from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper

LAMP = Found("test", "test-lamp", "Hall lamp", "L1", ("192.0.2.7", "fe80::7%eth0"), 4711)
PLUG = Found("test", "test-plug", "Plug", "P1", ("2001:db8::8",), 4712, pairable=False)
CODE = AdoptBody(family="test", code="1234")
DEVICE_ORDER = Scope(classes=(RecordClass.DEVICE,))


class Paired:
    """What the family's adoption leaves."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.devices = (Device(id_, "", "test", (ON_OFF,)),)

    def to_record(self) -> Mapping[str, Any]:
        return {"id": self.id, "secret": "pairing-secret"}


class FakeFamily:
    """A family whose devices take any code but "wrong", and can be asked whether they are free."""

    def __init__(self, make_line: Callable[..., Any]) -> None:
        self.paired: list[str] = []
        self.freed: list[str] = []
        self.lines: list[Any] = []
        self.answer = asyncio.Event()
        self.answer.set()
        self.unreachable: DriverError | None = None
        self.unusable = False
        self._make_line = make_line

    def driver(self) -> Driver:
        return Driver(adopt=self._adopt, line=self._line, forget=self._forget)

    async def _adopt(self, found: Found, code: str) -> Paired:
        await self.answer.wait()
        if code == "wrong":
            raise AdoptionFailed("the code is wrong", hint="it is on the device")
        self.paired.append(found.id)
        return Paired(found.id)

    def _line(self, record: Mapping[str, Any], _locate: object) -> Any:
        if self.unusable:
            raise Unsupported("a record of another make")
        line = self._make_line(record["id"], *Paired(record["id"]).devices)
        self.lines.append(line)
        return line

    async def _forget(self, record: Mapping[str, Any], locate: Callable[[str], Sequence[tuple[str, int]]]) -> None:
        await self.answer.wait()
        if self.unreachable:
            raise self.unreachable
        assert record["secret"] == "pairing-secret"
        self.freed.append(record["id"])


class FakeDiscovery:
    """Says what a test puts into `heard`; the class keeps the one that runs."""

    running: "FakeDiscovery | None" = None

    def __init__(self, interfaces: object) -> None:
        self.interfaces = interfaces
        self.heard: asyncio.Queue[Appeared | Vanished | Exception] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        FakeDiscovery.running = self
        return self

    async def __aexit__(self, *_: object) -> None:
        FakeDiscovery.running = None

    async def __aiter__(self) -> AsyncIterator[Appeared | Vanished]:
        while True:
            change = await self.heard.get()
            if isinstance(change, Exception):
                raise change
            yield change

    def endpoints(self, device: str) -> Sequence[tuple[str, int]]:
        return (("192.0.2.7", 4711),) if device == LAMP.id else ()


class Holding:
    """Keeps those devices, as `Holds.held` does; and is its own reason."""

    reason = "dispute"
    until = datetime(2026, 4, 1, tzinfo=UTC)

    def __init__(self) -> None:
        self.devices = frozenset[str]()

    def __call__(self, item: Item) -> "Holding | None":
        return self if item.device in self.devices else None


class Bench:
    """A neighbourhood with real devices, supervisor and register; only the network is made up."""

    def __init__(
        self, register: DeviceRegister, barrier: Barrier, disk: Disk, supervisor: Supervisor, clock: Any
    ) -> None:
        self.holding: Holding
        self.register, self.barrier, self.disk, self.supervisor, self.clock = register, barrier, disk, supervisor, clock
        self.until: Callable[[Callable[[], object]], Awaitable[None]]
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        self.changes = Changes()
        self.changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        self.devices = Devices(supervisor, self.changes, clock, self.recorded.append, bytes)
        self.house = self.make()

    def make(self, interfaces: tuple[str, ...] | None = ("192.0.2.1",)) -> Neighbourhood:
        return Neighbourhood(
            interfaces=interfaces,
            register=self.register,
            disk=self.disk,
            devices=self.devices,
            supervisor=self.supervisor,
            changes=self.changes,
            clock=self.clock,
            record=self.recorded.append,
        )

    async def start(self, *found: Found) -> None:
        await self.house.start()
        await self.until(lambda: FakeDiscovery.running)
        await self.hear(*(Appeared(one) for one in found))

    async def hear(self, *changes: Appeared | Vanished | Exception) -> None:
        assert FakeDiscovery.running
        queue = FakeDiscovery.running.heard
        for change in changes:
            queue.put_nowait(change)
        await self.until(queue.empty)
        await asyncio.sleep(0)

    async def erase(self, scope: Scope) -> None:
        self.clock.move(seconds=1)
        await self.disk.run(self.register.erase, scope, self.clock.now())
        await self.house.reconcile()

    def found(self) -> list[str]:
        return [view.id for view in self.house.view()]

    def shown(self) -> list[str]:
        return [view.id for view in self.devices.view()]

    def registered(self) -> list[str]:
        return [adoption.id for adoption in self.register.all()]

    def kinds(self) -> list[type[entries.Entry]]:
        return [type(entry) for entry in self.recorded]


@pytest.fixture(autouse=True)
def family(make_line: Any, monkeypatch: pytest.MonkeyPatch) -> FakeFamily:
    made = FakeFamily(make_line)
    monkeypatch.setattr(agent.neighbourhood, "FAMILIES", {"test": Family("12-34", made.driver)})
    monkeypatch.setattr(agent.neighbourhood, "Discovery", FakeDiscovery)
    return made


@pytest.fixture
def register(tmp_path: Path, ring: KeyRing, keeper: TimeKeeper) -> tuple[DeviceRegister, Barrier, Holding]:
    barrier, holding = Barrier(), Holding()
    return DeviceRegister(tmp_path / "devices", ring, keeper.moment, barrier, holds=holding), barrier, holding


@pytest.fixture
def bench(register: Any, disk: Disk, supervisor: Supervisor, clock: Any, until: Any) -> Bench:
    made = Bench(*register[:2], disk, supervisor, clock)
    made.until = until
    made.holding = register[2]
    return made


async def test_what_is_announced_is_found_and_goes_with_its_announcement(bench: Bench) -> None:
    await bench.start(LAMP, PLUG)
    assert [(v.id, v.address, v.pairable, v.code_format) for v in bench.house.view()] == [
        ("test-lamp", "192.0.2.7:4711", True, "12-34"),
        ("test-plug", "[2001:db8::8]:4712", False, "12-34"),
    ]
    assert bench.kinds() == [entries.DeviceFound] * 2
    await bench.hear(Appeared(LAMP))
    assert len(bench.recorded) == 2, "a changed announcement is no find"
    await bench.hear(Vanished("test", "test-plug"), Vanished("test", "never seen"))
    assert bench.found() == ["test-lamp"]


async def test_a_family_that_nobody_can_drive_is_not_offered(bench: Bench) -> None:
    stranger = Found("matter", "matter-1", "Stranger", "", ("192.0.2.9",), 5540)
    await bench.start(stranger)
    assert bench.found() == []
    with pytest.raises(Refused) as refused:
        await bench.house.adopt("matter-1", AdoptBody(family="matter"), "page")
    assert refused.value.code == "not_found"


async def test_adopted_with_a_persons_yes(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP)
    view = await bench.house.adopt("test-lamp", CODE, "page")
    assert (view.id, view.reachable) == ("test-lamp", False)
    assert bench.registered() == bench.shown() == ["test-lamp"]
    assert bench.found() == [], "it is ours now"
    adopted = bench.recorded[-1]
    assert isinstance(adopted, entries.DeviceAdopted)
    assert (adopted.device, adopted.family, adopted.actor) == ("test-lamp", "test", "page")
    await bench.until(lambda: family.lines[0].open)
    assert (
        await bench.devices.command("test-lamp", CommandBody(capability="OnOff", value=True), "page")
    ).fate == "done"


@pytest.mark.parametrize(
    ("id_", "body", "code"),
    [
        ("test-plug", CODE, "not_found"),
        ("x" * 5000, CODE, "not_found"),
        ("test-lamp", AdoptBody(family="homekit"), "not_found"),
        ("test-lamp", AdoptBody(family="test", code="wrong"), "adoption_failed"),
    ],
)
async def test_what_cannot_be_adopted(bench: Bench, id_: str, body: AdoptBody, code: str) -> None:
    await bench.start(LAMP)
    with pytest.raises(Refused) as refused:
        await bench.house.adopt(id_, body, "page")
    assert refused.value.code == code
    assert len(str(refused.value)) < 300
    assert bench.registered() == bench.shown() == []
    assert bench.found() == ["test-lamp"]


async def test_two_people_adopt_the_same_device_at_the_same_time(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP)
    family.answer.clear()
    first = asyncio.create_task(bench.house.adopt("test-lamp", CODE, "page"))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="already") as refused:
        await bench.house.adopt("test-lamp", CODE, "cli")
    assert refused.value.code == "adoption_failed"
    family.answer.set()
    assert (await first).id == "test-lamp"
    assert family.paired == ["test-lamp"]
    assert bench.registered() == bench.shown() == ["test-lamp"]
    with pytest.raises(Refused):
        await bench.house.adopt("test-lamp", CODE, "cli")


async def test_after_a_failed_adoption_one_can_try_again(bench: Bench) -> None:
    await bench.start(LAMP)
    with pytest.raises(Refused):
        await bench.house.adopt("test-lamp", AdoptBody(family="test", code="wrong"), "page")
    assert (await bench.house.adopt("test-lamp", CODE, "page")).id == "test-lamp"


async def test_a_pairing_that_cannot_be_kept_is_undone(
    bench: Bench, family: FakeFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the device would be locked to secrets that nobody has."""
    await bench.start(LAMP)

    def refuse(_adoption: object) -> bool:
        raise StoreBroken("the card is read-only")

    with monkeypatch.context() as broken:
        broken.setattr(bench.register, "add", refuse)
        with pytest.raises(Refused, match=r"set free again.*read-only") as refused:
            await bench.house.adopt("test-lamp", CODE, "page")
    assert refused.value.code == "adoption_failed"
    assert family.paired == family.freed == ["test-lamp"]
    assert bench.shown() == []
    assert bench.found() == ["test-lamp"]
    assert entries.DeviceAdopted not in bench.kinds()
    assert (await bench.house.adopt("test-lamp", CODE, "page")).id == "test-lamp"


async def test_a_pairing_that_can_neither_be_kept_nor_undone_is_said_loudly(
    bench: Bench, family: FakeFamily, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.start(LAMP)

    def refuse(_adoption: object) -> bool:
        raise StoreBroken("the card is read-only")

    monkeypatch.setattr(bench.register, "add", refuse)
    family.unreachable = LinkLost("no route")
    with pytest.raises(Refused, match="reset it to factory settings") as refused:
        await bench.house.adopt("test-lamp", CODE, "page")
    assert refused.value.code == "adoption_failed"
    [error] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "test-lamp" in error.getMessage()
    assert "pairing-secret" not in caplog.text


async def test_an_order_that_comes_while_a_device_is_adopted(bench: Bench, family: FakeFamily) -> None:
    """It was captured before the order and would be written after it: it is let go instead."""
    await bench.start(LAMP)
    family.answer.clear()
    adopting = asyncio.create_task(bench.house.adopt("test-lamp", CODE, "page"))
    await asyncio.sleep(0)
    order_reaches = bench.clock.now().replace(microsecond=1)
    await bench.disk.run(bench.barrier.raise_for, "order", DEVICE_ORDER, order_reaches)
    family.answer.set()
    with pytest.raises(Refused, match="an order to erase came meanwhile"):
        await adopting
    assert family.freed == ["test-lamp"]
    assert bench.registered() == bench.shown() == []


async def test_adopted_devices_are_reached_after_a_restart(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    await bench.devices.remove_line("test-lamp")
    await bench.supervisor.stop("discovery")
    again = bench.make()
    await again.start()
    assert bench.shown() == ["test-lamp"]
    await bench.until(lambda: family.lines[-1].open)
    await bench.until(lambda: FakeDiscovery.running)
    await bench.hear(Appeared(LAMP))
    assert again.view() == ()
    assert bench.kinds().count(entries.DeviceFound) == 1, "one of ours is no find"


async def test_an_announcement_wakes_a_line_that_waits(bench: Bench, family: FakeFamily, until: Any) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    line = family.lines[0]
    await until(lambda: line.open)
    line.problem = "switched off"
    nudged: list[str] = []
    bench.supervisor.nudge = nudged.append  # type: ignore[method-assign]
    line.says.put_nowait(LinkLost("gone"))
    await until(lambda: not line.open)
    await bench.hear(Appeared(LAMP))
    assert nudged == ["line test-lamp"]


async def test_a_record_that_cannot_be_used_is_passed_over_and_can_be_adopted_anew(
    bench: Bench, family: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.start(LAMP)
    family.unusable = True
    with pytest.raises(Refused, match="cannot be used"):
        await bench.house.adopt("test-lamp", CODE, "page")
    await bench.house.reconcile()
    assert bench.shown() == []
    assert "cannot be used" in caplog.text
    assert bench.found() == ["test-lamp"]
    family.unusable = False
    await bench.house.adopt("test-lamp", CODE, "page")
    assert bench.registered() == bench.shown() == ["test-lamp"]


async def test_removed_is_set_free_and_found_again(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    await bench.house.remove("test-lamp", "page")
    assert family.freed == ["test-lamp"]
    assert bench.registered() == bench.shown() == []
    assert bench.found() == ["test-lamp"]
    assert bench.recorded[-1] == entries.DeviceRemoved(at=bench.clock.now(), device="test-lamp", actor="page")
    assert (await bench.house.adopt("test-lamp", CODE, "page")).id == "test-lamp"


async def test_removed_although_it_cannot_be_told(
    bench: Bench, family: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    family.unreachable = LinkLost("no route")
    await bench.house.remove("test-lamp", "page")
    assert bench.registered() == bench.shown() == []
    assert "could not be told" in caplog.text


async def test_what_cannot_be_removed(bench: Bench, make_line: Any) -> None:
    await bench.start(LAMP)
    bench.devices.add_line(make_line("modbus:tty", Device("pump", "Pump", "modbus", (ON_OFF,))))
    for device, code in (("nobody", "unknown_device"), ("test-lamp", "unknown_device"), ("pump", "configured")):
        with pytest.raises(Refused) as refused:
            await bench.house.remove(device, "page")
        assert refused.value.code == code
    assert bench.shown() == ["pump"]


async def test_a_device_that_is_being_removed_is_nobody_elses_to_touch(bench: Bench, family: FakeFamily) -> None:
    """Neither for a second person, nor for an erasure that comes while the device is told."""
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    family.answer.clear()
    removing = asyncio.create_task(bench.house.remove("test-lamp", "page"))
    await bench.until(lambda: not bench.shown())
    await bench.house.reconcile()
    assert bench.shown() == [], "it stands in the register still, and must not come back for that"
    for refused in (bench.house.remove("test-lamp", "cli"), bench.house.adopt("test-lamp", CODE, "cli")):
        with pytest.raises(Refused):
            await refused
    family.answer.set()
    await removing
    await bench.house.reconcile()
    assert bench.registered() == bench.shown() == []
    assert bench.found() == ["test-lamp"]


async def test_a_removal_that_the_medium_refuses_can_be_tried_again(
    bench: Bench, family: FakeFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")

    def refuse(_device: str) -> bool:
        raise StoreBroken("the card is read-only")

    with monkeypatch.context() as broken:
        broken.setattr(bench.register, "remove", refuse)
        with pytest.raises(StoreBroken):
            await bench.house.remove("test-lamp", "page")
    assert bench.registered() == bench.shown() == ["test-lamp"]
    assert entries.DeviceRemoved not in bench.kinds()
    family.unreachable = LinkLost("it does not know us any more")
    await bench.house.remove("test-lamp", "page")
    assert bench.registered() == bench.shown() == []


async def test_what_a_hold_keeps_is_not_removed_nor_told(bench: Bench, family: FakeFamily) -> None:
    """Or it would be unpaired, and its record, which stays, useless."""
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    bench.holding.devices = frozenset({"test-lamp"})
    with pytest.raises(Refused, match="a hold keeps test-lamp") as refused:
        await bench.house.remove("test-lamp", "page")
    assert (refused.value.code, bool(refused.value.hint)) == ("held", True)
    await bench.house.remove("test-plug", "page")
    assert family.freed == ["test-plug"]
    assert bench.registered() == bench.shown() == ["test-lamp"]
    assert [entry.device for entry in bench.recorded if isinstance(entry, entries.DeviceRemoved)] == ["test-plug"]
    bench.holding.devices = frozenset()
    await bench.house.remove("test-lamp", "page")
    assert bench.registered() == bench.shown() == []


async def test_a_hold_that_is_placed_while_the_device_is_told(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    family.answer.clear()
    removing = asyncio.create_task(bench.house.remove("test-lamp", "page"))
    await bench.until(lambda: not bench.shown())
    bench.holding.devices = frozenset({"test-lamp"})
    family.answer.set()
    with pytest.raises(Refused) as refused:
        await removing
    assert refused.value.code == "held"
    assert bench.registered() == bench.shown() == ["test-lamp"]
    assert entries.DeviceRemoved not in bench.kinds()


async def test_an_order_over_the_device_class_stops_its_line(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    await bench.until(lambda: all(line.open for line in family.lines))
    await bench.erase(Scope(devices=("test-lamp",)))
    assert bench.shown() == ["test-plug"]
    assert bench.found() == ["test-lamp"], "there, and nobody's"
    assert not family.lines[0].open
    await bench.erase(DEVICE_ORDER)
    assert bench.shown() == []
    assert sorted(bench.found()) == ["test-lamp", "test-plug"]
    assert list(bench.supervisor) == ["discovery"]


async def test_an_order_and_people_at_the_same_time(bench: Bench, family: FakeFamily) -> None:
    """Two erasures and a removal race for the same lines; nobody stumbles, and nothing erased comes back."""
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    bench.clock.move(seconds=1)
    await bench.disk.run(bench.register.erase, DEVICE_ORDER, bench.clock.now())
    async with asyncio.TaskGroup() as group:
        group.create_task(bench.house.reconcile())
        group.create_task(bench.house.reconcile())
        group.create_task(bench.house.remove("test-plug", "page"))
    assert bench.shown() == []
    assert await bench.house.adopt("test-plug", CODE, "page")
    assert bench.registered() == bench.shown() == ["test-plug"]


async def test_adopted_anew_while_lines_are_being_stopped(bench: Bench, family: FakeFamily, until: Any) -> None:
    await bench.start(LAMP, PLUG)
    await bench.house.adopt("test-lamp", CODE, "page")
    line = family.lines[0]
    await until(lambda: line.open)
    bench.clock.move(seconds=1)
    await bench.disk.run(bench.register.erase, DEVICE_ORDER, bench.clock.now())
    stopping = asyncio.create_task(bench.house.reconcile())
    adopting = asyncio.create_task(bench.house.adopt("test-plug", CODE, "page"))
    await asyncio.gather(stopping, adopting)
    assert bench.registered() == bench.shown() == ["test-plug"]


async def test_discovery_that_fails_shows_nothing_stale_and_begins_again(bench: Bench) -> None:
    await bench.start(LAMP)
    first = FakeDiscovery.running
    bench.marked.clear()
    await bench.hear(LinkLost("the interface is gone"))
    await bench.until(lambda: FakeDiscovery.running is not first)
    assert bench.found() == []
    assert "found" in bench.marked, "and everybody is told"
    await bench.until(lambda: FakeDiscovery.running)
    await bench.hear(Appeared(LAMP))
    assert bench.found() == ["test-lamp"]


async def test_nobody_looks_around_where_no_interface_is_named(bench: Bench) -> None:
    quiet = bench.make(interfaces=())
    await quiet.start()
    assert list(bench.supervisor) == []
    assert quiet._locate("test-lamp") == []


async def test_lines_are_told_where_their_device_is_said_to_be(bench: Bench) -> None:
    await bench.start(LAMP)
    assert bench.house._locate("test-lamp") == [("192.0.2.7", 4711)]
    assert bench.house._locate("test-plug") == []


async def carried_out(bench: Bench, scope: Scope) -> None:
    """An order, as the eraser carries it out: the barrier, what can still be told, the register, the lines."""
    bench.clock.move(seconds=1)
    reach = bench.clock.now()
    await bench.disk.run(bench.barrier.raise_for, "order", scope, reach)
    await bench.house.release(scope, reach)
    await bench.disk.run(bench.register.erase, scope, reach)
    await bench.house.reconcile()


async def test_what_an_order_erases_is_set_free_first(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    await carried_out(bench, Scope(devices=("test-lamp",)))
    assert family.freed == ["test-lamp"]
    assert bench.registered() == bench.shown() == ["test-plug"]
    bench.clock.move(seconds=1)
    assert (await bench.house.adopt("test-lamp", CODE, "page")).id == "test-lamp", "it can be anybody's again"


async def test_what_a_hold_keeps_from_an_order_is_not_set_free(bench: Bench, family: FakeFamily) -> None:
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    bench.holding.devices = frozenset({"test-lamp"})
    await carried_out(bench, DEVICE_ORDER)
    assert family.freed == ["test-plug"]
    assert bench.registered() == ["test-lamp"]


async def test_an_erasure_waits_for_no_device_that_is_away(
    bench: Bench, family: FakeFamily, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent.neighbourhood, "RELEASE_SECONDS", 0.01)
    await bench.start(LAMP, PLUG)
    for device in ("test-lamp", "test-plug"):
        await bench.house.adopt(device, CODE, "page")
    family.answer.clear()
    await carried_out(bench, Scope(devices=("test-lamp",)))
    family.answer.set()
    family.unreachable = LinkLost("no route")
    await carried_out(bench, DEVICE_ORDER)
    assert family.freed == []
    assert bench.registered() == bench.shown() == []
    for device in ("test-lamp", "test-plug"):
        assert f"{device} is erased here, but could not be set free" in caplog.text


async def test_an_erasure_that_cannot_be_finished_leaves_the_line_closed(bench: Bench, family: FakeFamily) -> None:
    """The device was told already; its record waits in the register for a medium that takes writes."""
    await bench.start(LAMP)
    await bench.house.adopt("test-lamp", CODE, "page")
    bench.clock.move(seconds=1)
    await bench.disk.run(bench.barrier.raise_for, "order", DEVICE_ORDER, bench.clock.now())
    await bench.house.release(DEVICE_ORDER, bench.clock.now())
    await bench.house.reconcile()
    assert bench.shown() == []
    assert bench.registered() == ["test-lamp"]
    again = bench.make(interfaces=())
    await again.start()
    assert bench.shown() == [], "nor is it reached after a restart"
