"""Discovery on the LAN by mDNS and DNS-SD (RFC 6762, RFC 6763). The one file that imports zeroconf.

What is announced is a hint and trivially forged. So it is bounded in number and size, cleaned of everything that
is not plain text, and never trusted: a person decides what is adopted, and the driver makes the device prove who it
is. A device killed hard stays announced for up to 75 minutes; whether it lives is known by its connection alone.
"""

import asyncio
import hashlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import TracebackType
from typing import NamedTuple, Self

from zeroconf import BadTypeInNameException, DNSQuestionType, InterfaceChoice, ServiceStateChange, Zeroconf
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from drivers.errors import LinkLost
from drivers.model import DeviceId, Found

log = logging.getLogger(__name__)

Endpoint = tuple[str, int]
"""Numeric address (IPv6 with scope) and TCP port."""

MOST_SERVICES = 256
"""Announcements known or waiting at one time; a house has a few dozen. What comes on top is dropped and counted.
The library bounds its own cache likewise (10,000 records)."""
MOST_ADDRESSES = 8
"""Of one service, and of one device id: a forger may claim another's id, so there can be several places to try."""
MOST_DROPPED = 4096
"""Then the library's browser is started anew, because it keeps a timer for every name it ever heard."""
NAME_LENGTH = 64
VALUE_LENGTH = 64
RESOLVE_SECONDS = 3.0
RESOLVE_AT_ONCE = 32
RECHECK_SECONDS = 10.0
"""How often what is known is looked at again, in the cache; a device killed hard is asked for, and found gone, once
its address has run out, which takes 2 minutes rather than the 75 of its name."""
IPV6 = 6
TYPE_PTR, TYPE_TXT, TYPE_SRV, CLASS_IN = 12, 16, 33, 1
"""RFC 1035, RFC 2782."""


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of devices announces itself."""

    name: str
    """The driver's name, and the first part of its device ids."""
    service: str
    """The DNS-SD service type."""
    id_key: str
    """The TXT key, in lower case, of what stays the same over renames and readdressing."""
    id_form: str
    """Regular expression of an id, in lower case; anything else is not a device of this family."""
    model_key: str
    keys: tuple[str, ...]
    """Further TXT keys that the driver reads; nothing else is kept."""
    pairable: Callable[[Mapping[str, str]], bool]


FAMILIES = (
    # HomeKit Accessory Protocol R2, tables 6-7 and 6-8: bit 0 of `sf` says "not paired with any controller".
    Family("homekit", "_hap._tcp.local.", "id", r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "md", ("sf", "ff", "ci"),
           lambda txt: txt.get("sf", "") in {"1", "3", "5", "7"}),
)  # fmt: skip
"""A new family is one line here."""


@dataclass(frozen=True, slots=True)
class Appeared:
    """A device is announced, or its announcement has changed: another address, or pairable now."""

    found: Found


@dataclass(frozen=True, slots=True)
class Vanished:
    """A device took its leave, or its announcement ran out. A hint like all else: a connection may still stand."""

    family: str
    id: DeviceId


def device_id(family: str, announced: str) -> DeviceId:
    """The device's id: stable, and without the announced id itself, which is often a hardware address."""
    return f"{family}-{hashlib.sha256(announced.lower().encode()).hexdigest()[:8]}"


