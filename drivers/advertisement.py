"""How this gateway says on the LAN that it is there, by mDNS and DNS-SD (RFC 6762, RFC 6763).

Everybody on the network reads it, so it holds nothing that outlives a reset: no hardware address, no serial number, and
no version.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import ifaddr
from zeroconf import AddressResolver, DNSQuestionType, NonUniqueNameException  # type: ignore[attr-defined]
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from drivers.discovery import responder
from drivers.errors import LinkLost

log = logging.getLogger(__name__)

ASK_SECONDS: Final = 2.0
"""How long somebody may take to say that our name is theirs. RFC 6762 has them wait a second where they said so just
before (section 6)."""


@dataclass(frozen=True, slots=True)
class Advertised:
    """A service of ours."""

    service: str
    """Its type, such as `_portvakt._tcp.local.`."""
    instances: Sequence[str]
    """Names that it may have, the best first: where somebody has one already, the next is tried."""
    host: str
    """The host name, without a last dot, such as `gateway-00c0ffee.local`."""
    port: int
    txt: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of an advertisement."""

    instance: str
    """The name that the service got; empty where nothing was said."""
    contested: bool
    """Somebody else says that the host name is theirs."""


def own_addresses() -> tuple[str, ...]:
    """This machine's addresses that others on the LAN can use by name: no loopback, and no IPv6 that needs a scope."""
    found = []
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            address = ip_address(one.ip if isinstance(one.ip, str) else one.ip[0])
            scoped = address.version == 6 and address.is_link_local  # noqa: PLR2004 - IPv6
            if not (address.is_loopback or scoped or address.is_multicast or address.is_unspecified):
                found.append(address)
    return tuple(str(address) for address in sorted(set(found), key=lambda a: (a.version, int(a))))


@asynccontextmanager
async def advertised(what: Advertised, addresses: Sequence[str], *, insist: bool) -> AsyncIterator[Standing]:
    """Say on the networks of `addresses`, which are this machine's, that `what` is there; until the context ends.

    Where somebody else has the host name, nothing is said, unless we `insist`.

    A responder of its own beside that of the discovery: each runs on the addresses of its own section of the
    configuration, and neither ends with the other.

    Raises:
        LinkLost: this machine has no such address, mDNS cannot be spoken there, or others have all names.
    """
    zeroconf = responder(addresses)
    try:
        contested = await _contested(zeroconf, what.host, addresses)
        said = insist or not contested
        yield Standing(await _registered(zeroconf, what, addresses) if said else "", contested)
    finally:
        await zeroconf.async_close()  # says goodbye first


async def _contested(zeroconf: AsyncZeroconf, host: str, addresses: Sequence[str]) -> bool:
    asked = AddressResolver(f"{host}.")
    try:
        await asked.async_request(zeroconf.zeroconf, ASK_SECONDS * 1000, DNSQuestionType.QM)
    except (OSError, ZeroconfError) as error:
        raise LinkLost(f"mDNS cannot be spoken: {error}") from error
    return not set(asked.parsed_addresses()) <= set(addresses)


async def _registered(zeroconf: AsyncZeroconf, what: Advertised, addresses: Sequence[str]) -> str:
    for instance in what.instances:
        info = AsyncServiceInfo(
            what.service,
            f"{instance}.{what.service}",
            port=what.port,
            properties=dict(what.txt),
            server=f"{what.host}.",
            parsed_addresses=list(addresses),
        )
        try:
            await (await zeroconf.async_register_service(info))
        except NonUniqueNameException:
            log.info("somebody else on the network is called %s already", instance)
        except (OSError, ZeroconfError) as error:
            raise LinkLost(f"mDNS cannot be spoken: {error}") from error
        else:
            return instance
    raise LinkLost(f"others on the network have all of the names {', '.join(what.instances)}")


def chosen(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Those of `own_addresses` that are `wanted`; None: all."""
    allowed = None if wanted is None else {str(ip_address(address)) for address in wanted}
    return tuple(address for address in own_addresses() if allowed is None or address in allowed)
