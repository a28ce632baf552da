"""The composition root: makes every part once, and hands each what it needs.

A table of contents of the running agent: what runs for long is started in `_Agent._start`, and nowhere else.
"""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from agent import config as configuration
from agent import sd_notify, sources
from agent.api.server import OnLan, serve
from agent.cameras import Cameras
from agent.changes import Changes
from agent.cloud.link import CloudLink
from agent.cloud.mqtt import Settings
from agent.cloud.orders import OrderDesk
from agent.config.model import Config
from agent.consent.gates import Gates
from agent.devices import Devices
from agent.doorway import Doorway
from agent.errors import AgentError, ConfigInvalid, LinkDown
from agent.hold_desk import HoldDesk
from agent.house import House
from agent.journal_expiry import keep_limit, limit_of
from agent.lan.lan import Lan, open_authority
from agent.lan.listener import Listener
from agent.local_orders import LocalIssuer
from agent.memory import keep_off_the_disk
from agent.neighbourhood import Neighbourhood
from agent.processing.record import running
from agent.recorder import Recorder
from agent.service_watch import ServiceWatch
from agent.storage import Storage, open_storage
from agent.supervisor import Bug, Service, Supervisor
from agent.threads import Unwaited
from agent.timewatch import BelievedClock, OrderClock, TimeWatch
from agent.uplink import Uplink
from camera.decoder import Decoder
from camera.http_snapshot import open_session
from drivers.errors import LinkLost
from privacy import entries
from privacy.clock import Clock, SystemClock
from privacy.erasure import Eraser
from privacy.errors import PrivacyError, StoreBroken
from privacy.hold import Role
from privacy.orders import PurgeOrder
from privacy.receipts import Kind, Receipt
from privacy.records import Item, RecordClass, Scope
from privacy.store import Disk

log = logging.getLogger("portvakt")

OK, NO, BAD_INPUT, BUG = 0, 1, 2, 70


