"""The devices of the house: the lines that reach them, what they were asked for and what they say."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter

from agent.api import contract
from agent.changes import Changes
from agent.dispatch import Dispatcher
from agent.errors import Refused
from agent.supervisor import Service, Supervisor
from drivers.driver import Line
from drivers.errors import DriverError, LinkLost, Unsupported
from drivers.model import Command, Device, DeviceId, DeviceState, Fate, Reading, Report, Silence
from privacy import entries
from privacy.clock import Clock
from privacy.uuid7 import uuid7

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    device: Device
    line: str
    state: DeviceState = field(default_factory=DeviceState)


class Devices:
    """Owns the state of every device; the supervisor owns the tasks."""

    def __init__(
        self,
        supervisor: Supervisor,
        changes: Changes,
        clock: Clock,
        record: Callable[[entries.Entry], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._supervisor = supervisor
        self._changes = changes
        self._clock = clock
        self._record = record
        self._random_bytes = random_bytes
        self._dispatcher = Dispatcher(clock)
        self._known: dict[DeviceId, _Known] = {}

    def add_line(self, line: Line) -> None:
        """Reach the devices of `line` from now on. A device whose id another line has already is left out."""
        ours = [device for device in line.devices if device.id not in self._known]
        for device in line.devices:
            if device not in ours:
                log.error("device %s of line %s is left out: another line has this id", device.id, line.id)
        for device in ours:
            self._known[device.id] = _Known(device, line.id, DeviceState(since=self._clock.now()))
        self._supervisor.start(Service(f"line {line.id}", lambda: self._hold(line, ours), (DriverError,)))
        self._changes.mark("devices")

    async def remove_line(self, line: str) -> None:
        """Forget `line` and its devices."""
        await self._supervisor.stop(f"line {line}")
        for id_ in [id_ for id_, known in self._known.items() if known.line == line]:
            del self._known[id_]
        self._changes.mark("devices", "services")

    def nudge_line(self, line: str) -> None:
        """Something says that `line` can be reached: if it waits for its next try, try now."""
        self._supervisor.nudge(f"line {line}")

    def line_of(self, device: DeviceId) -> str | None:
        """The line behind which `device` is."""
        known = self._known.get(device)
        return known.line if known else None

    def view(self) -> tuple[contract.DeviceView, ...]:
        """Every device as people see it."""
        return tuple(_view(known) for known in self._known.values())

    def one(self, device: DeviceId) -> contract.DeviceView:
        """One device as people see it."""
        return _view(self._known[device])

    async def command(self, device: DeviceId, body: contract.CommandBody, actor: str) -> contract.OutcomeView:
        """Carry out one command and say what became of it."""
        known = self._known.get(device)
        if known is None:
            raise Refused(
                "unknown_device", f"there is no device {device[:64]}", hint="`portvakt devices list` names them"
            )
        try:
            capability = known.device.capability(body.capability)
            value = capability.check(body.value)
        except Unsupported as error:
            raise Refused("bad_value", str(error)) from error
        now = self._clock.now()
        command = Command(
            id=uuid7(now, self._random_bytes),
            device=device,
            capability=capability.name,
            value=value,
            actor=actor,
            deadline=now + timedelta(seconds=body.deadline_seconds),
        )
        wish = known.state.desired[capability.name] = Reading(value, now)
        self._changes.mark("devices")
        began = perf_counter()
        outcome = None
        try:
            outcome = await self._dispatcher.execute(command, capability)
        finally:
            fate = outcome.fate if outcome else Fate.FAILED
            if fate in {Fate.FAILED, Fate.EXPIRED} and known.state.desired.get(capability.name) is wish:
                # It will not be tried again: the wish must not stand beside the value as if it were on its way.
                del known.state.desired[capability.name]
                self._changes.mark("devices")
        self._record(
            entries.CommandDone(
                at=outcome.at,
                device=device,
                capability=capability.name,
                fate=outcome.fate.value,
                actor=actor,
                milliseconds=round(1000 * (perf_counter() - began), 1),
            )
        )
        return contract.OutcomeView(command=command.id, fate=outcome.fate.value, at=outcome.at, detail=outcome.detail)

    def line_problem(self, line: str, problem: str) -> None:
        """The supervisor says why `line` is down."""
        for known in self._known.values():
            if known.line == line:
                self._unreachable(known, problem)

    async def _hold(self, line: Line, devices: Sequence[Device]) -> None:
        """Keep `line` open and hear what its `devices` say, until it fails."""
        try:
            async with line.connect() as connection:
                self._dispatcher.attach(devices, connection)
                async for said in connection.reports():
                    self._heard(line.id, said)
        finally:
            self._dispatcher.detach(devices)
        # Else nobody would ever open it again, and its devices would look reachable.
        raise LinkLost(f"{line.id} ended without saying why")

    def _heard(self, line: str, said: Report | Silence) -> None:
        known = self._known.get(said.device)
        if known is None or known.line != line:
            return
        if isinstance(said, Silence):
            self._unreachable(known, said.reason)
            return
        if not known.state.reachable:
            known.state.reachable, known.state.since, known.state.reason = True, self._clock.now(), ""
            self._record(entries.DeviceReachable(at=self._clock.now(), device=known.device.id))
        known.state.reported[said.capability] = Reading(said.value, self._clock.now())
        self._changes.mark("devices")

    def _unreachable(self, known: _Known, reason: str) -> None:
        if known.state.reachable or known.state.reason != reason:
            if known.state.reachable or not known.state.reason:
                known.state.since = self._clock.now()
                self._record(entries.DeviceUnreachable(at=self._clock.now(), device=known.device.id, reason=reason))
            known.state.reachable, known.state.reason = False, reason
            self._changes.mark("devices")


def _view(known: _Known) -> contract.DeviceView:
    device, state = known.device, known.state
    return contract.DeviceView(
        id=device.id,
        name=device.name,
        family=device.family,
        verified=device.verified,
        reachable=state.reachable,
        since=state.since,
        reason=state.reason,
        capabilities=tuple(
            contract.CapabilityView(
                name=c.name,
                kind=c.kind.value,
                unit=c.unit,
                minimum=c.minimum,
                maximum=c.maximum,
                choices=c.choices,
                writable=c.writable,
                desired=_reading(state.desired.get(c.name)),
                reported=_reading(state.reported.get(c.name)),
            )
            for c in device.capabilities
        ),
    )


def _reading(reading: Reading | None) -> contract.Reading | None:
    return contract.Reading(value=reading.value, at=reading.at) if reading else None
