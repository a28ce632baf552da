"""The house: what the page and the command line ask of it, answered by the parts that know."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.api import contract
from agent.cameras import Cameras
from agent.devices import Devices
from agent.errors import Refused
from agent.hold_desk import HoldDesk
from agent.inventory import inventory, of_journal, of_store, of_vault
from agent.known import unknown_names, where_to_look
from agent.local_orders import LocalIssuer
from agent.neighbourhood import Neighbourhood
from agent.people.desk import PeopleDesk
from agent.recorder import Recorder
from agent.timewatch import TimeWatch
from agent.uplink import Uplink
from camera.vault.vault import Vault
from privacy.checkpoint import Checkpoint, sign_checkpoint
from privacy.clock import Clock
from privacy.errors import ReceiptInvalid, StoreBroken
from privacy.holds import Holds
from privacy.journal import IssuedReceipt, Journal
from privacy.policy import Policy
from privacy.receipts import ExpiredReceipt, verify_receipt
from privacy.records import RecordClass, Scope
from privacy.signing import SigningKey
from privacy.store import Disk, Store

SHOWN_RECEIPTS = 20


@dataclass(frozen=True, kw_only=True)
class House:
    """Implements `agent.api.contract.House`. Made by the composition root, which hands over each part."""

    gateway: str
    audience: str
    """Gateway and enrolment epoch, as receipts name it."""
    version: str
    ready_at: datetime
    clock: Clock
    disk: Disk
    follow: Callable[[], AsyncIterator[frozenset[contract.Section]]]
    devices: Devices
    neighbourhood: Neighbourhood
    cameras: Cameras
    recorder: Recorder
    uplink: Uplink
    journal: Journal
    key: SigningKey
    orders: LocalIssuer
    time: TimeWatch
    hold_desk: HoldDesk
    book: Holds
    people_desk: PeopleDesk
    people_changed: Callable[[], Awaitable[None]]
    """Who there is has changed: whoever is not what they were may not do any more what they did."""
    ways_in: Callable[[str], Awaitable[bool]]
    """Whether somebody has a way to sign in."""
    vault: Vault
    stores: Sequence[Store]
    policies: Mapping[RecordClass, Policy]
    problems: Callable[[], Mapping[str, str]]
    """The services there are, and why one is down, or nothing; kept by the composition root."""
    failures: Callable[[], int]

    def state(self) -> contract.State:
        return contract.State(
            gateway=self.gateway,
            version=self.version,
            ready_at=self.ready_at,
            time=self.time.view(),
            holds=self.hold_desk.view(),
            link=self.uplink.view(),
            services=self._services(),
            devices=self.devices.view(),
            found=self.neighbourhood.view(),
            cameras=self.cameras.view(),
            snapshots=self.cameras.snapshots(),
            receipts=self._receipts(),
            log=self.recorder.view(),
        )

    def section(self, section: contract.Section) -> object:
        makers: dict[contract.Section, Callable[[], object]] = {
            "time": self.time.view,
            "holds": self.hold_desk.view,
            "link": self.uplink.view,
            "services": self._services,
            "devices": self.devices.view,
            "found": self.neighbourhood.view,
            "cameras": self.cameras.view,
            "snapshots": self.cameras.snapshots,
            "receipts": self._receipts,
            "log": self.recorder.view,
        }
        return makers[section]()

    def changes(self) -> AsyncIterator[frozenset[contract.Section]]:
        return self.follow()

    async def command(self, device: str, body: contract.CommandBody, actor: str) -> contract.OutcomeView:
        return await self.devices.command(device, body, actor)

    async def adopt(self, found: str, body: contract.AdoptBody, actor: str) -> contract.DeviceView:
        return await self.neighbourhood.adopt(found, body, actor)

    async def remove(self, device: str, actor: str) -> None:
        await self.neighbourhood.remove(device, actor)

    async def taken(self, snapshot: str) -> tuple[str, datetime] | None:
        return await self.cameras.taken(snapshot)

    async def picture(self, snapshot: str, *, thumbnail: bool, actor: str) -> bytes | None:
        del actor  # who looked was noted before this was asked
        return await self.cameras.picture(snapshot, thumbnail=thumbnail)

    async def tag(self, snapshot: str, body: contract.TagBody, actor: str) -> contract.TagView:
        await self.cameras.tag(snapshot, body.subject, actor)
        return contract.TagView(snapshot=snapshot, subject=body.subject)

    async def claim(self, body: contract.ClaimBody, actor: str) -> contract.ClaimBody:
        if problem := body.problem(self.clock.now()):
            raise Refused("bad_range", problem, hint="say from when, and up to when")
        await self.cameras.claim(body, actor)  # who may accept claims makes it, and so accepts it
        return body

    async def erase(self, scope: Scope, actor: str) -> contract.EraseAnswer:
        del actor  # who ordered it was noted before this was asked; the order itself names nobody
        try:
            unknown = await self._unknown(scope)
        except StoreBroken:
            unknown = ()  # the order matters more than this; it meets what is wrong, too, and says so
        order = await self.orders.erase(scope)
        await self.people_changed()  # whom it reaches is signed out at once
        return contract.EraseAnswer(order=order, unknown=unknown)

    async def holds(self) -> tuple[contract.HoldView, ...]:
        return await self.hold_desk.history()

    async def hold(self, body: contract.HoldBody, actor: str) -> contract.HoldView:
        if unknown := await self._unknown(body.scope):
            places = dict.fromkeys(f"see `{where_to_look(name)}`" for name in unknown)
            raise Refused("nothing_kept", f"nothing is kept of {', '.join(unknown)}", hint=", ".join(places))
        return await self.hold_desk.place(body, actor)

    async def release(self, hold: str, actor: str) -> contract.HoldView:
        return await self.hold_desk.release(hold, actor)

    async def people(self) -> tuple[contract.PersonView, ...]:
        return await self.people_desk.all()

    async def add_person(self, body: contract.PersonBody, actor: str) -> contract.PersonView:
        person = await self.people_desk.add(body, actor)
        await self.people_changed()
        return person

    async def change_person(self, person: str, body: contract.PersonChange, actor: str) -> contract.PersonView:
        changed = await self.people_desk.change(person, body, actor)
        await self.people_changed()
        return changed

    async def remove_person(self, person: str, actor: str) -> None:
        await self.people_desk.remove(person, actor)
        await self.people_changed()

    async def can_sign_in(self, person: str) -> bool:
        return await self.ways_in(person)

    async def confirm_time(self, body: contract.TimeBody, actor: str) -> contract.TimeView:
        del actor  # as with `picture`
        return await self.time.confirm(body)

    async def inventory(self) -> tuple[contract.InventoryRow, ...]:
        return await self.disk.run(self._inventory)

    async def audit(self) -> tuple[contract.AuditEntry, ...]:
        return tuple(map(_audited, self.journal.history()))

    async def checkpoint(self) -> str:
        checkpoint = Checkpoint(iss=self.audience, at=self.clock.now(), log=self.journal.log_position())
        return sign_checkpoint(self.key, checkpoint)

    async def metrics(self) -> str:
        from agent.metrics import exposition  # noqa: PLC0415 - its library is loaded by the first who asks

        rows, losses = await self.inventory(), await self.disk.run(self.recorder.losses)
        return exposition(self.state(), rows, await self.audit(), losses, self.failures(), self.clock.now())

    async def _unknown(self, scope: Scope) -> tuple[str, ...]:
        cameras = {camera.id for camera in self.cameras.view()}
        devices = {device.id for device in self.devices.view()}
        return await self.disk.run(unknown_names, scope, cameras, devices, self.stores)

    def _inventory(self) -> tuple[contract.InventoryRow, ...]:
        """On the `Disk` thread. Receipts and journal are kept outside the stores, because no erasure reaches them."""
        return inventory(
            [
                of_vault(self.vault, self.cameras.limits(), self.cameras.hidden),
                *(of_store(store, self.book) for store in self.stores if store is not self.vault),
                of_journal(self.journal, self.book),
            ],
            self.policies,
            self.time.view().now,
        )

    def _services(self) -> tuple[contract.ServiceView, ...]:
        return tuple(contract.ServiceView(name=name, problem=problem) for name, problem in self.problems().items())

    def _receipts(self) -> tuple[contract.ReceiptView, ...]:
        return tuple(self._receipt(issued) for issued in list(self.journal.receipts())[-SHOWN_RECEIPTS:][::-1])

    def _receipt(self, issued: IssuedReceipt) -> contract.ReceiptView:
        try:
            lines, valid = verify_receipt(issued.jws, self.key.public_jwk()).stores, True
        except ReceiptInvalid:
            lines, valid = (), False
        return contract.ReceiptView(
            order=issued.order,
            issuer=issued.issuer,
            kind=issued.kind,
            at=issued.at,
            stores=tuple(
                contract.StoreReport(
                    store=s.store,
                    found=s.found,
                    erased=s.erased,
                    left=s.left,
                    tier=s.tier.value,
                    by=s.by,
                    exemptions=tuple(
                        contract.ExemptionView(reason=e.reason, count=e.count, due=e.due) for e in s.exemptions
                    ),
                )
                for s in lines
            ),
            jws=issued.jws,
            signature_valid=valid,
            acknowledged=issued.acknowledged,
        )


def _audited(one: IssuedReceipt | ExpiredReceipt) -> contract.AuditEntry:
    if isinstance(one, ExpiredReceipt):
        return contract.AuditEntry(kind="expired", leaf=one.leaf.hex())
    return contract.AuditEntry(
        order=one.order, issuer=one.issuer, kind=one.kind, at=one.at, jws=one.jws, acknowledged=one.acknowledged
    )
