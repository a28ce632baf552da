"""The gateway on the LAN: the certificate that is shown, and what it is called while names and addresses change."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.config.model import Lan as LanConfig
from agent.lan import lan as lan_module
from agent.lan.lan import MOST_RENAMES, Lan
from drivers.advertisement import Advertised, Standing
from drivers.errors import LinkLost
from privacy.authority import Authority
from privacy.errors import StoreBroken
from privacy.store import Disk
from tests.agent.lan.conftest import Known


def client(authority: Authority) -> ssl.SSLContext:
    pem = x509.load_der_x509_certificate(authority.certificate).public_bytes(Encoding.PEM).decode()
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # RFC 5280 to the letter, as Python 3.13 asks
    # The time of these tests is not that of this machine; tests/peers has clients that look at the clock.
    context.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
    return context


@asynccontextmanager
async def answering(lan: Lan) -> AsyncIterator[None]:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, sock=lan.sockets[0], ssl=lan.context):
        yield


async def shown(lan: Lan, context: ssl.SSLContext, name: str) -> bytes:
    """The certificate that somebody sees who asks for `name`, DER."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", lan.port, ssl=context, server_hostname=name)
        assert await reader.read() == b"hello"
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
    assert isinstance(der, bytes)
    return der


def leaf_of(lan: Lan) -> bytes:
    return lan.authority.leaf.certificate.public_bytes(Encoding.DER)


async def turns(true: Callable[[], object] | None = None) -> None:
    """A while in which something may happen; or until it has, however slow the machine is."""
    for _ in range(50):
        await asyncio.sleep(0.001)
    async with asyncio.timeout(20):
        while true and not true():
            await asyncio.sleep(0.01)


async def test_who_trusts_the_authority_sees_the_leaf_and_the_next_one_without_a_restart(lan: Lan, time: Known) -> None:
    context = client(lan.authority)
    async with answering(lan):
        first = await shown(lan, context, lan.host)
        assert first == leaf_of(lan)
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await shown(lan, context, "localhost")
        with pytest.raises(ssl.SSLCertVerificationError):
            await shown(lan, ssl.create_default_context(), lan.host)
        time.at += timedelta(days=300)
        old_leaf = lan.authority.leaf
        renewing = asyncio.create_task(lan.renew())
        await turns(lambda: lan.authority.leaf is not old_leaf)
        await turns()
        assert not renewing.done()
        second = await shown(lan, context, lan.host)
        assert second == leaf_of(lan) != first
        renewing.cancel()
        await asyncio.wait([renewing])
        old, before = lan.host, lan.hosts
        await lan.reset()
        assert lan.host != old
        assert not before & lan.hosts
        with pytest.raises(ssl.SSLCertVerificationError):
            await shown(lan, context, lan.host)
        assert await shown(lan, client(lan.authority), lan.host) == leaf_of(lan)


async def test_a_leaf_that_is_young_stays_and_is_looked_at_again(
    lan: Lan, time: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lan_module, "RENEW_SECONDS", 0.001)
    first = lan.authority.leaf
    renewing = asyncio.create_task(lan.renew())
    await turns()
    assert lan.authority.leaf is first
    time.at += timedelta(days=300)
    await turns(lambda: lan.authority.leaf is not first)
    renewing.cancel()
    await asyncio.wait([renewing])


async def test_a_leaf_that_could_not_be_written_is_shown_all_the_same(lan: Lan, time: Known, tmp_path: Path) -> None:
    context = client(lan.authority)
    (tmp_path / "authority.new").mkdir()
    time.at += timedelta(days=300)
    with pytest.raises(StoreBroken):
        await lan.renew()
    async with answering(lan):
        assert await shown(lan, context, lan.host) == leaf_of(lan)


async def test_nothing_older_than_tls_1_2_and_no_weak_cipher(lan: Lan) -> None:
    assert lan.context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in lan.context.get_ciphers()]
    assert len(names) >= 5
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
    assert not [name for name in names if "CBC" in name or name.endswith("-SHA") or "RC4" in name]
    assert not lan.context.verify_mode


@pytest.mark.parametrize(
    ("port", "hosts", "url"),
    [(8443, {"{0}:8443"}, "https://{0}:8443"), (443, {"{0}", "{0}:443"}, "https://{0}")],
)
def test_what_a_request_may_call_us(lan: Lan, port: int, hosts: set[str], url: str) -> None:
    lan.port = port
    assert lan.hosts == {host.format(lan.host) for host in hosts}
    assert lan.url == url.format(lan.host)


