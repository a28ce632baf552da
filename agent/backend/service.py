"""`backend serve`: answers gateways. One connection's worth of work; the supervisor calls it again."""

from collections.abc import Callable
from typing import Literal

import msgspec

from agent.backend.ledger import Ledger, Raised
from agent.backend.state import GatewayState, OrderRecord, State
from agent.cloud import topics
from agent.cloud.allowance import Allowance
from agent.cloud.messages import Hello, HelloAck, LogAck, LogBatch, ReceiptAck, Refusal, decode
from agent.cloud.mqtt import Connection, Message, Settings, connect
from agent.cloud.topics import Topics
from agent.errors import Refused
from privacy.clock import Clock
from privacy.errors import ReceiptInvalid
from privacy.seal import sha256_hex
from privacy.store import Disk

ACK_EXPIRY_SECONDS = 300
"""A gateway that missed it sends again, and is acknowledged again."""
LARGEST_PACKET = 4 * 1024 * 1024
"""Log batches are the largest that comes."""
UNKNOWN_SECONDS = 3600.0
"""A gateway that nobody declared is reported this often."""
MOST_UNKNOWN = 1000
"""Names that are remembered for that."""
UNKNOWN_AT_ONCE, SECONDS_PER_UNKNOWN = 20, 6.0
"""And whatever names they give themselves, no more than these are reported."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, as one JSON line."""

    event: Literal["ready", "hello", "receipt", "log", "refusal", "invalid", "alarm", "lost", "unknown"]
    """`alarm`: a gateway contradicts what it said of its log, `code` says how. `lost`: receipts that were acknowledged
    are not here any more. `unknown`: a gateway that was never enrolled here."""
    gateway: str = ""
    order: str = ""
    kind: str = ""
    complete: bool | None = None
    sha256: str = ""
    batch: str = ""
    lines: int | None = None
    duplicate: bool = False
    first: bool = False
    """Of a hello: the receipt key was pinned on trust in this first use."""
    epoch: int | None = None
    resent: int | None = None
    missing: int | None = None
    """Of a hello: how many receipts there must be that are not here yet."""
    code: str = ""
    detail: str = ""


