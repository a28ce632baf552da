"""The gateway on a LAN, seen from another machine: avahi finds it, curl and chromium trust its name and no other."""

import asyncio
import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.config.model import Lan as LanConfig
from agent.lan import names, tls
from agent.lan.contract import TrustBody, TrustView
from agent.lan.lan import Lan, open_authority
from agent.lan.listener import Listener
from agent.lan.trust import SERVICE, TrustDesk
from agent.supervisor import Service, Supervisor
from drivers.advertisement import advertised
from privacy.authority import Leaf
from privacy.certificates import PrivateKey, make_leaf, new_key
from privacy.clock import SystemClock
from privacy.moment import Moment
from privacy.seal import Keys
from privacy.store import Disk
from tests.peers.cable import OURS, Namespaces
from tests.peers.phone import Phone, Said, phone

pytestmark = [pytest.mark.peer, pytest.mark.root]

WORDS = "The house answers"
AUTHORITY_INVALID = "net_error -202"
NOT_OF_THIS_NAME = ("net_error -207", "net_error -212")  # ERR_CERT_INVALID, ERR_CERT_NAME_CONSTRAINT_VIOLATION
T = TypeVar("T")


class Years:
    """Time that is known; 300 days ago at first, so that a leaf is valid today and due to be renewed."""

    known = True

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.ago = timedelta(days=300)

    def now(self) -> datetime:
        return self._clock.now() - self.ago

    def moment(self) -> Moment:
        raise AssertionError("asked for where time is not known")


class Gateway:
    """Our end: the listener and the announcement as the agent has them, and a page of two words."""

    def __init__(self, state: Path) -> None:
        clock = SystemClock()
        self.time = Years(clock)
        self.keys = Keys(os.urandom(32))
        self.authority = open_authority(state, self.keys, self.time)
        self.disk = Disk()
        self.lan = Lan(LanConfig(port=0), self.authority, self.disk, os.urandom)
        self.supervisor = Supervisor()
        self.trust = TrustDesk(
            self.lan, disk=self.disk, supervisor=self.supervisor, clock=clock, random_bytes=os.urandom
        )

    async def page(self, request: web.Request) -> web.Response:
        if request.headers["Host"] not in self.lan.hosts:
            return web.Response(status=421)
        return web.Response(text=f"<p>{WORDS}</p>", content_type="text/html")

    async def serve(self, stack: AsyncExitStack) -> None:
        app = web.Application()
        app.router.add_get("/", self.page)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(self.lan.close)
        self.supervisor.start(Service("lan page", Listener(self.lan, runner).run))
        stack.push_async_callback(self.supervisor.stop, "lan page")
        stack.callback(self.disk.close)
        stack.push_async_callback(self.supervisor.stop, SERVICE)


@contextlib.asynccontextmanager
async def on_the_lan(gateway: Gateway, far: Phone) -> AsyncIterator[None]:
    """Announced, and seen at the other end."""
    announcing = asyncio.create_task(gateway.lan.advertise())
    try:
        await until(lambda: services(far), lambda found: any(one.host == gateway.lan.host for one in found))
        yield
    finally:
        announcing.cancel()
        await asyncio.wait([announcing])


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    async with asyncio.timeout(40):
        while not good(seen := await look()):
            await asyncio.sleep(0.2)
    return seen


class Seen(NamedTuple):
    instance: str
    host: str
    address: str
    port: int
    txt: str


async def services(far: Phone) -> list[Seen]:
    """What avahi finds."""
    said = await far.run("avahi-browse", "-rpt", "_portvakt._tcp")
    lines = [line.split(";") for line in said.out.splitlines() if line.startswith("=")]
    return [Seen(line[3], line[6], line[7], int(line[8]), line[9]) for line in lines]


@pytest.fixture
async def gateway(cable: Namespaces, tmp_path: Path) -> AsyncIterator[Gateway]:
    one = Gateway(tmp_path)
    async with AsyncExitStack() as stack:
        await one.serve(stack)
        yield one


@pytest.fixture
async def far(cable: Namespaces, tmp_path: Path) -> AsyncIterator[Phone]:
    home = tmp_path / "phone"
    home.mkdir()
    async with phone(cable, home) as one:
        yield one


async def fetched(far: Phone, url: str) -> Path:
    """The certificate from the page that hands it out, as PEM for curl."""
    der, pem = far.home / "gateway.crt", far.home / "gateway.pem"
    assert (await far.run("curl", "-sSf", "-o", str(der), f"{url}gateway.crt")).code == 0
    pem.write_bytes(x509.load_der_x509_certificate(der.read_bytes()).public_bytes(Encoding.PEM))
    return pem