def run(config_path: Path) -> int:
    """Run the agent until SIGTERM or SIGINT; returns the exit code. The last line on stderr says why it ended."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    keep_off_the_disk()
    try:
        config = configuration.load(config_path)
        clock = SystemClock()
        asyncio.run(_Agent(config, open_storage(config, clock), clock).run())
    except ConfigInvalid as error:
        return _ended(BAD_INPUT, str(error))
    except (AgentError, PrivacyError) as error:
        return _ended(NO, str(error))
    except Bug as bug:
        log.critical("the state when it happened", exc_info=bug.__cause__)
        return _ended(BUG, f"ended by a bug in {bug}; please report it")
    return OK


def _ended(code: int, why: str) -> int:
    print(f"portvakt: {why}", file=sys.stderr)  # noqa: T201 - the last word of the program
    return code


class _Agent:
    """Everything that runs, made once. `run` brings it up in the order in which the parts need each other."""

    def __init__(self, config: Config, storage: Storage, clock: Clock) -> None:
        self._config = config
        self._storage = storage
        # A wall clock that is behind must keep nothing out of the reach of an order.
        self._order_clock = OrderClock(storage.time, clock, storage.newest)
        self._clock = clock = BelievedClock(storage.time, clock)
        self._version = version("portvakt")
        self._audience = f"{config.gateway.id}/{config.gateway.epoch}"
        self._disk = Disk()
        self._changes = Changes()
        self._record = self._recorder = Recorder(
            registry_file=config.household.registry_file,
            day_keys=storage.day_keys,
            change=storage.ring.change,
            operation_log=storage.operation_log,
            spool=storage.spool,
            barrier=storage.barrier,
            held=self._held,
            disk=self._disk,
            clock=clock,
            changes=self._changes,
        )
        self._watch = ServiceWatch(
            running=lambda: self._supervisor,
            tell=self._tell,
            changes=self._changes,
            clock=clock,
            record=self._record,
        )
        self._supervisor = Supervisor(watcher=self._watch)
        self._devices = Devices(self._supervisor, self._changes, clock, self._record, storage.keys.random_bytes)
        self._neighbourhood = Neighbourhood(
            interfaces=config.discovery.interfaces,
            register=storage.register,
            disk=self._disk,
            devices=self._devices,
            supervisor=self._supervisor,
            changes=self._changes,
            clock=clock,
            record=self._record,
        )
        self._eraser = Eraser(
            stores=storage.stores,
            journal=storage.journal,
            key=storage.receipt_key,
            issuer=self._audience,
            software=self._version,
            barrier=storage.barrier,
            disk=self._disk,
            clock=self._order_clock,
            prepare=self._prepare,
            observe=self._receipt_made,
            change=storage.ring.change,
            besides=self._forget_pseudonyms,
            time_known=lambda: storage.time.known,
        )
        self._holds = HoldDesk(
            holds=storage.holds,
            limit=storage.policies[RecordClass.ACTIVITY].limit,
            disk=self._disk,
            clock=clock,
            changes=self._changes,
            record=self._record,
            look_again=self._look_again,
            on_end=self._eraser.wake,
            role_of=self._role_of,
        )
        self._time = TimeWatch(
            time=storage.time,
            disk=self._disk,
            clock=clock,
            changes=self._changes,
            record=self._record,
            on_known=self._date_anew,
            hidden=lambda: self._watched.hidden,
            look_again=self._look_again,
        )
        desk = OrderDesk(
            audience=self._audience,
            trust=sources.trust(config),
            clock=clock,
            admit=self._admit,
            known=storage.journal.known,
            refused=lambda code, sha256: self._record(entries.OrderRefused(at=clock.now(), code=code, detail=sha256)),
        )
        self._uplink = Uplink(
            gateway=config.gateway.id,
            epoch=config.gateway.epoch,
            software=self._version,
            key=storage.receipt_key,
            desk=desk,
            configured=config.cloud is not None,
            journal=storage.journal,
            recorder=self._recorder,
            disk=self._disk,
            clock=clock,
            changes=self._changes,
            record=self._record,
        )
        self._link = self._cloud_link()
        self._orders = LocalIssuer(
            key=storage.local_key,
            audience=self._audience,
            journal=storage.journal,
            eraser=self._eraser,
            clock=self._order_clock,
            random_bytes=storage.keys.random_bytes,
        )
        self._gates = Gates(storage.policies)
        self._lan = self._on_lan()
        self._page = ""
        """The address of the page on this machine, once it is served."""
        self._doorway = Doorway(
            gateway=config.gateway.id,
            audience=self._audience,
            storage=storage,
            cameras=sources.cameras(config),
            gates=self._gates,
            lan=self._lan,
            address=lambda: self._lan.url if self._lan else self._page,
            runs=running(config, self._version, storage.ring.tier, storage.policies),
            erase=self._orders.erase,
            hold=self._holds.place,
            version=self._version,
            supervisor=self._supervisor,
            disk=self._disk,
            clock=clock,
            record=self._record,
        )

    async def run(self) -> None:
        """Everything, until a signal.

        Raises:
            ConfigInvalid: the page's port is in use, and its like.
            Bug: a service had one.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Unwaited())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with AsyncExitStack() as stack:
            stack.callback(self._disk.close)
            stack.callback(self._doorway.close)
            if self._lan:
                stack.callback(self._lan.close)
            stack.push_async_callback(self._close_vault)
            self._record(entries.AgentStarted(at=self._clock.now(), version=self._version))
            cameras = await self._cameras(stack)
            await self._finish_orders()
            await self._doorway.open()
            house = self._house(cameras)
            config, door = self._config.api, self._doorway.door(cameras.ids, house.inventory)
            address = await stack.enter_async_context(
                serve(
                    house, clock=self._clock, door=door, port=config.port, socket_path=config.socket, lan=self._phones()
                )
            )
            self._page = address.replace("127.0.0.1", "localhost")  # passkeys want a name
            await self._start(cameras)
            # What is there now stays: it need not be walked again while something is erased.
            gc.collect()
            gc.freeze()
            log.info("ready: %s", address)
            sd_notify.ready(f"the page is at {address}")
            try:
                await self._supervisor.run_until(stop)
            finally:
                sd_notify.stopping()
                self._record(entries.AgentStopping(at=self._clock.now()))
                await self._flush()

    async def _flush(self) -> None:
        """Write the last entries; a medium that refuses must not hide why we end."""
        try:
            await self._recorder.flush()
        except StoreBroken as error:
            log.error("the last log entries are lost: %s", error)  # noqa: TRY400 - a line says it all

    async def _close_vault(self) -> None:
        """Make the last pictures durable, once nobody can ask for one any more; likewise."""
        try:
            await self._disk.run(self._storage.vault.close)
        except StoreBroken as error:
            log.error("the last pictures may be lost: %s", error)  # noqa: TRY400 - a line says it all

    async def _finish_orders(self) -> None:
        """What was ordered before the last end is done before anybody is served, if the medium lets us.

        If it does not, the barrier keeps what is in scope from being shown, and the erasure service tries again.
        """
        try:
            await self._eraser.finish()
        except StoreBroken as error:
            log.error("an erasure could not be finished yet: %s", error)  # noqa: TRY400 - a line says it all

    async def _cameras(self, stack: AsyncExitStack) -> Cameras:
        self._watched = Cameras(
            cameras=sources.cameras(self._config),
            vault=self._storage.vault,
            time=self._storage.time,
            disk=self._disk,
            decoder=await stack.enter_async_context(Decoder()),
            session=await stack.enter_async_context(open_session()),
            clock=self._clock,
            changes=self._changes,
            record=self._record,
            gates=self._gates,
        )
        return self._watched

    async def _start(self, cameras: Cameras) -> None:
        """The long-running tasks, all of them (a loop for each camera and each line comes with theirs)."""
        start = self._supervisor.start
        start(Service("operation log", self._recorder.run, (StoreBroken,)))
        start(Service("log expiry", self._recorder.keep_limit, (StoreBroken,)))
        start(Service("journal expiry", self._keep_journal_limit, (StoreBroken,)))
        start(Service("erasure", self._eraser.run, (StoreBroken,)))
        start(Service("time", self._time.run, (StoreBroken,)))
        start(Service("holds", self._holds.run, (StoreBroken,)))
        self._doorway.start(self._supervisor)
        if self._lan:
            start(Service("lan certificate", self._lan.renew, (StoreBroken,)))
            start(Service("lan name", self._lan.advertise, (LinkLost, StoreBroken)))
        cameras.start(self._supervisor)
        for line in sources.lines(self._config):
            self._devices.add_line(line)
        await self._neighbourhood.start()
        if self._link:
            start(Service("cloud", self._link.run, (LinkDown,)))
        if seconds := sd_notify.watchdog_seconds():
            start(Service("watchdog", lambda: sd_notify.keep_watchdog(seconds)))

    async def _keep_journal_limit(self) -> None:
        storage = self._storage

        def gone(receipts: int) -> None:
            log.info("%d receipts have reached their limit; their places in the log still count", receipts)
            self._changes.mark("receipts")

        await keep_limit(storage.journal, storage.time, limit_of(storage.policies), self._disk, gone)

    def _on_lan(self) -> Lan | None:
        if self._config.lan is None:
            return None
        storage = self._storage
        authority = open_authority(self._config.gateway.state_dir, storage.keys, storage.time)
        return Lan(self._config.lan, authority, self._disk, storage.keys.random_bytes)

    def _phones(self) -> OnLan | None:
        """Where phones reach the page, if they are to."""
        lan = self._lan
        if lan is None:
            return None

        def serve_there(runner: web.AppRunner) -> None:
            self._supervisor.start(Service("lan page", Listener(lan, runner).run))

        return OnLan(lan, serve_there)

    def _cloud_link(self) -> CloudLink | None:
        cloud = self._config.cloud
        if cloud is None:
            return None
        settings = Settings(host=cloud.host, port=cloud.port, client_id=self._config.gateway.id, tls=cloud.tls)
        link = CloudLink(settings, self._uplink, clock=self._clock, observe=self._uplink.standing)
        self._recorder.on_spooled = link.log_written
        return link

    def _house(self, cameras: Cameras) -> House:
        return House(
            gateway=self._config.gateway.id,
            audience=self._audience,
            version=self._version,
            ready_at=self._clock.now(),
            clock=self._clock,
            disk=self._disk,
            follow=self._changes.follow,
            devices=self._devices,
            neighbourhood=self._neighbourhood,
            cameras=cameras,
            recorder=self._recorder,
            uplink=self._uplink,
            journal=self._storage.journal,
            key=self._storage.receipt_key,
            orders=self._orders,
            time=self._time,
            hold_desk=self._holds,
            book=self._storage.holds,
            people_desk=self._doorway.people,
            people_changed=self._doorway.look_again,
            ways_in=self._doorway.can_sign_in,
            vault=self._storage.vault,
            stores=self._storage.stores,
            policies=self._storage.policies,
            problems=self._watch.problems,
            failures=lambda: self._watch.failures,
        )

    def _forget_pseudonyms(self, scope: Scope) -> None:
        """Whoever wants everything gone wants nobody to be able to say whom an uploaded line meant."""
        if scope == Scope(everything=True):  # fields narrow each other: with a person in it, it is that person's
            self._storage.day_keys.forget()

    def _date_anew(self) -> None:
        """The time has become known. On the `Disk` thread."""
        self._storage.date_anew()
        self._doorway.refresh()

    def _role_of(self, person: str) -> Role | None:
        return self._doorway.role_of(person)

    def _held(self, item: Item) -> bool:
        return self._holds.keeps(item)

    def _look_again(self) -> None:
        """What may be shown of the pictures has changed."""
        self._watched.store_changed()

    async def _prepare(self, scope: Scope, reach: datetime) -> None:
        """Before anything is erased: set free what is paired, and collect no more of whom it takes."""
        await self._neighbourhood.release(scope, reach)
        await self._doorway.prepare()

    async def _admit(self, order: PurgeOrder) -> bool:
        """As `Eraser.admit`; and whoever signed the order is a witness of the time."""
        new = await self._eraser.admit(order)
        await self._time.signed(order.issued)
        await self._doorway.look_again()  # whom it reaches is signed out at once
        return new

    async def _receipt_made(self, order: PurgeOrder, kind: Kind, receipt: Receipt) -> None:
        """A receipt is in the journal: tell everybody who shows or sends something that has changed."""
        now = self._clock.now()
        for line in receipt.stores:
            if kind == "erased":
                self._record(
                    entries.StoreErased(at=now, store=line.store, found=line.found, erased=line.erased, left=line.left)
                )
        self._record(entries.ReceiptMade(at=now, order=order.id, kind=kind))
        self._changes.mark("receipts")
        self._recorder.forget(order.scope, order.reaches_to(self._order_clock.now()))
        self._look_again()
        await self._doorway.look_again()
        await self._neighbourhood.reconcile()
        if self._link:
            self._link.receipt_issued()

    def _tell(self, kind: str, what: str, problem: str) -> None:
        """A service is down: tell the part that shows it."""
        match kind:
            case "line":
                self._devices.line_problem(what, problem)
            case "camera":
                self._watched.problem(what, problem)
            case "cloud":
                self._uplink.problem(problem)
