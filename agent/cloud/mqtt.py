"""One connection to an MQTT 5 broker. The only file that knows which library carries it.

aiomqtt acknowledges on receipt, which is too early for an order; so the paho client inside it is set to manual
acknowledgement, and a message is acknowledged when its receiver says so. All access to that inner client is in
`_Client`. What is not acknowledged when the connection ends comes again with the next one.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.cloud import reasons
from agent.config.model import Tls
from agent.errors import LinkDown

AT_LEAST_ONCE = 1
"""QoS 1: the managed brokers offer no 2."""
SESSION_SECONDS = 0xFFFF_FFFE
"""136 years. One more would mean "never expires" (MQTT 5, 3.1.2.11.2), which some brokers refuse."""
RECEIVE_MAXIMUM = 16
"""Messages that the broker may send ahead of our acknowledgements: this bounds the queue in memory."""
LARGEST_PACKET = 64 * 1024
"""The broker drops what is larger and never sends it to us. Orders have 8 KiB at most, acknowledgements less."""
KEEPALIVE_SECONDS = 30
ANSWER_SECONDS = 10.0

# The libraries' own lines; what matters in them comes as an exception.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that the broker keeps for whoever subscribes later, or sends when we vanish."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the broker is, and who we are there."""

    host: str
    port: int
    client_id: str
    tls: Tls | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    will: Publication | None = None
    session_seconds: int = SESSION_SECONDS
    receive_maximum: int = RECEIVE_MAXIMUM
    largest_packet: int = LARGEST_PACKET
    keepalive_seconds: int = KEEPALIVE_SECONDS
    answer_seconds: float = ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class Message:
    """What came in."""

    topic: str
    payload: bytes
    retained: bool
    _source: aiomqtt.Message = field(repr=False)
    _client: "_Client" = field(repr=False)

    def acknowledge(self) -> None:
        """Send the PUBACK: the broker forgets the message. Call in the order of arrival (MQTT 5, 4.6).

        Raises:
            LinkDown: the connection is gone; the message will come again.
        """
        self._client.acknowledge(self._source)


class Connection:
    """An established connection. Every method raises LinkDown once it is gone."""

    def __init__(self, client: "_Client") -> None:
        self._client = client

    @property
    def resumed(self) -> bool:
        """Whether the broker still had our session; if not, it has lost what it kept for us."""
        return self._client.session_present

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe at QoS 1. The retained flag is kept as its publisher set it, and seen once per session."""
        options = SubscribeOptions(
            qos=AT_LEAST_ONCE, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        )
        try:
            answers = await self._client.subscribe([(topic, options) for topic in topics])
        except aiomqtt.MqttError as error:
            raise self._client.down(error) from error
        for topic, answer in zip(topics, answers, strict=True):
            code = int(answer.value if isinstance(answer, ReasonCode) else answer)  # type: ignore[call-overload] # paho's own gap
            if code > 2:  # noqa: PLR2004 - 0, 1 and 2 are the granted QoS (MQTT 5, 3.9.3)
                raise reasons.refused(code, doing=f"a subscription to {topic}")

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_seconds: int | None = None
    ) -> None:
        """Publish at QoS 1; returns when the broker has it (PUBACK).

        Args:
            topic: where to.
            payload: what.
            retain: for a status only; never for anything that asks somebody to do something.
            expiry_seconds: the broker drops it when nobody took it by then (MQTT 5, 3.3.2.3.3).
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's own gap
        if expiry_seconds is not None:
            properties.MessageExpiryInterval = expiry_seconds
        try:
            await self._client.publish(topic, payload, AT_LEAST_ONCE, retain, properties)
        except aiomqtt.MqttError as error:
            raise self._client.down(error) from error
        if (code := self._client.refused_publication) is not None:
            # Which one was refused is not told here; a broker that refuses one of our topics serves none of them well.
            raise reasons.refused(code, doing="a message of ours")

    async def messages(self) -> AsyncIterator[Message]:
        """What comes in, until the connection is gone."""
        try:
            async for message in self._client.messages:
                yield Message(message.topic.value, message.payload, message.retain, message, self._client)
        except aiomqtt.MqttError as error:
            raise self._client.down(error) from error


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Connection]:
    """A connection for as long as the block runs; the session at the broker outlives it.

    Raises:
        LinkDown: it cannot be made, or is lost; one line that says why and what to look at.
    """
    context = await asyncio.to_thread(_tls_context, settings.tls) if settings.tls else None
    client = _Client(settings, context)
    try:
        async with client:
            yield Connection(client)
    except aiomqtt.MqttError as error:
        raise client.down(error) from error
    except UnicodeError as error:
        raise LinkDown(f"{settings.host!r} is no host name", hint="correct `host`") from error