NOT_ROOT = """
import ctypes, os, ssl, sys
from pathlib import Path
from agent.lan import tls
from privacy.authority import Authority
from privacy.seal import Keys
from privacy.clock import SystemClock
from privacy.timekeeping import TimeKeeper
time = TimeKeeper(SystemClock(), bytes(16), lambda: False, lambda: None, lambda note: None)
one = Authority.open_or_create(
    Path(sys.argv[1]) / "authority", Keys(bytes(32)).seal("authority"), draw=lambda: "gateway-00c0ffee.local",
    time=time, random_bytes=os.urandom,
)
tls.show(tls.server_context(), one.leaf, os.urandom)  # loads what it needs, which nobody may not read everywhere
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
before = set(os.listdir("/proc/self/fd"))
tls.show(tls.server_context(), one.leaf, os.urandom)
assert set(os.listdir("/proc/self/fd")) == before
print("shown")
"""


def test_a_process_that_may_not_be_dumped_can_show_it_and_leaves_nothing_open(tmp_path: Path) -> None:
    """The agent gives up that right, whereupon /proc/self belongs to root; it runs as nobody in particular."""
    done = subprocess.run(
        [sys.executable, "-c", NOT_ROOT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("shown\n", 0), done.stderr


# ----------------------------------------------------------------------------------------------- said on the network


class Network:
    """What the advertisement would meet; the real thing is in tests/peers."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ("192.0.2.1",)
        self.taken: set[str] | None = set()
        """Host names of others; None: all there are."""
        self.said: list[tuple[str, tuple[str, ...]]] = []
        self.gone = 0
        self.broken = False

    @asynccontextmanager
    async def advertised(
        self, what: Advertised, addresses: tuple[str, ...], *, insist: bool
    ) -> AsyncIterator[Standing]:
        if self.broken:
            raise LinkLost("no network")
        contested = self.taken is None or what.host in self.taken
        if insist or not contested:
            self.said.append((what.host, addresses))
            yield Standing(what.instances[0], contested)
            self.gone += 1
        else:
            yield Standing("", contested)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    one = Network()
    monkeypatch.setattr(lan_module, "advertised", one.advertised)
    monkeypatch.setattr(lan_module, "chosen", lambda _wanted: one.addresses)
    monkeypatch.setattr(lan_module, "LOOK_SECONDS", 0.001)
    return one


@asynccontextmanager
async def advertising(lan: Lan, network: Network) -> AsyncIterator[asyncio.Task[None]]:
    task, said = asyncio.create_task(lan.advertise()), len(network.said)
    await turns(lambda: not network.addresses or len(network.said) > said)
    yield task
    task.cancel()
    await asyncio.wait([task])


async def test_it_follows_the_addresses_of_the_machine(lan: Lan, network: Network) -> None:
    network.addresses = ()
    async with advertising(lan, network):
        await turns()
        assert network.said == []
        network.addresses = ("192.0.2.1",)
        await turns(lambda: network.said)
        network.addresses = ("192.0.2.7", "2001:db8::7")
        await turns(lambda: len(network.said) > 1)
        assert network.said == [(lan.host, ("192.0.2.1",)), (lan.host, ("192.0.2.7", "2001:db8::7"))]
        assert network.gone == 1


async def test_a_reset_is_said_at_once(lan: Lan, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan_module, "LOOK_SECONDS", 3600.0)
    async with advertising(lan, network):
        await lan.reset()
        await turns(lambda: len(network.said) > 1)
        assert [host for host, _ in network.said][1:] == [lan.host]


async def test_a_name_that_nobody_knows_is_given_up_and_one_that_phones_trust_is_not(
    lan: Lan, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    first = lan.host
    assert network.taken is not None
    network.taken.add(first)
    async with advertising(lan, network):
        assert lan.host != first
        assert [host for host, _ in network.said] == [lan.host]
        assert not caplog.records
    second = lan.host
    lan.authority.hand_out()
    network.taken.add(second)
    async with advertising(lan, network):
        assert lan.host == second
        assert network.said[-1][0] == second
        assert "is theirs" in caplog.text


async def test_who_claims_every_name_has_us_make_few(lan: Lan, network: Network) -> None:
    network.taken = None
    seen = {lan.host}
    async with advertising(lan, network):
        seen.add(lan.host)
        assert [host for host, _ in network.said] == [lan.host]
    assert lan._renames == MOST_RENAMES


async def test_a_network_that_refuses_is_the_supervisors(lan: Lan, network: Network) -> None:
    network.broken = True
    with pytest.raises(LinkLost):
        await lan.advertise()


async def test_its_addresses_are_those_that_are_configured(
    authority: Authority, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.advertisement.own_addresses", lambda: ("192.0.2.1", "192.0.2.9", "2001:db8::1"))
    one = Lan(LanConfig(port=0, addresses=("2001:DB8:0::1", "192.0.2.9")), authority, disk, os.urandom)
    assert one.addresses() == ("192.0.2.9", "2001:db8::1")
    one.close()
