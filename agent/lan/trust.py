"""Handing out the gateway's certificate: a listener on the LAN that serves one small page, and closes by itself."""

import asyncio
import io
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from aiohttp import web

from agent.errors import ConfigInvalid, Refused
from agent.lan import trust_page
from agent.lan.contract import TrustBody, TrustView
from agent.lan.lan import Lan
from agent.lan.sockets import listen
from agent.supervisor import Service, Supervisor
from privacy.clock import Clock
from privacy.seal import RandomBytes
from privacy.store import Disk

SERVICE: Final = "certificate for phones"
PATH_BYTES: Final = 16
_STOP_SECONDS: Final = 1.0
_KEPT_ALIVE_SECONDS: Final = 5.0
_ELSEWHERE: Final = ("192.0.2.1", 9)
"""RFC 5737: nobody's. What this machine would call itself towards strangers is its address on the main network."""


class TrustDesk:
    """Opens the listener, one at a time. In the agent, so that the page can ask for it as well as the command line."""

    def __init__(
        self, lan: Lan, *, disk: Disk, supervisor: Supervisor, clock: Clock, random_bytes: RandomBytes
    ) -> None:
        self._lan = lan
        self._disk = disk
        self._supervisor = supervisor
        self._clock = clock
        self._random_bytes = random_bytes
        self._turn = asyncio.Lock()
        self._sockets: Sequence[socket.socket] = ()

    async def open(self, body: TrustBody) -> TrustView:
        """Hand it out from now on; what was handed out before, under another path, is not any more.

        Raises:
            Refused: `no_lan`: this machine has no address on the LAN now.
            StoreBroken: it could not be noted that it was handed out.
        """
        async with self._turn:
            await self._stop()
            addresses = _best_first(self._lan.addresses())
            if not addresses:
                raise Refused("no_lan", "the gateway has no address on the LAN now", hint="is its cable plugged in?")
            if body.reset:
                await self._lan.reset()
            await self._disk.run(self._lan.authority.hand_out)
            try:
                self._sockets = sockets = listen(addresses, 0)
            except ConfigInvalid as error:
                raise Refused("no_lan", error.args[0], hint="try again") from error
            path = self._random_bytes(PATH_BYTES).hex()
            self._supervisor.start(Service(SERVICE, lambda: self._serve(sockets, path, body.seconds)))
            port = sockets[0].getsockname()[1]
            urls = [f"http://{f'[{one}]' if ':' in one else one}:{port}/{path}/" for one in addresses]
            return TrustView(
                url=urls[0],
                others=tuple(urls[1:]),
                qr=_picture(urls[0]),
                fingerprint=self._lan.authority.fingerprint,
                page=self._lan.url,
                until=self._clock.now() + timedelta(seconds=body.seconds),
            )

    async def close(self) -> None:
        """Hand it out no more."""
        async with self._turn:
            await self._stop()

    async def _stop(self) -> None:
        await self._supervisor.stop(SERVICE)
        for one in self._sockets:  # the service may have been stopped before it began, and closed none
            one.close()

    async def _serve(self, sockets: Sequence[socket.socket], path: str, seconds: float) -> None:
        authority = self._lan.authority
        app = trust_page.application(
            path,
            host=self._lan.host,
            url=self._lan.url,
            certificate=authority.certificate,
            fingerprint=authority.fingerprint,
        )
        async with AsyncExitStack() as stack:
            for one in sockets:
                stack.callback(one.close)
            # Without an access log: it would hold the path, which is the secret.
            runner = web.AppRunner(
                app, access_log=None, shutdown_timeout=_STOP_SECONDS, keepalive_timeout=_KEPT_ALIVE_SECONDS
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            for one in sockets:
                await web.SockSite(runner, one).start()
            await asyncio.sleep(seconds)


def _best_first(addresses: tuple[str, ...]) -> list[str]:
    """The address on the network that leads out first: most likely the phone is there, too."""
    main = ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)  # sends nothing
            main = probe.getsockname()[0]
        except OSError:  # no network leads out
            pass
    return sorted(addresses, key=lambda address: address != main)


def _picture(url: str) -> str:
    import segno  # noqa: PLC0415 - loaded by the first who asks

    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=4, scale=4, light="#fff")
    return out.getvalue().decode()
