"""Devices on the network: found, adopted by a person's yes, reached again after every start, and forgotten."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from agent.api import contract
from agent.changes import Changes
from agent.devices import Devices
from agent.errors import Refused
from agent.families import FAMILIES, Driver
from agent.register import Adoption, DeviceRegister
from agent.supervisor import Service, Supervisor
from drivers.discovery import Appeared, Discovery
from drivers.errors import DriverError
from drivers.model import DeviceId, Found
from privacy import entries
from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.store import Disk

log = logging.getLogger(__name__)

RELEASE_SECONDS = 10.0


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
        self._busy: set[DeviceId] = set()
        """Being adopted or removed right now: nobody else may begin the same, or start or stop its line."""

    async def start(self) -> None:
        """Reach what was adopted, and begin to look around."""
        await self.reconcile()
        if self._interfaces != ():
            self._supervisor.start(Service("discovery", self._watch, (DriverError,)))

    async def reconcile(self) -> None:
        """Make the lines agree with the register: after a start, and after an erasure."""
        known = {adoption.id for adoption in await self._disk.run(self._register.usable)}
        for id_ in self._adopted.keys() - known:
            if id_ in self._adopted and id_ not in self._busy:
                with self._only_us(id_):
                    del self._adopted[id_]
                    await self._devices.remove_line(id_)
        # Asked again, because stopping lines takes seconds, in which people adopt and remove.
        for adoption in await self._disk.run(self._register.usable):
            if adoption.id not in self._adopted and adoption.id not in self._busy:
                self._reach(adoption)
        self._changes.mark("found")

    def view(self) -> tuple[contract.FoundView, ...]:
        """What is there and has not been adopted."""
        return tuple(
            contract.FoundView(
                family=found.family,
                id=found.id,
                name=found.name,
                model=found.model,
                address=_place(found.addresses[0], found.port),
                pairable=found.pairable,
                code_format=FAMILIES[found.family].code_format,
            )
            for found in self._found.values()
            if found.id not in self._adopted and found.family in FAMILIES
        )

    async def adopt(self, found: DeviceId, body: contract.AdoptBody, actor: str) -> contract.DeviceView:
        """Make a found device ours."""
        seen, family = self._found.get(found), FAMILIES.get(body.family)
        if seen is None or family is None or found in self._adopted or seen.family != body.family:
            raise Refused("not_found", f"there is nothing called {found[:64]} to adopt", hint="`portvakt devices scan`")
        if found in self._busy:
            raise Refused("adoption_failed", f"{found} is being adopted or removed already", hint="wait a minute")
        with self._only_us(found):
            try:
                driver = family.driver()
                adopted = await driver.adopt(seen, body.code)
            except DriverError as error:
                raise Refused("adoption_failed", str(error)) from error
            adoption = Adoption(adopted.id, seen.family, self._clock.now(), adopted.to_record())
            await self._keep(adoption, driver)
            if not self._reach(adoption):
                raise Refused("adoption_failed", f"{found} was adopted, but cannot be used", hint="see the journal")
        self._record(
            entries.DeviceAdopted(
                at=self._clock.now(), device=adopted.id, family=seen.family, name=seen.name, actor=actor
            )
        )
        self._changes.mark("found")
        return self._devices.one(adopted.devices[0].id)

    async def remove(self, device: DeviceId, actor: str) -> None:
        """Forget an adopted device, and set it free if it can be reached.

        Raises:
            Refused: `unknown_device`, `configured`, or `held`: a hold keeps it.
            StoreBroken: the register could not forget it, so it is shown still; try again.
        """
        line = self._devices.line_of(device)
        if line is None or line in self._busy:
            raise Refused(
                "unknown_device", f"there is no device {device[:64]}", hint="`portvakt devices list` names them"
            )
        adoption = self._adopted.get(line)
        if adoption is None:
            raise Refused("configured", f"{device} stands in the configuration", hint="remove it there, then restart")
        with self._only_us(line):
            if await self._disk.run(self._register.held, adoption.id):
                raise _held(device)
            del self._adopted[line]
            await self._devices.remove_line(line)
            try:
                await FAMILIES[adoption.family].driver().forget(adoption.record, self._locate)
            except DriverError as error:
                log.warning("%s is forgotten here, but could not be told: %s", device, error)
            try:
                removed = await self._disk.run(self._register.remove, adoption.id)
            except StoreBroken:
                self._reach(adoption)
                raise
            if not removed and await self._disk.run(self._register.held, adoption.id):
                self._reach(adoption)
                raise _held(device)  # placed while the device was being told
        self._record(entries.DeviceRemoved(at=self._clock.now(), device=adoption.id, actor=actor))
        self._changes.mark("found")

    async def release(self, scope: Scope, reach: datetime) -> None:
        """Set free what an order is about to erase from the register, or it would need a factory reset afterwards.

        As far as it can be reached: an erasure does not wait for a lamp that is away. What a hold keeps is not erased.
        """
        for adoption in await self._disk.run(self._register.reached, scope, reach):
            if adoption.id in self._busy:
                continue
            with self._only_us(adoption.id):
                if await self._disk.run(self._register.held, adoption.id):
                    continue
                self._adopted.pop(adoption.id, None)
                await self._devices.remove_line(adoption.id)
                try:
                    async with asyncio.timeout(RELEASE_SECONDS):
                        await FAMILIES[adoption.family].driver().forget(adoption.record, self._locate)
                except (DriverError, TimeoutError, KeyError):
                    log.warning("%s is erased here, but could not be set free: it needs a factory reset", adoption.id)

    async def _keep(self, adoption: Adoption, driver: Driver) -> None:
        """Into the register; or the device is set free again, or it would be locked to secrets that nobody has."""
        try:
            if await self._disk.run(self._register.add, adoption):
                return
            problem = "an order to erase came meanwhile"
        except StoreBroken as error:
            problem = str(error)
        try:
            await driver.forget(adoption.record, self._locate)
        except DriverError as error:
            log.error("%s is paired with this house, which could not keep its secrets: %s", adoption.id, error)  # noqa: TRY400 - a line says it all
            raise Refused(
                "adoption_failed",
                f"{adoption.id} could not be kept ({problem}), nor set free again",
                hint="reset it to factory settings, then adopt it again",
            ) from error
        raise Refused("adoption_failed", f"{adoption.id} could not be kept, and was set free again: {problem}")

    def _reach(self, adoption: Adoption) -> bool:
        try:
            line = FAMILIES[adoption.family].driver().line(adoption.record, self._locate)
        except (DriverError, KeyError) as error:
            log.warning("adopted device %s cannot be used: %s", adoption.id, error)
            return False
        self._adopted[adoption.id] = adoption
        self._devices.add_line(line)
        return True

    @contextmanager
    def _only_us(self, device: DeviceId) -> Iterator[None]:
        self._busy.add(device)
        try:
            yield
        finally:
            self._busy.discard(device)

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
                self._changes.mark("found")

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


def _held(device: DeviceId) -> Refused:
    return Refused(
        "held", f"a hold keeps {device}", hint="`portvakt holds` lists them; it goes once the hold has ended"
    )


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
