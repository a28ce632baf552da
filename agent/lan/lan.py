"""The gateway on the LAN: its name, the certificate that goes with it, and the sockets behind both."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.config.model import Lan as LanConfig
from agent.lan import names, tls
from agent.lan.sockets import listen
from drivers.advertisement import Standing, advertised, chosen
from privacy.authority import Authority, Time
from privacy.seal import Keys, RandomBytes
from privacy.store import Disk

log = logging.getLogger(__name__)

FILE: Final = "authority"
"""In the state directory."""
LOOK_SECONDS: Final = 15.0
"""How often we look whether this machine has other addresses."""
RENEW_SECONDS: Final = 60.0
MOST_RENAMES: Final = 3
"""In one run. Who says each time that our name is theirs is no neighbour, and shall not have us make keys for ever."""
HSTS: Final = "max-age=31536000"
"""`Strict-Transport-Security` of every answer over TLS (RFC 6797). Anybody on the LAN can say that our name is theirs,
and ask for a password there over plain HTTP, which no certificate protects; a browser that was here once refuses that
for a year. Nothing is lost by it: without TLS nothing is served under this name. The certificate is handed out under an
address, for which browsers keep no such note."""
_HTTPS: Final = 443


def open_authority(state: Path, keys: Keys, time: Time) -> Authority:
    """The authority of the gateway whose state directory is `state`; made on the first start. On the `Disk` thread.

    Raises:
        StoreBroken: it cannot be read or written.
    """
    return Authority.open_or_create(
        state / FILE,
        keys.seal(FILE),
        draw=lambda: names.draw_host(keys.random_bytes),
        time=time,
        random_bytes=keys.random_bytes,
    )


class Lan:
    """Made once. `sockets`, `context`, `hosts` and `url` are for whoever serves; `renew` and `advertise` run for long.

    Raises:
        ConfigInvalid: the port cannot be had.
    """

    def __init__(self, config: LanConfig, authority: Authority, disk: Disk, random_bytes: RandomBytes) -> None:
        self._authority = authority
        self._disk = disk
        self._random_bytes = random_bytes
        self._wanted = config.addresses
        self._renames = 0
        self._renamed = asyncio.Event()
        self.context = tls.server_context()
        """Always shows the certificate of the day: it is renewed in place."""
        tls.show(self.context, authority.leaf, random_bytes)
        self.sockets: Sequence[socket.socket] = listen(config.addresses, config.port)
        """They listen. Whoever serves on them closes them; `close` does where nobody did."""
        self.port: int = self.sockets[0].getsockname()[1]

    @property
    def host(self) -> str:
        """The name, such as `gateway-00c0ffee.local`."""
        return self._authority.host

    @property
    def hosts(self) -> frozenset[str]:
        """What a request's `Host` may say, in lower case; ask each time, because the name can be reset.

        The name alone: under an address no browser would have trusted the certificate.
        """
        return frozenset({f"{self.host}:{self.port}", *([self.host] if self.port == _HTTPS else [])})

    @property
    def url(self) -> str:
        """The address of the page, which is its origin, too: without a last slash."""
        return f"https://{self.host}" + ("" if self.port == _HTTPS else f":{self.port}")

    @property
    def authority(self) -> Authority:
        return self._authority

    def addresses(self) -> tuple[str, ...]:
        """This machine's addresses that it is found at now."""
        return chosen(self._wanted)

    def close(self) -> None:
        for one in self.sockets:
            one.close()

    async def renew(self) -> None:
        """Keep the certificate young, for ever.

        Raises:
            StoreBroken: a new one could not be written; it is shown nevertheless. Call again.
        """
        while True:
            before = self._authority.leaf
            try:
                await self._disk.run(self._authority.renew)
            finally:
                if self._authority.leaf is not before:
                    self._show()
            await asyncio.sleep(RENEW_SECONDS)

    async def reset(self) -> None:
        """Another name and another authority: nobody trusts this gateway then, and no passkey for the old name works.

        Raises:
            StoreBroken: it could not be written, and nothing has changed.
        """
        await self._disk.run(self._authority.reset, names.draw_host(self._random_bytes))
        self._show()
        self._renamed.set()

    async def advertise(self) -> None:
        """Say on the LAN that we are there, for ever, wherever this machine's addresses move.

        Where somebody else answers to our name (RFC 6762, section 9) and nobody knows us by it yet, we take another.
        Where phones do, it stays: else any stranger could make them all forget whom they trust. What the stranger gets
        is nothing, because they cannot show our certificate.

        Raises:
            LinkLost: it cannot be said; call again.
            StoreBroken: another name could not be written; likewise.
        """
        while True:
            host, addresses = self.host, self.addresses()
            if addresses:
                await self._announce(host, addresses)
            await self._other_than(host, addresses)

    async def _announce(self, host: str, addresses: Sequence[str]) -> None:
        """Until name or addresses are others."""
        insist = self._authority.handed or self._renames >= MOST_RENAMES
        async with advertised(names.advertisement(host, self.port), addresses, insist=insist) as standing:
            if standing.instance:
                self._say(standing)
                await self._other_than(host, addresses)
            else:
                self._renames += 1
                await self.reset()

    def _say(self, standing: Standing) -> None:
        log.info("on the LAN as %s: %s", standing.instance, self.url)
        if standing.contested:
            log.warning("somebody else on the LAN says that %s is theirs; phones may not find the gateway", self.host)

    async def _other_than(self, host: str, addresses: Sequence[str]) -> None:
        """Wait until name or addresses are others: a lease ends, a cable is plugged in, and nobody tells."""
        while self.host == host and self.addresses() == addresses:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._renamed.wait()
                    self._renamed.clear()

    def _show(self) -> None:
        tls.show(self.context, self._authority.leaf, self._random_bytes)
