"""Devices on the network: found, adopted by a person's yes, reached again after every start, and forgotten."""

import logging
from collections.abc import Callable

from agent.api import contract
from agent.changes import Changes
from agent.devices import Devices
from agent.errors import Refused
from agent.families import FAMILIES
from agent.register import Adoption, DeviceRegister
from agent.supervisor import Service, Supervisor
from drivers.discovery import Appeared, Discovery
from drivers.errors import DriverError
from drivers.model import DeviceId, Found
from privacy import entries
from privacy.clock import Clock
from privacy.store import Disk

log = logging.getLogger(__name__)


class Neighbourhood:
    """Watches the network, and keeps the lines to what has been adopted."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        interfaces: tuple[str, ...] | None,
        register: DeviceRegister,
        disk: Disk,
        devices: Devices,
        supervisor: Supervisor,
        changes: Changes,
        clock: Clock,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._interfaces = interfaces
        self._register = register
        self._disk = disk
        self._devices = devices
        self._supervisor = supervisor
        self._changes = changes
        self._clock = clock
        self._record = record
        self._discovery: Discovery | None = None
        self._found: dict[DeviceId, Found] = {}
        self._adopted: dict[DeviceId, Adoption] = {}

    async def start(self) -> None:
        """Reach what was adopted, and begin to look around."""
        await self.reconcile()
        if self._interfaces != ():
            self._supervisor.start(Service("discovery", self._watch, (DriverError,)))

    async def reconcile(self) -> None:
        """Make the lines agree with the register: after a start, and after an erasure."""
        known = {adoption.id: adoption for adoption in await self._disk.run(self._register.all)}
        for id_ in self._adopted.keys() - known.keys():
            await self._devices.remove_line(self._adopted.pop(id_).id)
        for id_ in known.keys() - self._adopted.keys():
            self._reach(known[id_])
        self._changes.mark("found")

    def view(self) -> tuple[contract.FoundView, ...]:
        """What is there and has not been adopted."""
        return tuple(
            contract.FoundView(
                family=found.family,
                id=found.id,
                name=found.name,
                model=found.model,
                address=f"{found.addresses[0]}:{found.port}",
                pairable=found.pairable,
                code_format=FAMILIES[found.family].code_format,
            )
            for found in self._found.values()
            if found.id not in self._adopted and found.family in FAMILIES
        )

    async def adopt(self, found: DeviceId, body: contract.AdoptBody, actor: str) -> contract.DeviceView:
        """Make a found device ours."""
        seen = self._found.get(found)
        if seen is None or found in self._adopted or seen.family != body.family:
            raise Refused("not_found", f"there is nothing called {found[:64]} to adopt", hint="`portvakt devices scan`")
        try:
            adopted = await FAMILIES[seen.family].driver().adopt(seen, body.code)
        except DriverError as error:
            raise Refused("adoption_failed", str(error)) from error
        adoption = Adoption(adopted.id, seen.family, self._clock.now(), adopted.to_record())
        await self._disk.run(self._register.add, adoption)
        self._reach(adoption)
        self._record(
            entries.DeviceAdopted(
                at=self._clock.now(), device=adopted.id, family=seen.family, name=seen.name, actor=actor
            )
        )
        self._changes.mark("found")
        return self._devices.one(adopted.devices[0].id)

    async def remove(self, device: DeviceId, actor: str) -> None:
        """Forget an adopted device, and set it free if it can be reached."""
        line = self._devices.line_of(device)
        if line is None:
            raise Refused(
                "unknown_device", f"there is no device {device[:64]}", hint="`portvakt devices list` names them"
            )
        adoption = self._adopted.pop(line, None)
        if adoption is None:
            raise Refused("configured", f"{device} stands in the configuration", hint="remove it there, then restart")
        await self._devices.remove_line(line)
        try:
            await FAMILIES[adoption.family].driver().forget(adoption.record, self._locate)
        except DriverError as error:
            log.warning("%s is forgotten here, but could not be told: %s", device, error)
        await self._disk.run(self._register.remove, adoption.id)
        self._record(entries.DeviceRemoved(at=self._clock.now(), device=adoption.id, actor=actor))
        self._changes.mark("found")

    def _reach(self, adoption: Adoption) -> None:
        try:
            line = FAMILIES[adoption.family].driver().line(adoption.record, self._locate)
        except (DriverError, KeyError) as error:
            log.warning("adopted device %s cannot be used: %s", adoption.id, error)
            return
        self._adopted[adoption.id] = adoption
        self._devices.add_line(line)

    async def _watch(self) -> None:
        async with Discovery(self._interfaces) as discovery:
            self._discovery = discovery
            try:
                async for change in discovery:
                    if isinstance(change, Appeared):
                        self._appeared(change.found)
                    else:
                        self._found.pop(change.id, None)
                    self._changes.mark("found")
            finally:
                self._discovery = None
                self._found.clear()

    def _appeared(self, found: Found) -> None:
        if found.id not in self._found and found.id not in self._adopted:
            address = found.addresses[0]
            self._record(
                entries.DeviceFound(at=self._clock.now(), family=found.family, name=found.name, address=address)
            )
        self._found[found.id] = found
        # One of ours is announced: it may be back long before its next try is due.
        self._devices.nudge_line(found.id)

    def _locate(self, device: DeviceId) -> list[tuple[str, int]]:
        return list(self._discovery.endpoints(device)) if self._discovery else []
