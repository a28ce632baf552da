"""`backend serve`: answers gateways. One connection's worth of work; the supervisor calls it again."""

import logging
from collections.abc import Callable
from typing import Literal

import msgspec

from agent.backend.state import GatewayState, OrderRecord, State, public_jwk
from agent.cloud import topics
from agent.cloud.messages import Hello, HelloAck, LogAck, LogBatch, ReceiptAck, Refusal, decode
from agent.cloud.mqtt import Connection, Message, Settings, connect
from agent.cloud.topics import Topics
from agent.errors import Refused
from privacy.clock import Clock
from privacy.errors import ReceiptInvalid
from privacy.orders import UuidV7
from privacy.receipts import Receipt, verify_receipt
from privacy.seal import sha256_hex
from privacy.store import Disk

log = logging.getLogger(__name__)

ACK_EXPIRY_SECONDS = 300
"""A gateway that missed it sends again, and is acknowledged again."""
LARGEST_PACKET = 4 * 1024 * 1024
"""Log batches are the largest that comes."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, as one JSON line."""

    event: Literal["ready", "hello", "receipt", "log", "refusal", "invalid"]
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
    detail: str = ""


class Backend:
    """Serves the gateways at one broker.

    Args:
        report: told of each event, once what it says is on disk.
    """

    def __init__(
        self, settings: Settings, state: State, *, clock: Clock, disk: Disk, report: Callable[[Event], None]
    ) -> None:
        self._settings = settings
        self._state = state
        self._clock = clock
        self._disk = disk
        self._report = report

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
        first = await self._disk.run(keeper.greet, hello, self._clock.now())
        audience = f"{keeper.id}/{hello.epoch}"
        again = [
            order
            for order in await self._disk.run(keeper.pending)
            if order.audience == audience and order.expires > self._clock.now()
        ]
        for order in again:
            await send(connection, order, self._clock)
        await self._answer(connection, keeper, topics.HELLO_ACK, HelloAck(sha256=sha256_hex(payload)))
        self._report(Event(event="hello", gateway=keeper.id, epoch=hello.epoch, first=first, resent=len(again)))

    async def _take_receipt(self, connection: Connection, keeper: GatewayState, payload: bytes) -> None:
        jws = payload.decode()
        _, issuer = await self._disk.run(self._state.issuer)
        receipt = await self._disk.run(verified, keeper, jws, issuer)
        reference = receipt.order
        new = await self._disk.run(keeper.add_receipt, reference.id, receipt.kind, jws)
        ack = ReceiptAck(order=reference.id, kind=receipt.kind)
        await self._answer(connection, keeper, topics.RECEIPT_ACK, ack)
        self._report(
            Event(
                event="receipt",
                gateway=keeper.id,
                order=reference.id,
                kind=receipt.kind,
                complete=receipt.complete,
                duplicate=not new,
            )
        )

    async def _take_lines(self, connection: Connection, keeper: GatewayState, batch: LogBatch) -> None:
        new = await self._disk.run(keeper.add_lines, batch)
        await self._answer(connection, keeper, topics.LOG_ACK, LogAck(id=batch.id))
        self._report(Event(event="log", gateway=keeper.id, batch=batch.id, lines=len(batch.lines), duplicate=not new))

    async def _note_refusal(self, keeper: GatewayState, refusal: Refusal) -> None:
        orders = await self._disk.run(keeper.orders)
        order = next((order.id for order in orders if order.sha256 == refusal.sha256), "")
        self._report(Event(event="refusal", gateway=keeper.id, order=order, sha256=refusal.sha256, detail=refusal.code))

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


def verified(keeper: GatewayState, jws: str, issuer: str) -> Receipt:
    """Check a receipt: signed with this gateway's pinned key, about this gateway, and about the order as it was sent.

    A receipt for an order of another issuer than `issuer`, us, is checked as far as it can be: the owner's own wipe.

    Raises:
        ReceiptInvalid: it proves nothing.
    """
    key = keeper.receipt_key()
    if key is None:
        raise ReceiptInvalid("a receipt of a gateway that has not said hello")
    receipt = verify_receipt(jws, public_jwk(key))
    gateway, _, _ = receipt.iss.rpartition("/")
    if gateway != keeper.id:
        raise ReceiptInvalid("a receipt in another gateway's name")
    try:
        msgspec.convert(receipt.order.id, UuidV7)
    except msgspec.ValidationError as error:
        raise ReceiptInvalid("a receipt about something that is no order id") from error
    order = keeper.order(receipt.order.id)
    if order is None and receipt.order.issuer == issuer:
        raise ReceiptInvalid(f"a receipt about order {receipt.order.id}, which was never issued here")
    if order is not None and (order.sha256, order.audience) != (receipt.order.sha256, receipt.iss):
        raise ReceiptInvalid(f"this receipt is about another text of order {order.id} than the one that was sent")
    return receipt


def _sender(message: Message) -> str:
    try:
        return topics.parse(message.topic)[0]
    except ValueError:
        return ""