def clean(text: str, limit: int) -> str:
    """`text` in one line of at most `limit` printable characters; a network's word goes to screens and files."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    return " ".join(printable.split())[:limit].rstrip()


class Announcement(NamedTuple):
    """A service as it came from the network."""

    instance: str
    """The instance name, without its type."""
    txt: Mapping[bytes, bytes | None]
    addresses: Sequence[str]
    port: int | None


def read(family: Family, said: Announcement, *, loopback: bool = False) -> Found | None:
    """What an announcement says, or None if it is no usable device of `family`. Garbage in it is left out.

    Args:
        family: the family announced.
        said: the announcement.
        loopback: whether this machine's own addresses count. Only if asked for: otherwise a forger could have us
            talk to our own local services.
    """
    properties: dict[str, str] = {}
    for key, value in said.txt.items():
        # Keys know no case, and of several the first counts (RFC 6763, section 6.4).
        name = key.decode("ascii", "replace").lower()
        if name in {family.id_key, family.model_key, *family.keys} and value is not None:
            properties.setdefault(name, clean(value.decode("utf-8", "replace"), VALUE_LENGTH))
    announced = properties.pop(family.id_key, "").lower()
    usable = tuple(a for a in said.addresses if _usable(a, loopback=loopback))[:MOST_ADDRESSES]
    if not re.fullmatch(family.id_form, announced) or not usable or not said.port:
        return None
    model = properties.pop(family.model_key, "")
    return Found(
        family=family.name,
        id=device_id(family.name, announced),
        name=clean(said.instance, NAME_LENGTH) or model or family.name,
        model=model,
        addresses=usable,
        port=said.port,
        properties=properties,
        pairable=family.pairable(properties),
    )


def _usable(address: str, *, loopback: bool) -> bool:
    parsed = _parsed(address)
    if parsed is None or parsed.is_unspecified or parsed.is_multicast:
        return False
    if isinstance(parsed, IPv6Address) and parsed.is_link_local and not parsed.scope_id:
        # Heard over IPv4: nobody can say on which interface it is.
        return False
    return loopback or not parsed.is_loopback


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def responder(addresses: Sequence[str] | None) -> AsyncZeroconf:
    """An mDNS responder on the interfaces that have `addresses`, and on no other; None means on all.

    Raises:
        LinkLost: this machine has no such address, or mDNS cannot be spoken there.
    """
    try:
        if addresses is None:
            return AsyncZeroconf(InterfaceChoice.All)
        for address in addresses:
            # The library finds out as well, but leaves a socket behind.
            family = socket.AF_INET6 if ip_address(address).version == IPV6 else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((address, 0))
        return AsyncZeroconf(interfaces=list(addresses))
    except (OSError, RuntimeError, ValueError, ZeroconfError) as error:
        raise LinkLost(
            f"mDNS cannot be spoken on {', '.join(addresses or ['any interface'])}: {error}",
            hint="give addresses that this machine has; `ip address` lists them",
        ) from error


class Discovery:
    """Watches the network while entered. Iterate it, once, to be told; what is known is kept only by iterating.

    Args:
        interfaces: addresses of this machine, one for each interface to use; None is all of them. What runs on
            this machine itself is found only if a loopback address is among them.
        families: what to look for.
    """

    def __init__(self, interfaces: Sequence[str] | None = None, families: Sequence[Family] = FAMILIES) -> None:
        self._interfaces = interfaces
        self._families = {family.service: family for family in families}
        self._service = {family.name: family.service for family in families}
        self._loopback = any((own := _parsed(a)) is not None and own.is_loopback for a in interfaces or ())
        self._known: dict[str, Found] = {}
        self._changed: dict[str, tuple[str, bool]] = {}
        self._wake = asyncio.Event()
        self.dropped = 0
        """Announcements dropped because there were too many."""
        self._dropped_before = 0

    async def __aenter__(self) -> Self:
        """Begin to watch.

        Raises:
            LinkLost: an interface's address is not this machine's, or mDNS cannot be spoken there.
        """
        self._zeroconf = responder(self._interfaces)
        self._browse()
        return self

    def _browse(self) -> None:
        # Multicast questions only. Answers to "unicast please" reach one of the sockets that share port 5353 on
        # a machine, which is another program's as soon as avahi or a second agent runs beside us.
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf,
            list(self._families),
            handlers=[self._heard],
            question_type=DNSQuestionType.QM,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._browser.async_cancel()
        await self._zeroconf.async_close()

    def found(self) -> Sequence[Found]:
        """What is announced now, one for each device id."""
        return tuple({found.id: found for found in self._known.values()}.values())

    def endpoints(self, device: DeviceId) -> Sequence[Endpoint]:
        """Where `device` is said to be; several if somebody forges, so make each prove itself."""
        places = {(a, f.port): None for f in self._known.values() if f.id == device for a in f.addresses}
        return tuple(places)[:MOST_ADDRESSES]

    async def __aiter__(self) -> AsyncIterator[Appeared | Vanished]:
        """Everything announced so far, then each change as it comes. Never ends by itself."""
        loop = asyncio.get_running_loop()
        recheck_at = loop.time() + RECHECK_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(recheck_at):
                    await self._wake.wait()
            self._wake.clear()
            recheck = loop.time() >= recheck_at
            if recheck:
                recheck_at = loop.time() + RECHECK_SECONDS
                again = {name: (self._service[found.family], False) for name, found in self._known.items()}
                self._changed = again | self._changed
            dropped = self.dropped - self._dropped_before
            if dropped >= MOST_DROPPED or (dropped and recheck):
                await self._start_over()
            batch = [(name, *self._changed.pop(name)) for name in list(self._changed)[:RESOLVE_AT_ONCE]]
            if self._changed:
                self._wake.set()
            for change in await self._settle(batch):
                yield change

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """Note a change; the parameters' names are the library's."""
        del zeroconf
        gone = state_change is ServiceStateChange.Removed
        if gone and name not in self._known:
            self._changed.pop(name, None)
            return
        new = name not in self._changed and name not in self._known
        if new and len(self._known) + len(self._changed) >= MOST_SERVICES:
            if not self.dropped:
                log.warning("more than %d services are announced; the others are ignored", MOST_SERVICES)
            self.dropped += 1
            return
        self._changed[name] = (service_type, gone)
        self._wake.set()

    async def _start_over(self) -> None:
        """After a flood: have the library forget all names, and ask again who is there."""
        self._dropped_before = self.dropped
        await self._browser.async_cancel()
        cache = self._zeroconf.zeroconf.cache
        for service in self._families:
            cache.async_remove_records(cache.async_all_by_details(service, TYPE_PTR, CLASS_IN))
        self._browse()

    async def _settle(self, batch: Sequence[tuple[str, str, bool]]) -> Sequence[Appeared | Vanished]:
        async with asyncio.TaskGroup() as group:
            asked = {name: group.create_task(self._resolve(service, name)) for name, service, gone in batch if not gone}
        changes: list[Appeared | Vanished] = []
        for name, _, _ in batch:
            before = self._known.pop(name, None)
            now = asked[name].result() if name in asked else None
            if now:
                self._known[name] = now
                if now != before:
                    changes.append(Appeared(now))
            if before and all(before.id != other.id for other in self._known.values()):
                changes.append(Vanished(before.family, before.id))
        return changes

    async def _resolve(self, service: str, name: str) -> Found | None:
        """What the service called `name` says of itself, or None within `RESOLVE_SECONDS`."""
        zeroconf = self._zeroconf.zeroconf
        try:
            info = AsyncServiceInfo(service, name)
        except BadTypeInNameException:
            return None
        self._drop_superseded(name)
        if not info.load_from_cache(zeroconf) and not await info.async_request(
            zeroconf, RESOLVE_SECONDS * 1000, DNSQuestionType.QM
        ):
            return None
        said = Announcement(
            name.removesuffix(f".{service}"), info.properties, info.parsed_scoped_addresses(), info.port
        )
        return read(self._families[service], said, loopback=self._loopback)

    def _drop_superseded(self, name: str) -> None:
        """Leave the newest SRV and TXT record of `name` alone in the cache.

        A replaced record stays there for up to 10 s. The library may still read it, and says nothing when a value
        changes back meanwhile: a lamp that is adopted and at once forgotten would count as adopted.
        """
        cache = self._zeroconf.zeroconf.cache
        for kind in (TYPE_SRV, TYPE_TXT):
            records = cache.async_all_by_details(name, kind, CLASS_IN)
            # What has been replaced expires in a second (RFC 6762, section 10.2).
            records.sort(key=lambda record: record.get_expiration_time(100))
            cache.async_remove_records(records[:-1])
