"""Announcements: what is made of them, and what a forger can do."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from drivers import discovery
from drivers.discovery import (
    FAMILIES,
    MOST_ADDRESSES,
    MOST_SERVICES,
    NAME_LENGTH,
    VALUE_LENGTH,
    Announcement,
    Appeared,
    Discovery,
    Vanished,
    clean,
    device_id,
    read,
    responder,
)
from drivers.errors import LinkLost

HAP = FAMILIES[0]
TXT: dict[bytes, bytes | None] = {b"id": b"AA:BB:CC:00:11:22", b"md": b"Lamp", b"sf": b"1", b"ff": b"0"}


def said(
    txt: dict[bytes, bytes | None] | None = None,
    instance: str = "Hall",
    addresses: tuple[str, ...] = ("192.0.2.7",),
    port: int | None = 80,
) -> Announcement:
    return Announcement(instance, TXT if txt is None else txt, addresses, port)


def test_an_announcement_becomes_a_found_device() -> None:
    found = read(HAP, said())
    assert found is not None
    assert (found.family, found.name, found.model) == ("homekit", "Hall", "Lamp")
    assert (found.addresses, found.port, found.pairable) == (("192.0.2.7",), 80, True)


def test_the_announced_id_is_nowhere_in_what_is_passed_on() -> None:
    found = read(HAP, said())
    assert found is not None
    assert found.id == device_id("homekit", "aa:bb:cc:00:11:22")
    assert "aa:bb:cc" not in repr(found).lower()


@pytest.mark.parametrize(
    ("status", "pairable"), [(b"0", False), (b"1", True), (b"3", True), (b"", False), (b"x", False), (None, False)]
)
def test_pairable_is_bit_0_of_the_status_flags(status: bytes | None, *, pairable: bool) -> None:
    found = read(HAP, said({**TXT, b"sf": status}))
    assert found is not None
    assert found.pairable is pairable


@pytest.mark.parametrize(
    "txt",
    [{}, {b"id": None}, {b"id": b""}, {b"id": b"\xff\xfe"}, {b"id": b"not an id"}, {b"id": b"AA:BB:CC:00:11:22:33"}],
)
def test_what_has_no_proper_id_is_no_device(txt: dict[bytes, bytes | None]) -> None:
    assert read(HAP, said(txt)) is None


def test_keys_know_no_case_and_the_first_counts() -> None:
    found = read(HAP, said({b"ID": b"aa:bb:cc:00:11:22", b"Md": b"first", b"md": b"second"}))
    assert found is not None
    assert found.model == "first"


@pytest.mark.parametrize("addresses", [(), ("rubbish",), ("::",), ("224.0.0.251",), ("127.0.0.1", "::1"), ("fe80::1",)])
def test_what_has_no_usable_address_is_no_device(addresses: tuple[str, ...]) -> None:
    assert read(HAP, said(addresses=addresses)) is None


@pytest.mark.parametrize("port", [None, 0])
def test_what_has_no_port_is_no_device(port: int | None) -> None:
    assert read(HAP, said(port=port)) is None


def test_own_addresses_count_only_if_asked_for() -> None:
    found = read(HAP, said(addresses=("127.0.0.1",)), loopback=True)
    assert found is not None
    assert found.addresses == ("127.0.0.1",)


def test_link_local_addresses_keep_their_scope() -> None:
    found = read(HAP, said(addresses=("fe80::1%2",)))
    assert found is not None
    assert found.addresses == ("fe80::1%2",)


def test_names_are_cleaned_and_cut() -> None:
    assert clean("a\x1b[31m\n\u202eb\tc", 64) == "a [31m b c"
    assert clean("x" * 10_000, 64) == "x" * 64


@given(
    txt=st.dictionaries(
        st.one_of(st.sampled_from([b"id", b"ID", b"md", b"sf", b"ff"]), st.binary(max_size=9)),
        st.one_of(st.none(), st.binary(max_size=255), st.just(b"AA:BB:CC:00:11:22")),
        max_size=30,
    ),
    instance=st.text(max_size=300),
    addresses=st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=20)), max_size=30),
    port=st.one_of(st.none(), st.integers(0, 65535)),
)
def test_whatever_is_announced_is_bounded_printable_and_no_crash(
    txt: dict[bytes, bytes | None], instance: str, addresses: list[str], port: int | None
) -> None:
    found = read(HAP, Announcement(instance, txt, addresses, port))
    if found is None:
        return
    assert len(found.addresses) <= MOST_ADDRESSES
    assert all(ip_address(address) for address in found.addresses)
    assert 0 < len(found.name) <= NAME_LENGTH
    assert all(len(value) <= VALUE_LENGTH for value in found.properties.values())
    assert set(found.properties) <= set(HAP.keys)
    assert "".join((found.name, found.model, *found.properties.values())).isprintable()


async def test_a_flood_of_forged_announcements_is_dropped_and_counted() -> None:
    watch = Discovery(["127.0.0.1"])
    async with watch:
        for n in range(10_000):
            watch._heard(watch._zeroconf.zeroconf, HAP.service, f"forged {n}.{HAP.service}", ServiceStateChange.Added)
        assert len(watch._changed) <= MOST_SERVICES
        assert watch.dropped >= 10_000 - MOST_SERVICES


async def test_a_device_announced_during_a_flood_is_found_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(discovery, "RECHECK_SECONDS", 1.0)
    async with Discovery(["127.0.0.1"]) as watch:
        for n in range(MOST_SERVICES):
            forge(watch, n)
        async with announced() as name, asyncio.timeout(20):
            while not watch.dropped:
                await asyncio.sleep(0.05)
            assert (await appears(watch, name)).found.port == 4711


async def test_found_changed_and_gone_over_mdns() -> None:
    async with Discovery(["127.0.0.1"]) as watch:
        async with announced() as name:
            first = (await appears(watch, name)).found
            assert first in watch.found()
            assert watch.endpoints(first.id) == (("127.0.0.1", 4711),)
        async with asyncio.timeout(10):
            async for change in watch:
                if isinstance(change, Vanished) and change.id == first.id:
                    break
        assert watch.endpoints(first.id) == ()


async def test_what_is_known_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "RECHECK_SECONDS", 0.5)
    async with Discovery(["127.0.0.1"]) as watch, announced() as name:
        await appears(watch, name)
        watch._known = {key: replace(found, pairable=False) for key, found in watch._known.items()}
        assert (await appears(watch, name)).found.pairable


async def test_what_no_longer_answers_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(discovery, "RECHECK_SECONDS", 0.2)
    ghost = read(HAP, said())
    assert ghost is not None
    async with Discovery(["127.0.0.1"]) as watch, asyncio.timeout(10):
        watch._known[f"Ghost {uuid4().hex}.{HAP.service}"] = ghost
        async for change in watch:
            if change == Vanished("homekit", ghost.id):
                break
        assert ghost not in watch.found()


async def test_values_that_change_back_are_told_as_well() -> None:
    service = hap_service()
    name = service.name.removesuffix(f".{HAP.service}")
    async with Discovery(["127.0.0.1"]) as watch, advertised(service) as advertiser:
        assert (await appears(watch, name)).found.pairable
        for n in range(4):
            changed = hap_service(name, service.properties[b"id"].decode(), status=str(n % 2))
            await (await advertiser.async_update_service(changed))
            assert (await appears(watch, name)).found.pairable is bool(n % 2)


async def test_a_forger_adds_a_place_and_takes_none_away() -> None:
    identity = random_id()
    async with Discovery(["127.0.0.1"]) as watch, announced(identity) as real, announced(identity, port=666) as forged:
        found = (await appears(watch, real)).found
        if len(watch.endpoints(found.id)) == 1:
            await appears(watch, forged)
        assert set(watch.endpoints(found.id)) == {("127.0.0.1", 4711), ("127.0.0.1", 666)}


async def test_an_interface_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(LinkLost, match=r"192\.0\.2\.1.*ip address"):
        async with Discovery(["192.0.2.1"]):
            pytest.fail("that address is for documentation only (RFC 5737)")


@pytest.mark.parametrize("address", ["eth0", ""])
async def test_an_interface_that_is_no_address_is_one_clear_line(address: str) -> None:
    with pytest.raises(LinkLost):
        responder([address])


def test_discovery_alone_does_not_load_the_homekit_library() -> None:
    code = "import sys, drivers.discovery; sys.exit('aiohomekit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def forge(watch: Discovery, n: int) -> None:
    name = f"forged {n}.{HAP.service}"
    watch._heard(watch._zeroconf.zeroconf, HAP.service, name, ServiceStateChange.Added)


def random_id() -> str:
    return ":".join(uuid4().hex[n : n + 2] for n in range(0, 12, 2))


def hap_service(name: str = "", identity: str = "", port: int = 4711, status: str = "1") -> AsyncServiceInfo:
    """A service on loopback; others may be running there, so the name is made up."""
    name = name or f"Test {uuid4().hex[:8]}"
    return AsyncServiceInfo(
        HAP.service,
        f"{name}.{HAP.service}",
        port=port,
        parsed_addresses=["127.0.0.1"],
        server=f"{name.replace(' ', '-')}.local.",
        properties={"id": identity or random_id(), "md": "Test", "sf": status},
    )


@contextlib.asynccontextmanager
async def advertised(service: AsyncServiceInfo) -> AsyncIterator[AsyncZeroconf]:
    advertiser = responder(["127.0.0.1"])
    try:
        await advertiser.async_register_service(service)
        yield advertiser
    finally:
        await advertiser.async_unregister_all_services()
        await advertiser.async_close()


@contextlib.asynccontextmanager
async def announced(identity: str = "", port: int = 4711) -> AsyncIterator[str]:
    """The same, in short; yields the name."""
    service = hap_service(identity=identity, port=port)
    async with advertised(service):
        yield service.name.removesuffix(f".{HAP.service}")


async def appears(watch: Discovery, name: str) -> Appeared:
    async with asyncio.timeout(15):
        async for change in watch:
            if isinstance(change, Appeared) and change.found.name == name:
                return change
    pytest.fail(f"{name} was not found")
