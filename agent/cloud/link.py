"""The cloud link: one connection's worth of work. It never reconnects by itself; the supervisor calls it again.

    hello ──► broker ─► backend ─► hello/ack: until then it is said again; what it lacks is sent again
    order ──► handler.order (verified, journaled) ──► PUBACK
    receipt ─► broker ─► backend ─► receipt/ack ─► handler.receipt_acknowledged: until then it is sent again
    log ────► broker ─► backend ─► log/ack ─────► handler.batch_acknowledged:  until then the same batch again

The broker is never trusted to keep a queue. On connecting we say `hello`, and everything that the application at the
other end has not acknowledged goes out again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import msgspec

from agent.cloud import topics
from agent.cloud.messages import Hello, HelloAck, LogAck, LogBatch, ReceiptAck, Refusal, decode
from agent.cloud.mqtt import Connection, Message, Publication, Settings, connect
from agent.cloud.orders import Admitted, Refused
from agent.cloud.reasons import order_refused
from agent.cloud.topics import Topics
from agent.errors import LinkDown
from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.journal import IssuedReceipt
from privacy.receipts import Kind
from privacy.redaction.line import RedactedLine
from privacy.seal import sha256_hex

log = logging.getLogger(__name__)

T = TypeVar("T", HelloAck, ReceiptAck, LogAck)

RESEND_SECONDS = 30.0
"""After this long without the application's acknowledgement, a receipt or batch goes out again."""
HELLO_AGAIN_SECONDS = 1.0
"""A hello that nobody acknowledges is said again after this long at first: after the broker's restart we may be back
before the backend is, and then what we say reaches nobody."""
HELLO_SECONDS = 3600.0
"""`hello` is said again this long after it was acknowledged, for a backend that has lost its memory."""
REFUSAL_EXPIRY_SECONDS = 7 * 86_400
GOODBYE_SECONDS = 1.0


class SpooledBatch(Protocol):
    """Lines that wait in the spool; `privacy.spool.Batch` is one."""

    @property
    def id(self) -> str: ...

    @property
    def lines(self) -> Sequence[RedactedLine]: ...


class CloudHandler(Protocol):
    """What the link asks of the gateway. Every method may raise StoreBroken: then the link drops, and tries again."""

    async def hello(self) -> Hello:
        """Who we are and how far we have come, now."""

    async def order(self, payload: bytes, *, retained: bool) -> Admitted | Refused:
        """Verify and journal (`OrderDesk.take`). The broker gets its acknowledgement when this has returned."""

    async def receipts_due(self) -> Sequence[IssuedReceipt]:
        """Every receipt that the backend has not acknowledged, oldest first."""

    async def receipts_of(self, order: str) -> Sequence[IssuedReceipt]:
        """Every receipt of this order, acknowledged or not; it came again, so somebody misses them."""

    async def receipts_at(self, positions: Collection[int]) -> Sequence[IssuedReceipt]:
        """The receipts at these places of the log, counted from 0, as far as there are any."""

    async def receipt_acknowledged(self, order: str, kind: Kind) -> None:
        """The backend has this receipt. Unknown ones are ignored."""

    async def next_batch(self) -> SpooledBatch | None:
        """The oldest lines that the backend has not acknowledged: the same batch until it has."""

    async def batch_acknowledged(self, batch: str) -> None:
        """The backend has this batch; it may go. Unknown ones are ignored."""


