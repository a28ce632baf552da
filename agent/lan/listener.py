"""Accepting connections on the LAN: so many and no more, and from nobody too many.

Before somebody has signed in there is nothing to tell a phone from a vandal. What a connection costs, a descriptor and
some 100 kB for TLS, is the house's own: without a bound, anybody on the LAN could have the lights fail.
"""

import asyncio
import logging
import socket
from collections import Counter
from contextlib import suppress
from typing import Final

from aiohttp import web

from agent.lan.lan import Lan

log = logging.getLogger(__name__)

MOST: Final = 256
"""Connections at one time; a household of twelve phones with a page each has some fifty."""
MOST_OF_ONE: Final = 32
"""Of one address; a browser opens six for a page."""
HANDSHAKE_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 1.0
"""How long to wait when this process has no descriptor left."""


class Listener:
    """Serves what `runner` runs on the sockets of `lan`. The runner is set up before, and cleaned up afterwards."""

    def __init__(self, lan: Lan, runner: web.AppRunner) -> None:
        if runner.server is None:
            raise ValueError("the runner is not set up yet")
        self._lan = lan
        self._server = runner.server
        self._greeted: Counter[str] = Counter()
        """By address: those whose handshake goes on."""

    async def run(self) -> None:
        """Accept, for ever: a service. What stands when this ends is the runner's to close."""
        async with asyncio.TaskGroup() as group:
            for listening in self._lan.sockets:
                group.create_task(self._accept(listening, group))

    async def _accept(self, listening: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("no connection on the LAN can be taken: %s", error.strerror)
                await asyncio.sleep(SHORT_SECONDS)
                continue
            if self._full(peer[0]):
                connection.close()
            else:
                self._greeted[peer[0]] += 1
                group.create_task(self._greet(connection, peer[0]))

    def _full(self, address: str) -> bool:
        standing = Counter(_address(one) for one in self._server.connections) + self._greeted
        return standing.total() >= MOST or standing[address] >= MOST_OF_ONE

    async def _greet(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            with suppress(OSError):  # no TLS, another version, somebody who hung up or said nothing: nothing of ours
                await loop.connect_accepted_socket(
                    self._server,
                    connection,
                    ssl=self._lan.context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                )
        finally:
            self._greeted -= Counter((address,))


def _address(handler: web.RequestHandler) -> str:
    name = handler.transport and handler.transport.get_extra_info("peername")
    return str(name[0]) if name else ""
