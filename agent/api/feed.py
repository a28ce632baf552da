"""The live feed: over a WebSocket the whole state first, then each section that changes.

Nothing is queued here. While a listener is slow, `House.changes` gathers what it misses into one set of section
names; a listener that cannot take one message within `SEND_SECONDS` is dropped, and may connect again.
"""

import asyncio
from typing import Final

import msgspec
from aiohttp import WSCloseCode, web

from agent.api.contract import Section, State, Wire
from agent.api.operation import operation
from agent.api.permission import caller_of
from agent.api.sight import Sight, SightOf
from agent.errors import Refused
from privacy.clock import Clock

LISTENERS: Final = 32
OF_ONE: Final = 8
"""Of one person and their programs, so that nobody keeps the others from listening."""
SEND_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 0.02
"""A pause between two turns, so that a burst of reports becomes one message and not fifty."""
BEAT_SECONDS: Final = 15.0
"""How often the time is sent when nothing changes: a page that hears nothing for longer knows that we are gone."""
_CLOSE_SECONDS: Final = 1.0
_INBOUND_LIMIT: Final = 1024
SIGNED_OUT: Final = 4401
"""The close code (RFC 6455, section 7.4.2: private use) when the session that a page listens in has ended."""


class Whole(Wire, frozen=True, kw_only=True, tag_field="type", tag="state"):
    """The first message."""

    now: str
    """The gateway's own time, RFC 3339; a page counts down by this, not by its own clock."""
    state: State


class Change(Wire, frozen=True, kw_only=True, tag_field="type", tag="change"):
    """One field of the state, anew."""

    now: str
    section: Section
    value: object


class Beat(Wire, frozen=True, kw_only=True, tag_field="type", tag="beat"):
    """Nothing changed."""

    now: str


class Feed:
    """Serves the WebSocket; one for each server."""

    def __init__(self, sight_of: SightOf, clock: Clock) -> None:
        self._sight_of = sight_of
        self._clock = clock
        self._listeners: dict[web.WebSocketResponse, web.Request] = {}
        self._over: dict[web.WebSocketResponse, asyncio.Event] = {}

    @operation("The state, and then each change of it, over a WebSocket", status=101, refusals=(400,))
    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one listener until it goes."""
        if len(self._listeners) >= LISTENERS:
            raise Refused("too_many_listeners", f"{LISTENERS} pages are open already", hint="close one of them")
        person = caller_of(request).actor.person
        if sum(caller_of(other).actor.person == person for other in self._listeners.values()) >= OF_ONE:
            raise Refused("too_many_listeners", f"{OF_ONE} pages of yours are open already", hint="close one of them")
        listener = web.WebSocketResponse(
            heartbeat=BEAT_SECONDS, timeout=_CLOSE_SECONDS, max_msg_size=_INBOUND_LIMIT, compress=False
        )
        if not listener.can_prepare(request):
            raise Refused("malformed", "this path speaks WebSocket only")
        self._listeners[listener] = request
        self._over[listener] = asyncio.Event()
        try:
            await listener.prepare(request)
            await self._serve(listener, self._sight_of(request))
        except* (TimeoutError, ConnectionError):
            _drop(request)
        finally:
            del self._listeners[listener], self._over[listener]
        return listener

    def end(self, session: str) -> None:
        """Nobody listens in `session` any more: it has ended."""
        for listener, request in self._listeners.items():
            if caller_of(request).session == session:
                self._over[listener].set()

    async def close(self, _app: web.Application) -> None:
        """Say goodbye to all (signal `on_shutdown`), to all at once: a page may be asleep."""
        async with asyncio.TaskGroup() as group:
            for listener, request in self._listeners.items():
                group.create_task(_dismiss(listener, request))

    async def _serve(self, listener: web.WebSocketResponse, sight: Sight) -> None:
        greeted = asyncio.Event()

        async def tell_changes() -> None:
            async for sections in sight.changes():
                await greeted.wait()
                for section in sorted(sections):
                    value = sight.section(section)
                    await self._send(listener, Change(now=self._now(), section=section, value=value))
                await asyncio.sleep(GATHER_SECONDS)

        async def beat() -> None:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                if not sight.lasts:  # a session tells of its end; a token does not
                    self._over[listener].set()
                await self._send(listener, Beat(now=self._now()))

        async def leave() -> None:
            await self._over[listener].wait()
            async with asyncio.timeout(SEND_SECONDS):
                await listener.close(code=SIGNED_OUT)

        async with asyncio.TaskGroup() as group:
            telling = [group.create_task(tell_changes()), group.create_task(beat()), group.create_task(leave())]
            await asyncio.sleep(0)  # from here we follow the house, so nothing falls between the state and its changes
            await self._send(listener, Whole(now=self._now(), state=sight.state()))
            greeted.set()
            async for _ in listener:
                pass  # a listener has nothing to say; commands are requests of their own, with their checks
            for task in telling:
                task.cancel()

    async def _send(self, listener: web.WebSocketResponse, message: Wire) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await listener.send_frame(msgspec.json.encode(message), web.WSMsgType.TEXT)

    def _now(self) -> str:
        return self._clock.now().isoformat()


async def _dismiss(listener: web.WebSocketResponse, request: web.Request) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            if listener.prepared:
                await listener.close(code=WSCloseCode.GOING_AWAY)
    except TimeoutError:  # it does not read, and aiohttp would wait for ever for it to take our goodbye
        _drop(request)


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