class CloudLink:
    """A service for the supervisor: `Service("cloud", link.run, (LinkDown,))`.

    Args:
        settings: the broker; `client_id` is the gateway's id, and its branch of the topics.
        handler: the gateway.
        clock: for the resend intervals.
        observe: told True when the link is up, False when it no longer is.
        resend_seconds: see `RESEND_SECONDS`.
    """

    def __init__(
        self,
        settings: Settings,
        handler: CloudHandler,
        *,
        clock: Clock,
        observe: Callable[[bool], None] = lambda _up: None,
        resend_seconds: float = RESEND_SECONDS,
    ) -> None:
        self._topics = Topics(settings.client_id)
        self._settings = replace(settings, will=Publication(self._topics.of(topics.STATUS), topics.OFFLINE))
        self._handler = handler
        self._clock = clock
        self._observe = observe
        self._resend = resend_seconds
        # Whoever misses our answer gets it again, so an old copy need not wait for them at the broker.
        self._expiry = max(1, round(2 * resend_seconds))
        self._said = ""  # SHA-256 of the hello that wants an acknowledgement
        self._said_at = 0.0
        self._heard_since = 0.0  # what went out before this (monotonic) time may have reached nobody
        self._greeted = asyncio.Event()
        self._receipts = asyncio.Event()
        self._lines = asyncio.Event()
        self._asked_again: set[str] = set()
        self._lacking: set[int] = set()

    def receipt_issued(self) -> None:
        """A receipt is due: it goes out at once. Call on the event loop."""
        self._receipts.set()

    def log_written(self) -> None:
        """Lines are in the spool: they go out at once. Call on the event loop."""
        self._lines.set()

    async def run(self) -> None:
        """Serve one connection.

        Raises:
            LinkDown: it could not be made or is lost, or the gateway could not store; call again after a while.
        """
        try:
            async with connect(self._settings) as connection:
                await self._serve(connection)
        except* (LinkDown, StoreBroken) as failed:
            problem = failed.exceptions[0]
            while isinstance(problem, BaseExceptionGroup):
                problem = problem.exceptions[0]
        # Raised here and not above, where it would come out inside a group.
        if isinstance(problem, StoreBroken):
            raise LinkDown(f"the link rests, because the gateway cannot store: {problem}") from problem
        raise problem

    async def _serve(self, connection: Connection) -> None:
        # Subscribed before `hello` is out, or the answer to it could pass us by.
        await connection.subscribe(self._topics.down)
        await self._say_hello(connection)
        await connection.publish(self._topics.of(topics.STATUS), topics.ONLINE, retain=True)
        log.info("cloud: connected; the broker %s our session", "kept" if connection.resumed else "did not have")
        self._observe(True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._send_receipts(connection))
                group.create_task(self._send_lines(connection))
                group.create_task(self._repeat_hello(connection))
        finally:
            self._observe(False)
            # An orderly goodbye does not trigger the last will.
            with contextlib.suppress(LinkDown, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await connection.publish(self._topics.of(topics.STATUS), topics.OFFLINE, retain=True)

    async def _say_hello(self, connection: Connection) -> None:
        payload = msgspec.json.encode(await self._handler.hello())
        self._said, self._said_at = sha256_hex(payload), self._clock.monotonic()
        self._greeted.clear()
        await connection.publish(self._topics.of(topics.HELLO), payload, expiry_seconds=round(HELLO_SECONDS))

    async def _repeat_hello(self, connection: Connection) -> None:
        """With ever longer pauses until the application has heard it: a backend may come later than we."""
        first = min(HELLO_AGAIN_SECONDS, self._resend)
        pause = first
        while True:
            await _woken(self._greeted, pause)
            if self._greeted.is_set():
                await asyncio.sleep(HELLO_SECONDS)
                pause = first
            else:
                pause = min(2 * pause, HELLO_SECONDS)
            await self._say_hello(connection)

    async def _receive(self, connection: Connection) -> None:
        """One after the other, so that acknowledgements keep the order of arrival."""
        async for message in connection.messages():
            match message.topic.removeprefix(self._topics.of("")):
                case topics.ORDER:
                    await self._take_order(connection, message)
                case topics.HELLO_ACK if heard := _decoded(message, HelloAck):
                    # Once a hello: whoever repeats the answer does not make us send the receipts again.
                    if heard.sha256 == self._said and not self._greeted.is_set():
                        self._greeted.set()
                        self._heard_since = self._said_at
                        self._lacking.update(heard.lacking)
                        self._receipts.set()
                        self._lines.set()
                case topics.RECEIPT_ACK if ack := _decoded(message, ReceiptAck):
                    await self._handler.receipt_acknowledged(ack.order, ack.kind)
                    self._receipts.set()
                case topics.LOG_ACK if batch := _decoded(message, LogAck):
                    await self._handler.batch_acknowledged(batch.id)
                    self._lines.set()
            # Also what makes no sense: it would make no more the next time.
            message.acknowledge()

    async def _take_order(self, connection: Connection, message: Message) -> None:
        match await self._handler.order(message.payload, retained=message.retained):
            case Admitted(order, new=False):
                self._asked_again.add(order)
                self._receipts.set()
            case Refused(code, sha256, report=True):
                log.warning("cloud: refused an order: %s", order_refused(code))
                payload = msgspec.json.encode(Refusal(sha256=sha256, code=code))
                await connection.publish(
                    self._topics.of(topics.REFUSAL), payload, expiry_seconds=REFUSAL_EXPIRY_SECONDS
                )

    async def _send_receipts(self, connection: Connection) -> None:
        sent: dict[tuple[str, Kind], float] = {}
        while True:
            self._receipts.clear()
            for receipt in await self._asked_for():
                await self._publish(connection, topics.RECEIPT, receipt.jws.encode())
                sent[receipt.order, receipt.kind] = self._clock.monotonic()
            due = await self._handler.receipts_due()
            sent = {key: sent[key] for receipt in due if (key := (receipt.order, receipt.kind)) in sent}
            for receipt in due:
                key = (receipt.order, receipt.kind)
                if self._seconds_left(sent.get(key)) <= 0:
                    await self._publish(connection, topics.RECEIPT, receipt.jws.encode())
                    sent[key] = self._clock.monotonic()
            await _woken(self._receipts, min(map(self._seconds_left, sent.values()), default=None))

    async def _asked_for(self) -> list[IssuedReceipt]:
        """Those whose order came again; and those that the backend lacks though it has acknowledged them."""
        asked: list[IssuedReceipt] = []
        while self._asked_again:
            asked += await self._handler.receipts_of(self._asked_again.pop())
        if self._lacking:
            positions, self._lacking = self._lacking, set()
            # The others are on their way, or go out again in their own time.
            asked += [receipt for receipt in await self._handler.receipts_at(positions) if receipt.acknowledged]
        return asked

    async def _send_lines(self, connection: Connection) -> None:
        sent: tuple[str, float] | None = None
        while True:
            self._lines.clear()
            batch = await self._handler.next_batch()
            if batch is None:
                await _woken(self._lines, None)
                continue
            if sent is None or sent[0] != batch.id or self._seconds_left(sent[1]) <= 0:
                message = LogBatch(id=batch.id, lines=tuple(line.text for line in batch.lines))
                await self._publish(connection, topics.LOG, msgspec.json.encode(message))
                sent = (batch.id, self._clock.monotonic())
            await _woken(self._lines, self._seconds_left(sent[1]))

    async def _publish(self, connection: Connection, channel: str, payload: bytes) -> None:
        await connection.publish(self._topics.of(channel), payload, expiry_seconds=self._expiry)

    def _seconds_left(self, sent: float | None) -> float:
        """Until what was sent at `sent` is sent again; 0 or less when it is due."""
        if sent is None or sent < self._heard_since:
            return 0.0
        return sent + self._resend - self._clock.monotonic()


def _decoded(message: Message, kind: type[T]) -> T | None:
    try:
        return decode(message.payload, kind)
    except ValueError as error:
        log.warning("cloud: a message on %s makes no sense: %s", message.topic, error)
        return None


async def _woken(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for `event`, at most `seconds` (None: for ever)."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
