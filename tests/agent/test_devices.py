"""What is known of devices after all that can happen to a line, and what becomes of commands."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from agent.api.contract import CommandBody, DeviceView
from agent.changes import Changes
from agent.devices import Devices
from agent.errors import Refused
from agent.supervisor import Supervisor
from drivers.errors import LinkLost, NoAnswer
from drivers.model import HEATING_SETPOINT, ON_OFF, TEMPERATURE, Device, Report, Silence
from privacy import entries

PUMP = Device("pump", "Heat pump", "test", (ON_OFF, HEATING_SETPOINT, TEMPERATURE), verified=True)
FAN = Device("fan", "Fan", "test", (ON_OFF,))
SET_19 = CommandBody(capability=HEATING_SETPOINT.name, value=19)


class Bench:
    """The devices of a house with one line, and what was recorded and marked."""

    def __init__(self, supervisor: Supervisor, clock: Any, until: Any, make_line: Any) -> None:
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        changes = Changes()
        changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        self.clock, self.until, self.supervisor = clock, until, supervisor
        self.devices = Devices(supervisor, changes, clock, self.recorded.append, bytes)
        supervisor._watcher = self._watch
        self.line = make_line("line-1", PUMP, FAN)

    def _watch(self, service: str, problem: str | None) -> None:
        if problem is not None:
            self.devices.line_problem(service.removeprefix("line "), problem)

    async def open(self) -> None:
        self.devices.add_line(self.line)
        await self.until(lambda: self.line.open)

    async def hear(self, *said: Report | Silence | Exception | None) -> None:
        for one in said:
            self.line.says.put_nowait(one)
        await self.until(self.line.says.empty)
        await asyncio.sleep(0)

    def pump(self) -> DeviceView:
        return self.devices.one("pump")

    def kinds(self) -> list[type[entries.Entry]]:
        return [type(entry) for entry in self.recorded]


def reading(view: DeviceView, capability: str, kind: str) -> object:
    [one] = [c for c in view.capabilities if c.name == capability]
    value = getattr(one, kind)
    return value and value.value


@pytest.fixture
def bench(supervisor: Supervisor, clock: Any, until: Any, make_line: Any) -> Bench:
    return Bench(supervisor, clock, until, make_line)


async def test_a_device_is_unreachable_until_it_says_something(bench: Bench) -> None:
    await bench.open()
    assert not bench.pump().reachable
    bench.clock.move(seconds=5)
    await bench.hear(Report("pump", TEMPERATURE.name, 21.5))
    view = bench.pump()
    assert (view.reachable, view.since, view.reason) == (True, bench.clock.now(), "")
    assert reading(view, TEMPERATURE.name, "reported") == 21.5
    assert (view.name, view.family, view.verified) == ("Heat pump", "test", True)
    assert [view.id for view in bench.devices.view()] == ["pump", "fan"]
    assert not bench.devices.one("fan").reachable
    assert bench.recorded == [entries.DeviceReachable(at=bench.clock.now(), device="pump")]
    bench.clock.move(seconds=5)
    await bench.hear(Report("pump", TEMPERATURE.name, 22.0))
    assert len(bench.recorded) == 1, "that it still answers is no news"
    assert bench.pump().since == view.since


async def test_silent_then_the_line_lost_then_back(bench: Bench) -> None:
    await bench.open()
    await bench.hear(Report("pump", TEMPERATURE.name, 21.0), Report("fan", ON_OFF.name, value=True))
    bench.clock.move(minutes=1)
    silent_since = bench.clock.now()
    await bench.hear(Silence("pump", "unit 1 does not answer"))
    assert (bench.pump().reachable, bench.pump().since, bench.pump().reason) == (
        False,
        silent_since,
        "unit 1 does not answer",
    )
    assert bench.devices.one("fan").reachable, "the line stands"

    bench.clock.move(minutes=1)
    bench.line.problem = "the adapter is unplugged"
    await bench.hear(LinkLost("the adapter was pulled out"))
    await bench.until(lambda: bench.pump().reason == "the adapter is unplugged")
    assert bench.pump().since == silent_since, "it has been away since it fell silent"
    assert bench.devices.one("fan").since == bench.clock.now()
    assert reading(bench.pump(), TEMPERATURE.name, "reported") == 21.0, "the last known value, with its time"

    bench.clock.move(minutes=1)
    bench.line.problem = ""
    await bench.until(lambda: bench.devices.nudge_line("line-1") or bench.line.open)
    await bench.hear(Report("pump", TEMPERATURE.name, 20.0))
    assert (bench.pump().reachable, bench.pump().since, bench.pump().reason) == (True, bench.clock.now(), "")
    assert bench.kinds() == [
        entries.DeviceReachable,
        entries.DeviceReachable,
        entries.DeviceUnreachable,  # the pump, silent
        entries.DeviceUnreachable,  # the fan, with the line; of the pump it is known already
        entries.DeviceReachable,
    ]


async def test_a_line_that_ends_without_a_word_is_opened_again(bench: Bench) -> None:
    await bench.open()
    await bench.hear(Report("pump", TEMPERATURE.name, 21.0))
    await bench.hear(None)
    await bench.until(lambda: not bench.pump().reachable)
    assert "without saying why" in bench.pump().reason
    await bench.until(lambda: bench.line.open)
    await bench.hear(Report("pump", TEMPERATURE.name, 21.0))
    assert bench.pump().reachable


async def test_what_an_unknown_device_says_is_ignored(bench: Bench) -> None:
    await bench.open()
    await bench.hear(Report("stranger", ON_OFF.name, value=True), Silence("stranger", "gone"))
    assert [view.id for view in bench.devices.view()] == ["pump", "fan"]
    assert bench.recorded == []


async def test_a_command_reaches_the_wire_and_is_recorded(bench: Bench) -> None:
    await bench.open()
    outcome = await bench.devices.command("pump", SET_19, "page")
    assert (outcome.fate, outcome.detail) == ("done", "")
    assert bench.line.sent == [("pump", HEATING_SETPOINT.name, 19.0)]
    assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") == 19.0
    [done] = [entry for entry in bench.recorded if isinstance(entry, entries.CommandDone)]
    assert (done.device, done.capability, done.fate, done.actor) == ("pump", HEATING_SETPOINT.name, "done", "page")
    assert done.milliseconds >= 0


@pytest.mark.parametrize(
    ("device", "body", "code"),
    [
        ("nobody", SET_19, "unknown_device"),
        ("x" * 5000, SET_19, "unknown_device"),
        ("pump", CommandBody(capability="DoorLock", value=True), "bad_value"),
        ("pump", CommandBody(capability=HEATING_SETPOINT.name, value=99), "bad_value"),
        ("pump", CommandBody(capability=HEATING_SETPOINT.name, value=float("nan")), "bad_value"),
        ("pump", CommandBody(capability=TEMPERATURE.name, value=20), "bad_value"),
        ("pump", CommandBody(capability=ON_OFF.name, value="on"), "bad_value"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_wished_for_by_nobody(
    bench: Bench, device: str, body: CommandBody, code: str
) -> None:
    await bench.open()
    with pytest.raises(Refused) as refused:
        await bench.devices.command(device, body, "page")
    assert refused.value.code == code
    assert len(str(refused.value)) < 300
    assert bench.line.sent == []
    assert all(c.desired is None for c in bench.pump().capabilities)


async def test_a_failed_command_leaves_no_wish_behind(bench: Bench) -> None:
    await bench.open()

    async def refuse() -> None:
        raise NoAnswer("unit 1 did not answer")

    bench.line.takes = refuse
    outcome = await bench.devices.command("pump", SET_19, "page")
    assert (outcome.fate, outcome.detail) == ("failed", "unit 1 did not answer")
    assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") is None
    assert "devices" in bench.marked


async def test_a_command_that_expires_leaves_no_wish_behind(bench: Bench) -> None:
    await bench.open()
    bench.line.takes = asyncio.Event().wait
    body = CommandBody(capability=HEATING_SETPOINT.name, value=19, deadline_seconds=0.02)
    assert (await bench.devices.command("pump", body, "page")).fate == "expired"
    assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") is None


async def test_a_caller_that_goes_away_leaves_no_wish_behind(bench: Bench, until: Any) -> None:
    await bench.open()
    bench.line.takes = asyncio.Event().wait
    caller = asyncio.create_task(bench.devices.command("pump", SET_19, "page"))
    await until(lambda: bench.line.sent)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") is None


async def test_the_older_commands_failure_does_not_take_the_newer_wish(bench: Bench, until: Any) -> None:
    """Also where both wish for the same at the same moment."""
    await bench.open()
    answer = asyncio.Event()
    fails = True

    async def take() -> None:
        nonlocal fails
        await answer.wait()
        if fails:
            fails = False
            raise NoAnswer("the first is lost")

    bench.line.takes = take
    async with asyncio.TaskGroup() as group:
        first = group.create_task(bench.devices.command("pump", SET_19, "page"))
        await until(lambda: bench.line.sent)
        second = group.create_task(bench.devices.command("pump", SET_19, "page"))
        await asyncio.sleep(0)
        answer.set()
        await first
        assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") == 19.0, "the second is still on its way"
    assert (first.result().fate, second.result().fate) == ("failed", "done")


async def test_a_superseded_command_keeps_the_newer_wish(bench: Bench, until: Any) -> None:
    await bench.open()
    answer = asyncio.Event()
    bench.line.takes = answer.wait
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bench.devices.command("pump", SET_19, "page"))]
        await until(lambda: bench.line.sent)
        for value in (20, 21):
            body = CommandBody(capability=HEATING_SETPOINT.name, value=value)
            tasks.append(group.create_task(bench.devices.command("pump", body, "page")))
            await asyncio.sleep(0)
        assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") == 21.0
        answer.set()
    assert [task.result().fate for task in tasks] == ["done", "superseded", "done"]
    assert reading(bench.pump(), HEATING_SETPOINT.name, "desired") == 21.0


async def test_removing_a_line_while_a_command_runs(bench: Bench, until: Any) -> None:
    await bench.open()

    async def take() -> None:
        await until(lambda: not bench.line.open)
        raise LinkLost("the line was closed")

    bench.line.takes = take
    running = asyncio.create_task(bench.devices.command("pump", SET_19, "page"))
    await until(lambda: bench.line.sent)
    bench.marked.clear()
    await bench.devices.remove_line("line-1")
    assert (await running).fate == "failed"
    assert bench.devices.view() == ()
    assert bench.devices.line_of("pump") is None
    assert {"devices", "services"} <= set(bench.marked)
    assert list(bench.supervisor) == []
    with pytest.raises(Refused):
        await bench.devices.command("pump", SET_19, "page")


async def test_a_removed_line_may_come_back(bench: Bench) -> None:
    await bench.open()
    await bench.hear(Report("pump", TEMPERATURE.name, 21.0))
    await bench.devices.remove_line("line-1")
    await bench.devices.remove_line("line-1")
    await bench.open()
    assert not bench.pump().reachable
    assert reading(bench.pump(), TEMPERATURE.name, "reported") is None, "nothing of its former life"
    assert (await bench.devices.command("pump", SET_19, "page")).fate == "done"


async def test_two_lines_with_the_same_device_id(
    bench: Bench, make_line: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The first keeps it. The second can neither speak for it, nor take it along when it goes."""
    await bench.open()
    await bench.hear(Report("pump", TEMPERATURE.name, 21.0))
    other = make_line(
        "line-2", Device("pump", "Impostor", "test", (TEMPERATURE, ON_OFF)), Device("lamp", "Lamp", "test", (ON_OFF,))
    )
    with caplog.at_level(logging.ERROR):
        bench.devices.add_line(other)
    assert "another line has this id" in caplog.text
    await bench.until(lambda: other.open)
    other.says.put_nowait(Report("pump", TEMPERATURE.name, 99.0))
    other.says.put_nowait(Report("lamp", ON_OFF.name, value=True))
    await bench.until(lambda: bench.devices.one("lamp").reachable)
    assert reading(bench.pump(), TEMPERATURE.name, "reported") == 21.0
    assert bench.pump().name == "Heat pump"

    other.problem = "gone"
    other.says.put_nowait(LinkLost("gone"))
    await bench.until(lambda: not bench.devices.one("lamp").reachable)
    assert bench.pump().reachable
    assert (await bench.devices.command("pump", SET_19, "page")).fate == "done"
    assert bench.line.sent
    assert other.sent == []
    await bench.devices.remove_line("line-2")
    assert [view.id for view in bench.devices.view()] == ["pump", "fan"]