class _Client(aiomqtt.Client):
    """aiomqtt, plus manual acknowledgement, refused publications, and no waiting for a CONNACK that never comes."""

    def __init__(self, settings: Settings, context: ssl.SSLContext | None) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own gap
        properties.SessionExpiryInterval = settings.session_seconds
        properties.ReceiveMaximum = settings.receive_maximum
        properties.MaximumPacketSize = settings.largest_packet
        will = settings.will
        super().__init__(
            settings.host,
            settings.port,
            identifier=settings.client_id,
            username=settings.username,
            password=settings.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            will=aiomqtt.Will(will.topic, will.payload, AT_LEAST_ONCE, will.retain) if will else None,
            tls_context=context,
            properties=properties,
            keepalive=settings.keepalive_seconds,
            timeout=settings.answer_seconds,
            max_queued_incoming_messages=0,  # unbounded here: when full it would drop; the receive maximum bounds it
            logger=_library_log,
            # Nagle's algorithm and delayed acknowledgements together cost 40 ms a message.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self._where = (settings.host, settings.port)
        self._tls = context is not None
        self._client.manual_ack_set(True)  # before anything can arrive
        self._ended: ReasonCode | None = None
        self._early: aiomqtt.MqttError | None = None
        self.session_present = False
        self.refused_publication: int | None = None
        self._disconnected.add_done_callback(self._on_broken)

    async def __aenter__(self) -> Self:
        with ExitStack() as on_failure:
            on_failure.callback(self._abandon)
            await super().__aenter__()
            on_failure.pop_all()
        return self

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """PUBACK; QoS 0 has none."""
        if message.qos and self._client.ack(message.mid, message.qos) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise reasons.lost(0)

    def down(self, error: aiomqtt.MqttError) -> LinkDown:
        """What `error` means, in our words."""
        if error is self._early:
            return reasons.closed_early(tls=self._tls)
        if isinstance(error, MqttConnectError) and isinstance(error.rc, ReasonCode):
            return reasons.refused(error.rc.value, doing="the connection")
        # aiomqtt raises "from None", which hides the cause but keeps it.
        cause = error.__context__
        if isinstance(cause, OSError):  # a time-out is one too
            return reasons.unreachable(cause, *self._where)
        return reasons.lost(self._ended.value if self._ended else 0)

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._ended = self._ended or reason_code  # the first says why, a second only that the socket has gone
        self._give_up_waiting()
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Client, userdata: object, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self.refused_publication = reason_code.value
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_broken(self, disconnected: asyncio.Future[None]) -> None:
        """Reading or writing failed. Taking the exception here also keeps asyncio from reporting it as unseen."""
        if not disconnected.cancelled() and disconnected.exception():
            self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """The connection ended before the CONNACK: aiomqtt alone would wait for its time-out."""
        if not self._connected.done():
            self._early = aiomqtt.MqttError("closed before CONNACK")
            self._connected.set_exception(self._early)

    def _abandon(self) -> None:
        """Leave no socket behind: neither one that is open, nor one that the connecting thread is about to open."""
        self._client.on_socket_open = lambda _client, _userdata, opened: opened.close()
        self._client.disconnect()


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or later; the server's certificate and host name are always checked."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        # The empty password keeps OpenSSL from asking on the terminal for that of an encrypted key.
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except ssl.SSLError as error:
        raise LinkDown(
            f"certificate and key for the broker cannot be used: {error.reason or 'not PEM'}",
            hint=f"do {tls.cert_file} and {tls.key_file} belong together, and are all files PEM?",
        ) from error
    except OSError as error:
        raise LinkDown(
            f"a file for TLS with the broker cannot be read: {error.strerror}",
            hint=f"look at {', '.join(str(path) for path in (tls.ca_file, tls.cert_file, tls.key_file) if path)}",
        ) from error
    context.sslsocket_class = _TlsSocket
    return context
