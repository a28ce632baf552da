"""Connections on the LAN: who gets one, and what becomes of those who ask for too many or say nothing."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web

from agent.lan import listener as listener_module
from agent.lan.lan import Lan
from agent.lan.listener import Listener
from tests.agent.lan.test_lan import client


class Page(NamedTuple):
    lan: Lan
    listener: Listener
    task: asyncio.Task[None]
    runner: web.AppRunner

    async def ask(self) -> str:
        """As a phone does that trusts us."""
        connector = aiohttp.TCPConnector(ssl=client(self.lan.authority), resolver=Here())
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self.lan.url) as response,
        ):
            return await response.text()

    async def connect(self) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", self.lan.port))
        return one


class Here(aiohttp.abc.AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [aiohttp.abc.ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def ended(one: socket.socket) -> bytes:
    """What it is told until the other side hangs up."""
    heard = b""
    async with asyncio.timeout(10):
        try:
            while more := await asyncio.get_running_loop().sock_recv(one, 4096):
                heard += more
        except ConnectionResetError:
            pass
    one.close()
    return heard


@pytest.fixture
async def page(lan: Lan) -> AsyncIterator[Page]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listener = Listener(lan, runner)
        task = asyncio.create_task(listener.run())
        yield Page(lan, listener, task, runner)
        task.cancel()
        await asyncio.wait([task])
        assert not listener._greeted


async def test_a_phone_that_trusts_us_is_served(page: Page) -> None:
    assert await asyncio.gather(*(page.ask() for _ in range(5))) == ["hello"] * 5


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(300), b"\0" * 99]
)
async def test_what_is_no_tls_gets_no_page_and_troubles_nobody(page: Page, said: bytes) -> None:
    one = await page.connect()
    await asyncio.get_running_loop().sock_sendall(one, said)
    one.shutdown(socket.SHUT_WR)
    assert b"hello" not in await ended(one)
    assert await page.ask() == "hello"
    assert not page.task.done()


async def test_who_says_nothing_is_hung_up_on(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "HANDSHAKE_SECONDS", 0.05)
    assert await ended(await page.connect()) == b""


async def test_one_address_gets_so_many_and_others_still_get_in(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MOST_OF_ONE", 3)
    context = client(page.lan.authority)
    async with asyncio.timeout(10):
        standing = [
            await asyncio.open_connection("127.0.0.1", page.lan.port, ssl=context, server_hostname=page.lan.host)
            for _ in range(2)
        ]
        silent = await page.connect()
        assert await ended(await page.connect()) == b""
        with pytest.raises((aiohttp.ClientError, OSError)):
            await page.ask()
        other = socket.socket()
        other.setblocking(False)
        other.bind(("127.0.0.9", 0))
        await asyncio.get_running_loop().sock_connect(other, ("127.0.0.1", page.lan.port))
        reader, writer = await asyncio.open_connection(sock=other, ssl=context, server_hostname=page.lan.host)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        # Who leaves makes room.
        silent.close()
        for _, leaving in [*standing, (reader, writer)]:
            leaving.close()
        while page.runner.server and page.runner.server.connections:
            await asyncio.sleep(0.01)
    assert await page.ask() == "hello"


async def test_all_together_get_so_many(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MOST", 2)
    first = [await page.connect() for _ in range(2)]
    assert await ended(await page.connect()) == b""
    for one in first:
        one.close()
    async with asyncio.timeout(10):
        while page.listener._greeted:
            await asyncio.sleep(0.01)
    assert await page.ask() == "hello"


async def test_without_descriptors_it_waits_and_goes_on(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener_module, "SHORT_SECONDS", 0.001)
    loop = asyncio.get_running_loop()
    real, short = loop.sock_accept, [True, True]

    async def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        if short:
            short.pop()
            raise OSError(errno.EMFILE, "Too many open files")
        return await real(listening)

    monkeypatch.setattr(loop, "sock_accept", accept)
    assert await page.ask() == "hello"  # accepted by the call that was under way
    assert await page.ask() == "hello"
    assert caplog.text.count("Too many open files") == 2


async def test_what_stands_at_the_end_is_closed(page: Page) -> None:
    context = client(page.lan.authority)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", page.lan.port, ssl=context, server_hostname=page.lan.host
    )
    silent = await page.connect()
    await asyncio.sleep(0.05)
    page.task.cancel()
    await asyncio.wait([page.task])
    await page.runner.cleanup()
    assert await reader.read() == b""
    assert await ended(silent) == b""
    writer.close()


async def test_a_runner_that_is_not_set_up_is_a_mistake(lan: Lan) -> None:
    with pytest.raises(ValueError, match="not set up"):
        Listener(lan, web.AppRunner(web.Application()))


def test_a_connection_that_is_gone_has_no_address() -> None:
    class Gone:
        transport = None

    assert listener_module._address(Gone()) == ""  # type: ignore[arg-type]