class Backend:
    """Serves the gateways at one broker.

    Args:
        report: told of each event, once what it says is on disk.
        accept_new: enrol whichever gateway comes, with epoch 1; otherwise nothing is kept of one that was not declared.
    """

    def __init__(  # noqa: PLR0913 - each part by name
        self,
        settings: Settings,
        state: State,
        *,
        clock: Clock,
        disk: Disk,
        report: Callable[[Event], None],
        accept_new: bool = False,
    ) -> None:
        self._settings = settings
        self._state = state
        self._ledger = Ledger(state, clock)
        self._clock = clock
        self._disk = disk
        self._report = report
        self._accept_new = accept_new
        self._unknown: dict[str, float] = {}
        self._reports = Allowance(clock, at_once=UNKNOWN_AT_ONCE, seconds=SECONDS_PER_UNKNOWN)

    async def run(self) -> None:
        """Serve one connection.

        Raises:
            LinkDown: it could not be made, or is lost; call again.
            StoreBroken: the folder could not be written; what came is not acknowledged, and comes again.
        """
        async with connect(self._settings) as connection:
            await connection.subscribe([topics.of_any_gateway(channel) for channel in topics.UP])
            self._report(Event(event="ready"))
            async for message in connection.messages():
                try:
                    await self._handle(connection, message)
                except (ValueError, ReceiptInvalid, Refused) as error:
                    self._report(Event(event="invalid", gateway=_sender(message), detail=str(error)))
                message.acknowledge()

    async def _handle(self, connection: Connection, message: Message) -> None:
        gateway, channel = topics.parse(message.topic)
        keeper = self._state.gateway(gateway)
        if not await self._disk.run(self._declared, keeper):
            self._turn_away(keeper.id)
            return
        if message.retained:
            raise ValueError(f"a retained message on {channel}")
        match channel:
            case topics.HELLO:
                await self._greet(connection, keeper, message.payload)
            case topics.RECEIPT:
                await self._take_receipt(connection, keeper, message.payload)
            case topics.LOG:
                await self._take_lines(connection, keeper, decode(message.payload, LogBatch))
            case topics.REFUSAL:
                await self._note_refusal(keeper, decode(message.payload, Refusal))

    async def _greet(self, connection: Connection, keeper: GatewayState, payload: bytes) -> None:
        hello = decode(payload, Hello)
        if hello.gateway != keeper.id:
            raise ValueError("a hello in another gateway's name")
        greeting = await self._disk.run(self._ledger.greet, keeper, hello)
        audience = f"{keeper.id}/{hello.epoch}"
        again = [
            order
            for order in await self._disk.run(keeper.pending)
            if order.audience == audience and order.expires > self._clock.now()
        ]
        # Whatever is the matter with its log: late deletion beats none.
        for order in again:
            await send(connection, order, self._clock)
        self._report(
            Event(
                event="hello",
                gateway=keeper.id,
                epoch=hello.epoch,
                first=greeting.first,
                resent=len(again),
                missing=greeting.missing or None,
            )
        )
        if greeting.lost:
            detail = f"{greeting.lost} receipts that were acknowledged are not here any more; asking for them again"
            self._report(Event(event="lost", gateway=keeper.id, missing=greeting.lost, detail=detail))
        if greeting.alarm:
            self._report_alarm(keeper, greeting.alarm)
            return
        ack = HelloAck(sha256=sha256_hex(payload), lacking=greeting.lacking)
        await self._answer(connection, keeper, topics.HELLO_ACK, ack)

    async def _take_receipt(self, connection: Connection, keeper: GatewayState, payload: bytes) -> None:
        taken = await self._disk.run(self._ledger.take, keeper, payload.decode())
        if taken.alarm:
            self._report_alarm(keeper, taken.alarm)
            return
        order, kind = taken.receipt.order.id, taken.receipt.kind
        await self._answer(connection, keeper, topics.RECEIPT_ACK, ReceiptAck(order=order, kind=kind))
        complete, duplicate = taken.receipt.complete, not taken.new
        self._report(
            Event(event="receipt", gateway=keeper.id, order=order, kind=kind, complete=complete, duplicate=duplicate)
        )

    async def _take_lines(self, connection: Connection, keeper: GatewayState, batch: LogBatch) -> None:
        new = await self._disk.run(keeper.add_lines, batch)
        await self._answer(connection, keeper, topics.LOG_ACK, LogAck(id=batch.id))
        self._report(Event(event="log", gateway=keeper.id, batch=batch.id, lines=len(batch.lines), duplicate=not new))

    async def _note_refusal(self, keeper: GatewayState, refusal: Refusal) -> None:
        orders = await self._disk.run(keeper.orders)
        order = next((order.id for order in orders if order.sha256 == refusal.sha256), "")
        self._report(Event(event="refusal", gateway=keeper.id, order=order, sha256=refusal.sha256, detail=refusal.code))

    def _report_alarm(self, keeper: GatewayState, raised: Raised) -> None:
        alarm = raised.alarm
        self._report(
            Event(
                event="alarm",
                gateway=keeper.id,
                order=alarm.order,
                kind=alarm.kind,
                code=alarm.code,
                duplicate=not raised.new,
                detail=alarm.detail,
            )
        )

    def _declared(self, keeper: GatewayState) -> bool:
        if keeper.enrolment() is None and self._accept_new:
            keeper.enroll(1, None)
        return keeper.enrolment() is not None

    def _turn_away(self, gateway: str) -> None:
        now = self._clock.monotonic()
        last = self._unknown.get(gateway)
        if (last is not None and now - last < UNKNOWN_SECONDS) or not self._reports.take():
            return
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[gateway] = now
        detail = f"never enrolled here; if it is yours: portvakt backend enroll --gateway {gateway}"
        self._report(Event(event="unknown", gateway=gateway, detail=detail))

    async def _answer(
        self, connection: Connection, keeper: GatewayState, channel: str, answer: HelloAck | ReceiptAck | LogAck
    ) -> None:
        payload = msgspec.json.encode(answer)
        await connection.publish(Topics(keeper.id).of(channel), payload, expiry_seconds=ACK_EXPIRY_SECONDS)


async def send(connection: Connection, order: OrderRecord, clock: Clock) -> None:
    """Publish an order; the broker drops it when the order itself expires."""
    gateway, _, _ = order.audience.rpartition("/")
    left = max(1, int((order.expires - clock.now()).total_seconds()))
    await connection.publish(Topics(gateway).of(topics.ORDER), order.jws.encode(), expiry_seconds=left)


def _sender(message: Message) -> str:
    try:
        return topics.parse(message.topic)[0]
    except ValueError:
        return ""