async def test_avahi_finds_name_and_service_and_sees_them_go(gateway: Gateway, far: Phone) -> None:
    host = gateway.lan.host
    async with on_the_lan(gateway, far):
        (seen,) = await services(far)
        assert seen.instance == f"Gateway-{host[8:12]}"
        assert (seen.host, seen.address, seen.port) == (host, OURS, gateway.lan.port)
        said = {"txtvers=1", "api=1", f"id={host[8:16]}", "tls=1"}
        assert set(shlex.split(seen.txt)) == said
        assert (await far.run("avahi-resolve", "-n4", host)).out.split() == [host, OURS]
    await until(lambda: services(far), lambda found: not found)


async def test_a_name_that_was_reset_is_announced_anew_and_the_old_one_is_nobodys(gateway: Gateway, far: Phone) -> None:
    async with on_the_lan(gateway, far):
        old = gateway.lan.host
        view = await gateway.trust.open(TrustBody(reset=True))
        assert gateway.lan.host != old
        await until(lambda: services(far), lambda found: [one.host for one in found] == [gateway.lan.host])
        pem = await fetched(far, view.url)
        assert WORDS in (await far.run("curl", "-sS", "--cacert", str(pem), gateway.lan.url)).out


async def test_a_neighbour_with_our_names(gateway: Gateway, far: Phone) -> None:
    """Its service is left alone; the host name is given up only while nobody knows us by it."""
    first = gateway.lan.host
    instances = names.instances(first)
    others = [
        await far.start("avahi-publish", "-s", instances[0], "_portvakt._tcp", "9"),
        await far.start("avahi-publish", "-a", "-R", first, "10.77.0.2"),
    ]
    try:
        await until(lambda: far.run("avahi-resolve", "-n4", first), lambda said: "10.77.0.2" in said.out)
        announcing = asyncio.create_task(gateway.lan.advertise())
        await until(lambda: services(far), lambda found: any(one.host == gateway.lan.host for one in found))
        assert gateway.lan.host != first
        announcing.cancel()
        await asyncio.wait([announcing])

        second = gateway.lan.host
        await gateway.disk.run(gateway.authority.hand_out)
        others += [
            await far.start("avahi-publish", "-s", names.instances(second)[0], "_portvakt._tcp", "9"),
            await far.start("avahi-publish", "-a", "-R", second, "10.77.0.2"),
        ]
        await until(lambda: far.run("avahi-resolve", "-n4", second), lambda said: "10.77.0.2" in said.out)
        async with on_the_lan(gateway, far):
            assert gateway.lan.host == second
            ours = next(one for one in await services(far) if one.host == second and one.address == OURS)
            assert ours.instance == names.instances(second)[1]
    finally:
        for other in others:
            with contextlib.suppress(ProcessLookupError):
                other.terminate()
            await other.wait()


async def test_curl_trusts_the_name_with_the_certificate_and_not_without(gateway: Gateway, far: Phone) -> None:
    url = gateway.lan.url
    view = await gateway.trust.open(TrustBody())
    async with on_the_lan(gateway, far):
        assert (await far.run("curl", "-sS", url)).code == 60
        pem = await fetched(far, view.url)
        said = await far.run("curl", "-sSv", "--cacert", str(pem), url)
        assert WORDS in said.out
        assert "TLSv1.3" in said.err
        old = await far.run("curl", "-sS", "--cacert", str(pem), "--tls-max", "1.1", url)
        assert (old.code, old.out) == (35, "")
        by_address = await far.run("curl", "-sS", "--cacert", str(pem), f"https://{OURS}:{gateway.lan.port}")
        assert (by_address.code, by_address.out) == (60, "")
        # Renewed while it listens: the next connection is shown the new one.
        gateway.time.ago = timedelta()
        renewing = asyncio.create_task(gateway.lan.renew())
        shown = gateway.authority.leaf
        await until(lambda: asyncio.sleep(0), lambda _: gateway.authority.leaf is not shown)
        renewing.cancel()
        await asyncio.wait([renewing])
        again = await far.run("curl", "-sSv", "--cacert", str(pem), url)
        assert WORDS in again.out
        assert serial(again) != serial(said)


def serial(said: Said) -> str:
    return next(line for line in said.err.splitlines() if "expire date" in line)


