"""The live feed: state first, then what changes; nobody slow holds up anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.api import feed
from agent.api.permission import Caller
from agent.api.server import serve
from agent.rights.grants import Actor
from agent.rights.household import Membership, Person, household
from privacy.clock import SystemClock
from privacy.hold import Role
from tests.agent.open_door import open_door

House = Any
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def client(api_house: House) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url,
        aiohttp.ClientSession(url, headers={"Origin": url}) as session,
    ):
        yield session


async def test_state_first_then_each_changed_section(client: aiohttp.ClientSession, api_house: House) -> None:
    async with client.ws_connect("/api/ws") as listener:
        first = await listener.receive_json(timeout=10)
        assert first["type"] == "state"
        assert first["state"]["gateway"] == "Gateway-4f2a"
        assert first["now"]
        api_house.report("lamp", "OnOff.OnOff", value=True)
        change = await listener.receive_json(timeout=10)
        assert (change["type"], change["section"]) == ("change", "devices")
        assert change["value"][1]["capabilities"][0]["reported"]["value"] is True


async def test_many_changes_melt_into_few_messages(client: aiohttp.ClientSession, api_house: House) -> None:
    async with client.ws_connect("/api/ws") as listener:
        await listener.receive_json(timeout=10)
        for value in range(500):
            api_house.report("lamp", "LevelControl.CurrentLevel", float(value))
        seen = 0
        level = None
        while level != 499:
            change = await listener.receive_json(timeout=10)
            level = change["value"][1]["capabilities"][1]["reported"]["value"]
            seen += 1
    assert seen < 10


async def test_nothing_is_lost_between_the_state_and_the_first_change(
    client: aiohttp.ClientSession, api_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change in the very moment in which the state is read must still arrive."""
    state = api_house.state

    def state_then_change() -> object:
        before = state()
        api_house.report("lamp", "OnOff.OnOff", value=True)
        return before

    monkeypatch.setattr(api_house, "state", state_then_change)
    async with client.ws_connect("/api/ws") as listener:
        first = await listener.receive_json(timeout=10)
        assert first["state"]["devices"][1]["capabilities"][0]["reported"]["value"] is False
        change = await listener.receive_json(timeout=10)
        assert change["value"][1]["capabilities"][0]["reported"]["value"] is True


async def test_a_beat_when_nothing_changes(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.05)
    async with client.ws_connect("/api/ws") as listener:
        await listener.receive_json(timeout=10)
        beat = await listener.receive_json(timeout=10)
    assert beat["type"] == "beat"
    assert beat["now"]


async def deaf_listener(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One that asks to be told everything, and reads none of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    host = url.removeprefix("http://")
    writer.write(
        f"GET /api/ws HTTP/1.1\r\nHost: {host}\r\nOrigin: {url}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    return reader, writer


async def test_a_listener_that_does_not_read_is_dropped(api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(feed, "GATHER_SECONDS", 0)
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
        _reader, writer = await deaf_listener(url)

        async def until_dropped() -> None:
            n = 0
            while api_house._changes._followers:
                n += 1
                api_house.set_device("lamp", name="x" * 100_000 + str(n))
                await asyncio.sleep(0.001)

        async with asyncio.timeout(60):
            await asyncio.sleep(0.1)
            assert api_house._changes._followers
            await until_dropped()
        async with aiohttp.ClientSession(url) as session, session.get("/api/health") as response:
            assert response.status == 200  # nobody else noticed
        writer.close()


async def test_listeners_are_counted(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LISTENERS", 1)
    async with client.ws_connect("/api/ws"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await client.ws_connect("/api/ws")
        assert error.value.status == 503
    for _ in range(100):  # the place is free again once the first has gone
        try:
            async with client.ws_connect("/api/ws") as listener:
                await listener.receive_json(timeout=10)
                return
        except aiohttp.WSServerHandshakeError:
            await asyncio.sleep(0.05)
    pytest.fail("the place of a listener that left stayed taken")


async def test_stopping_says_goodbye(api_house: House) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
            listener = await session.ws_connect(f"{url}/api/ws", origin=url)
            await listener.receive_json(timeout=10)
            goodbye = asyncio.create_task(listener.receive())
        message = await goodbye
    assert message.type == aiohttp.WSMsgType.CLOSE
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY


async def test_stopping_does_not_wait_for_a_listener_that_is_asleep(api_house: House) -> None:
    async with (
        asyncio.timeout(5),  # the supervisor gives up after that
        aiohttp.ClientSession() as session,
        serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url,
    ):
        listener = await session.ws_connect(f"{url}/api/ws", origin=url)
        await listener.receive_json(timeout=10)


async def test_stopping_does_not_wait_for_a_listener_that_does_not_read(api_house: House) -> None:
    async with asyncio.timeout(15):  # it would be for ever
        async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
            _reader, writer = await deaf_listener(url)
            for number in range(20):  # more than the buffers between us take
                api_house.set_device("lamp", name="x" * 1_000_000 + str(number))
                await asyncio.sleep(0.05)
        writer.close()


def somebody(person: str) -> Caller:
    return Caller(Actor(person), session=person)


async def test_nobody_takes_the_places_of_the_others(api_house: House) -> None:
    who = somebody("p1")

    async def identify(_request: web.Request) -> Caller:
        return who

    people = [Person(id=id_, memberships=(Membership(role=Role.GUEST, since=LONG_AGO),)) for id_ in ("p1", "p2")]
    door = open_door(api_house, household=lambda: household(people), identify=identify)
    async with (
        serve(api_house, door=door, clock=SystemClock(), port=0, socket_path=None) as url,
        aiohttp.ClientSession(url, headers={"Origin": url}) as session,
        AsyncExitStack() as pages,
    ):
        for _ in range(feed.OF_ONE):
            await pages.enter_async_context(session.ws_connect("/api/ws"))
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await session.ws_connect("/api/ws")
        assert error.value.status == 503
        who = somebody("p2")
        other = await pages.enter_async_context(session.ws_connect("/api/ws"))
        assert (await other.receive_json(timeout=10))["type"] == "state"


async def test_a_program_whose_token_has_ended_hears_no_more(api_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.05)
    people = [Person(id="p1", memberships=(Membership(role=Role.GUEST, since=LONG_AGO),))]
    door = open_door(api_house, caller=somebody("p1"), household=lambda: household(people))
    async with (
        serve(api_house, door=door, clock=SystemClock(), port=0, socket_path=None) as url,
        aiohttp.ClientSession(url, headers={"Origin": url}) as session,
        session.ws_connect("/api/ws") as listener,
    ):
        await listener.receive_json(timeout=10)
        people.clear()
        async with asyncio.timeout(10):
            async for _ in listener:
                pass
        assert listener.close_code == feed.SIGNED_OUT
