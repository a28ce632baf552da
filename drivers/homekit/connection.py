"""One TCP connection to an accessory: requests, answers and events, in the clear until `secure` (HAP R2, 6.5).

It never reconnects. Each exchange is bounded in time and size, since what answers may be an impostor. Framing,
encryption and the HTTP parser are aiohomekit's.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Self, cast

from aiohomekit.controller.ip.connection import (
    HomeKitConnection,
    InsecureHomeKitProtocol,
    SecureHomeKitProtocol,
)
from aiohomekit.exceptions import HomeKitException, HttpException
from aiohomekit.http.response import HttpResponse
from aiohomekit.protocol.tlv import TLV, TlvParseException

from drivers.errors import LinkLost, NoAnswer

# At debug level the library logs whole pairing messages.
logging.getLogger("aiohomekit").setLevel(logging.WARNING)

Items = Sequence[tuple[int, bytes | bytearray]]
"""TLV8 items: type and value (HAP R2, chapter 14.1)."""

MOST_BYTES = 2 * 1024 * 1024
"""Of one answer. A bridge with 149 accessories describes itself in less than 1 MB."""

MOST_EVENTS = 64
"""Waiting to be read."""

RUBBISH = (HomeKitException, HttpException, TlvParseException, ArithmeticError, AssertionError, AttributeError,
           LookupError, RuntimeError, TypeError, ValueError)  # fmt: skip
"""What the library's parsers and state machines raise when an impostor sends rubbish: they check little, so that
wrong lengths, missing items and bad numbers surface as Python's own errors."""


class Answer(NamedTuple):
    """To one request."""

    status: int
    body: bytes


class _Plain(InsecureHomeKitProtocol):
    """The library's protocol, with a limit on what it takes in, and ending the connection on rubbish."""

    taken = 0

    def __init__(self, session: "Session") -> None:
        # The library means its own connection, but calls two methods of it only; a session has both.
        super().__init__(cast("HomeKitConnection", session))
        self._session = session

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        if self.taken > MOST_BYTES:
            self._session.give_up(f"it sent more than {MOST_BYTES} bytes at once")
            return
        try:
            super().data_received(data)  # type: ignore[no-untyped-call]
        except RUBBISH:
            self._session.give_up("it sent rubbish")


class _Sealed(_Plain, SecureHomeKitProtocol):
    """The same, encrypted."""

    def __init__(self, session: "Session", read_key: bytes, write_key: bytes) -> None:
        SecureHomeKitProtocol.__init__(self, cast("HomeKitConnection", session), read_key, write_key)
        self._session = session


class Session:
    """An open connection. Make it with `open`, close it with `close`.

    The two names with a foreign ring, `event_received` and `_connection_lost`, are what the library's protocol calls.
    """

    def __init__(self, address: str, port: int) -> None:
        self.where = f"{address} port {port}"
        """Address and port, for error messages."""
        self._host = f"[{address.partition('%')[0]}]" if ":" in address else address
        self.events: deque[bytes] = deque(maxlen=MOST_EVENTS)
        """The bodies of events not read yet. If nobody reads, the oldest go."""
        self.gone = asyncio.Event()
        self.news = asyncio.Event()
        """Set when an event has come or the connection has gone; whoever waits for it clears it."""
        self._reason = ""
        self._protocol: _Plain = _Plain(self)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, address: str, port: int, seconds: float) -> Self:
        """Connect to a numeric address (IPv6 with scope) within so many seconds.

        Raises:
            LinkLost: nobody listens there; or nobody answers in time.
        """
        session = cls(address, port)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await loop.create_connection(lambda: session._protocol, address, port)
        except TimeoutError as error:
            raise LinkLost(f"no answer from {session.where} within {seconds:g} s") from error
        except OSError as error:
            raise LinkLost(f"cannot connect to {session.where}: {error.strerror or error}") from error
        return session

    def secure(self, read_key: bytes, write_key: bytes) -> None:
        """Encrypt all that follows, with the keys that pair-verify agreed on (HAP R2, 6.5.2)."""
        transport = self._protocol.transport
        self._protocol = _Sealed(self, read_key, write_key)
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)

    async def exchange(
        self, method: str, target: str, body: bytes = b"", kind: str = "application/hap+json", *, seconds: float
    ) -> Answer:
        """Send a request and return its answer, whatever its status. One at a time; others wait their turn.

        After a time-out, and also if the caller is cancelled meanwhile, the connection is closed: the next answer
        could not be told from this one.

        Raises:
            LinkLost: the connection is gone, or was given up.
        """
        # Some accessories refuse a request without Host, or in several packets, or whose Host has a name in it.
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Length: {len(body)}\r\nContent-Type: {kind}\r\n"
        async with self._turn:
            self._protocol.taken = 0
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._protocol.send_bytes(f"{head}\r\n".encode() + body)
                    return Answer(cast("int", answer.code), bytes(answer.body))
            except TimeoutError as error:
                self.give_up(f"no answer within {seconds:g} s")
                raise self.lost() from error
            except HomeKitException as error:
                raise self.lost() from error
            except asyncio.CancelledError:
                self.give_up("a request was broken off")
                raise

    async def exchange_tlv(
        self, target: str, items: Items, expected: list[int] | None = None, *, seconds: float
    ) -> list[tuple[int, bytearray]]:
        """Exchange TLV8 items (pairing). Only the `expected` types are kept, up to the first other.

        Raises:
            LinkLost: the connection is gone, or was given up.
            NoAnswer: the answer is no TLV8.
        """
        body = bytes(TLV.encode_list(list(items)))
        answer = await self.exchange("POST", target, body, "application/pairing+tlv8", seconds=seconds)
        try:
            return [(kind, value) for kind, value in TLV.decode_bytes(answer.body, expected)]
        except RUBBISH as error:
            raise NoAnswer(f"{self.where} answered rubbish") from error

    def lost(self) -> LinkLost:
        """The error that says why this connection is gone."""
        return LinkLost(f"the connection to {self.where} is lost: {self._reason or 'closed'}")

    def give_up(self, reason: str) -> None:
        """End the connection at once, for `reason`."""
        self._reason = self._reason or reason
        self._protocol.transport.abort()

    async def close(self) -> None:
        """End the connection; never fails."""
        self.give_up("closed by us")
        await self.gone.wait()

    def event_received(self, event: HttpResponse) -> None:
        self._protocol.taken = 0
        self.events.append(bytes(event.body))
        self.news.set()

    def _connection_lost(self, error: Exception | None) -> None:
        self._reason = self._reason or (str(error) if error else "the device closed it")
        self.gone.set()
        self.news.set()