async def test_a_browser_opens_the_house_by_name_once_it_has_the_certificate(gateway: Gateway, far: Phone) -> None:
    view = await gateway.trust.open(TrustBody())
    async with on_the_lan(gateway, far):
        before = await far.browse(gateway.lan.url)
        assert WORDS not in before.out
        assert AUTHORITY_INVALID in before.err
        page = await far.browse(view.url)
        assert gateway.lan.url in page.out
        await fetched(far, view.url)
        await far.trust(far.home / "gateway.crt")
        assert WORDS in (await far.browse(gateway.lan.url)).out


@pytest.mark.parametrize("bound", [True, False])
async def test_who_steals_the_authority_can_be_nobody_else(gateway: Gateway, far: Phone, *, bound: bool) -> None:
    """A server of another name with a certificate of our authority; and of one that is not bound to its name."""
    other = "gateway-0badbad0.local"
    issuer = gateway.authority._issuer
    signer = issuer.certificate if bound else unbound(issuer.certificate, issuer.key)
    (far.home / "gateway.crt").write_bytes(signer.public_bytes(Encoding.DER))
    (far.home / "gateway.pem").write_bytes(signer.public_bytes(Encoding.PEM))
    await far.trust(far.home / "gateway.crt")
    key, leaf = new_key(), gateway.authority.leaf
    made = make_leaf(signer, issuer.key, key, [other], leaf.begins, leaf.ends, 7)
    tls.show(gateway.lan.context, Leaf(made, key), os.urandom)
    url = f"https://{other}:{gateway.lan.port}"
    async with advertised(names.advertisement(other, gateway.lan.port), [OURS], insist=False):
        await until(lambda: far.run("avahi-resolve", "-n4", other), lambda said: OURS in said.out)
        curl = await far.run("curl", "-sSo", "/dev/null", "--cacert", str(far.home / "gateway.pem"), url)
        browser = await far.browse(url)
    if bound:
        assert curl.code == 60
        assert "permitted subtree violation" in curl.err
        assert any(error in browser.err for error in NOT_OF_THIS_NAME)
    else:
        assert curl.code == 0
        assert "net_error" not in browser.err


async def test_the_agent_itself(cable: Namespaces, far: Phone, tmp_path: Path) -> None:
    """From a configuration to the page on a phone: `portvakt run`, `portvakt trust`, scan, install, open."""
    config = tmp_path / "portvakt.toml"
    config.write_text(
        'version = 1\ngateway = { id = "gw-1", state_dir = "state" }\napi = { port = 0, socket = "api.sock" }\n'
        "discovery = { interfaces = [] }\nlan = { port = 8443 }\n"
    )
    portvakt = str(Path(sys.executable).with_name("portvakt"))
    agent = await asyncio.create_subprocess_exec(portvakt, "run", "--config", str(config), stderr=subprocess.PIPE)
    try:
        (seen,) = await until(lambda: services(far), bool)
        asked = await asyncio.create_subprocess_exec(
            portvakt, "trust", "--json", "--socket", str(tmp_path / "api.sock"), stdout=subprocess.PIPE
        )
        view = msgspec.json.decode((await asked.communicate())[0], type=TrustView)
        assert view.page == f"https://{seen.host}:8443"
        assert seen.port == 8443
        assert "net_error -202" in (await far.browse(view.page)).err
        pem = await fetched(far, view.url)
        assert x509.load_pem_x509_certificate(pem.read_bytes()).fingerprint(SHA256()).hex(":").upper() == (
            view.fingerprint
        )
        await far.trust(far.home / "gateway.crt")
        said = await far.run("curl", "-sSi", "--cacert", str(pem), f"{view.page}/api/who")
        assert "HTTP/1.1 200" in said.out
        assert "Strict-Transport-Security: max-age=" in said.out
        shown = await far.browse(view.page)
        assert "net_error" not in shown.err
        assert "<title>Portvakt" in shown.out
        # The house itself is nobody's who has not signed in.
        asked_state = await far.run(
            "curl", "-sSo", "/dev/null", "-w", "%{http_code}", "--cacert", str(pem), f"{view.page}/api/state"
        )
        assert asked_state.out in {"401", "403"}
    finally:
        agent.terminate()
        _, err = await agent.communicate()
    assert agent.returncode == 0, err


def unbound(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """The same without its name constraints."""
    builder = (
        x509.CertificateBuilder(certificate.issuer, certificate.subject, key.public_key(), certificate.serial_number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        if not isinstance(extension.value, x509.NameConstraints):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, SHA256())
