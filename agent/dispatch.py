"""Takes commands to devices: one at a time for each device, the newest wins for each capability, late ones die.

No device waits for another: each has a queue of its own, and callers wait in it, not a worker.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.driver import Connection
from drivers.errors import DriverError
from drivers.model import Capability, Command, Device, DeviceId, Fate, Outcome
from privacy.clock import Clock


@dataclass(slots=True)
class _Waiting:
    capability: str
    turn: asyncio.Future[bool]
    """True: go; False: a newer command for the same capability has taken the place."""


@dataclass(slots=True)
class _Queue:
    busy: bool = False
    waiting: deque[_Waiting] = field(default_factory=deque)


class Dispatcher:
    """Knows which connection reaches which device at the moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connections: dict[DeviceId, Connection] = {}
        self._queues: dict[DeviceId, _Queue] = {}

    def attach(self, devices: Sequence[Device], connection: Connection) -> None:
        """From now on `devices` are reached by `connection`."""
        for device in devices:
            self._connections[device.id] = connection

    def detach(self, devices: Sequence[Device]) -> None:
        """`devices` cannot be reached; commands for them fail at once."""
        for device in devices:
            self._connections.pop(device.id, None)

    async def execute(self, command: Command, capability: Capability) -> Outcome:
        """Carry out `command`, whose value `capability` has checked; returns once its fate is known.

        Never raises for what devices do; the outcome's detail is one line for people.
        """
        queue = self._queues.setdefault(command.device, _Queue())
        remaining = (command.deadline - self._clock.now()).total_seconds()
        try:
            if remaining <= 0:
                raise TimeoutError  # noqa: TRY301 - the same fate by the same road
            async with asyncio.timeout(remaining):
                if not await self._turn(queue, command.capability):
                    return self._outcome(command, Fate.SUPERSEDED, "a newer command took its place")
                try:
                    return await self._send(command, capability)
                finally:
                    self._pass_on(queue)
        except TimeoutError:
            return self._outcome(command, Fate.EXPIRED, "the device did not confirm it before the deadline")

    async def _send(self, command: Command, capability: Capability) -> Outcome:
        connection = self._connections.get(command.device)
        if connection is None:
            return self._outcome(command, Fate.FAILED, "the device cannot be reached at the moment")
        try:
            await connection.send(command.device, capability, command.value)
        except DriverError as error:
            return self._outcome(command, Fate.FAILED, str(error))
        return self._outcome(command, Fate.DONE)

    async def _turn(self, queue: _Queue, capability: str) -> bool:
        if not queue.busy:
            queue.busy = True
            return True
        for older in queue.waiting:
            if older.capability == capability and not older.turn.done():
                older.turn.set_result(False)
        mine = _Waiting(capability, asyncio.get_running_loop().create_future())
        queue.waiting.append(mine)
        try:
            return await mine.turn
        except asyncio.CancelledError:
            # The turn may have come in the same tick as the deadline: hand it on, or the queue stands for ever.
            if mine.turn.done() and not mine.turn.cancelled() and mine.turn.result():
                self._pass_on(queue)
            raise

    def _pass_on(self, queue: _Queue) -> None:
        while queue.waiting:
            following = queue.waiting.popleft()
            if not following.turn.done():
                following.turn.set_result(True)
                return
        queue.busy = False

    def _outcome(self, command: Command, fate: Fate, detail: str = "") -> Outcome:
        return Outcome(command.id, command.device, command.capability, fate, self._clock.now(), detail)
