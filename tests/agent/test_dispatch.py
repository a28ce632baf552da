import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from agent.dispatch import Dispatcher
from drivers.errors import NoAnswer
from drivers.model import HEATING_SETPOINT, ON_OFF, Capability, Command, Device, Fate, Report, Silence, Value
from privacy.clock import SystemClock

PUMP = Device("pump", "Pump", "test", (ON_OFF, HEATING_SETPOINT))
LAMP = Device("lamp", "Lamp", "test", (ON_OFF,))


class Wire:
    """A connection whose sends wait until they are released."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Value]] = []
        self.release = asyncio.Event()
        self.fail = False

    async def send(self, device: str, capability: Capability, value: Value) -> None:
        self.sent.append((capability.name, value))
        await self.release.wait()
        if self.fail:
            raise NoAnswer("unit 1 did not answer", hint="is it on?")

    async def reports(self) -> AsyncIterator[Report | Silence]:
        yield Report("pump", ON_OFF.name, value=True)


def command(device: Device, capability: Capability, value: Value, seconds: float = 5.0) -> Command:
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    return Command(f"{capability.name}={value}", device.id, capability.name, value, "test", deadline)


def dispatcher(*attached: tuple[Device, Wire]) -> Dispatcher:
    made = Dispatcher(SystemClock())
    for device, wire in attached:
        made.attach([device], wire)
    return made


async def test_a_command_reaches_the_wire() -> None:
    wire = Wire()
    wire.release.set()
    outcome = await dispatcher((PUMP, wire)).execute(command(PUMP, ON_OFF, True), ON_OFF)
    assert outcome.fate is Fate.DONE
    assert wire.sent == [("OnOff.OnOff", True)]


async def test_the_newest_command_of_a_capability_wins_and_others_keep_their_place() -> None:
    wire = Wire()
    house = dispatcher((PUMP, wire))
    async with asyncio.TaskGroup() as group:
        tasks = []
        for capability, value in [
            (HEATING_SETPOINT, 18.0),
            (HEATING_SETPOINT, 19.0),
            (ON_OFF, True),
            (HEATING_SETPOINT, 20.0),
            (HEATING_SETPOINT, 21.0),
        ]:
            tasks.append(group.create_task(house.execute(command(PUMP, capability, value), capability)))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.result().fate for task in tasks if task.done()] == [Fate.SUPERSEDED] * 2
        wire.release.set()
    fates = [task.result().fate for task in tasks]
    assert fates == [Fate.DONE, Fate.SUPERSEDED, Fate.DONE, Fate.SUPERSEDED, Fate.DONE]
    assert [value for _, value in wire.sent] == [18.0, True, 21.0]


async def test_a_stuck_device_delays_nobody_else_and_its_commands_expire() -> None:
    stuck, quick = Wire(), Wire()
    quick.release.set()
    house = dispatcher((PUMP, stuck), (LAMP, quick))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(house.execute(command(PUMP, ON_OFF, True, 0.05), ON_OFF))
        await asyncio.sleep(0)
        second = group.create_task(house.execute(command(PUMP, HEATING_SETPOINT, 20.0, 0.02), HEATING_SETPOINT))
        await asyncio.sleep(0)
        lamp = await house.execute(command(LAMP, ON_OFF, True), ON_OFF)
        assert lamp.fate is Fate.DONE
        assert not first.done()
    assert first.result().fate is second.result().fate is Fate.EXPIRED
    stuck.release.set()
    assert (await house.execute(command(PUMP, ON_OFF, False), ON_OFF)).fate is Fate.DONE, "the queue went on"


async def test_a_late_command_is_never_carried_out() -> None:
    wire = Wire()
    wire.release.set()
    assert (await dispatcher((PUMP, wire)).execute(command(PUMP, ON_OFF, True, -1), ON_OFF)).fate is Fate.EXPIRED
    assert wire.sent == []


async def test_failures_say_why() -> None:
    wire = Wire()
    wire.fail = True
    wire.release.set()
    house = dispatcher((PUMP, wire))
    failed = await house.execute(command(PUMP, ON_OFF, True), ON_OFF)
    assert (failed.fate, failed.detail) == (Fate.FAILED, "unit 1 did not answer (is it on?)")
    house.detach([PUMP])
    unreachable = await house.execute(command(PUMP, ON_OFF, True), ON_OFF)
    assert unreachable.fate is Fate.FAILED
    assert "cannot be reached" in unreachable.detail
