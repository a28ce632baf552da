"""A HomeKit lamp on loopback: found, adopted, controlled, lost and found again; and impostors."""

import asyncio
import contextlib
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohomekit.protocol.tlv import TLV

from drivers.discovery import Appeared, Discovery, Endpoint, device_id
from drivers.errors import AdoptionFailed, LinkLost, Unsupported
from drivers.homekit import driver, pairing
from drivers.homekit.connection import Session
from drivers.homekit.driver import Adopted, HomeKitConnection, HomeKitLine, Patience, adopt, forget
from drivers.homekit.pairing import setup_code
from drivers.model import LEVEL, ON_OFF, TEMPERATURE, Found, Report

CODE = "031-45-154"
BRIEF = Patience(connect=0.5, reach=3, answer=1, poll=0.3, adopt=3)


class Lamp:
    """The simulated lamp, a process of its own."""

    def __init__(self, state: Path) -> None:
        self.name = f"Lamp {uuid4().hex[:6]}"
        self.state = state

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "drivers.simulated.lamp",
            "--state", str(self.state), "--name", self.name, "--code", CODE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.port = int((await self.says("ready"))["port"])

    async def says(self, key: str) -> dict[str, str]:
        """Its next line about `key`."""
        assert self.process.stdout
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                if key in (said := json.loads(line)):
                    return said
        pytest.fail("the lamp ended by itself")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(10):
            return await self.process.wait()

    def found(self) -> Found:
        """As discovery would tell it, without waiting for that."""
        mac = json.loads((self.state / "lamp.json").read_text())["mac"]
        return Found("homekit", device_id("homekit", mac), self.name, "", ("127.0.0.1",), self.port)

    def endpoints(self, _: str) -> tuple[Endpoint, ...]:
        return (("127.0.0.1", self.port),)


@pytest.fixture
async def lamp(tmp_path: Path) -> AsyncIterator[Lamp]:
    one = Lamp(tmp_path / "lamp")
    await one.start()
    yield one
    await one.end(signal.SIGKILL)


async def test_found_adopted_controlled_lost_and_found_again(lamp: Lamp) -> None:
    async with Discovery(["127.0.0.1"]) as watch:
        found = await seen(watch, lamp.name)
        assert found.pairable
        adopted = await adopt(found, CODE)
        assert [device.name for device in adopted.devices] == [lamp.name]
        line = HomeKitLine(adopted, watch.endpoints)

        async with line.connect() as connection:
            reports = connection.reports()
            assert {await told(reports), await told(reports)} == {("OnOff.OnOff", False), (LEVEL.name, 100.0)}
            await connection.send(found.id, ON_OFF, True)
            assert await lamp.says("on") == {"on": True}
            assert await told(reports) == ("OnOff.OnOff", True)
            await connection.send(found.id, LEVEL, 30.0)
            assert await lamp.says("brightness") == {"brightness": 30}
            assert await told(reports) == (LEVEL.name, 30.0)
            lamp.process.send_signal(signal.SIGUSR1)
            assert await told(reports) == ("OnOff.OnOff", False)

            await lamp.end(signal.SIGKILL)
            with pytest.raises(LinkLost):
                await told(reports)
            with pytest.raises(LinkLost):
                await connection.send(found.id, ON_OFF, True)
        with pytest.raises(LinkLost, match="cannot connect"):
            await stays_connected(line)

        before = lamp.port
        await lamp.start()
        assert lamp.port != before
        assert (await seen(watch, lamp.name, lamp.port)).pairable is False
        async with line.connect() as connection:
            assert await told(connection.reports()) == ("OnOff.OnOff", False)


async def test_a_wrong_code_is_said_and_a_right_one_still_works(lamp: Lamp) -> None:
    with pytest.raises(AdoptionFailed, match="the code is wrong") as failure:
        await adopt(lamp.found(), "999-99-998")
    assert "999" not in str(failure.value)
    await adopt(lamp.found(), CODE.replace("-", ""))


@pytest.mark.parametrize(("failures", "adopted"), [(2, True), (3, False)])
async def test_a_right_code_that_the_lamp_calls_wrong_is_tried_again(
    lamp: Lamp, monkeypatch: pytest.MonkeyPatch, failures: int, *, adopted: bool
) -> None:
    really, tried, refused = pairing.pair, 0, 0

    async def pair(session: Session, _: str, **how: Any) -> None:
        nonlocal tried, refused
        tried += 1
        try:
            await really(session, CODE if tried > failures else "999-99-998", **how)
        except pairing.WrongCode:
            refused += 1
            raise

    monkeypatch.setattr(pairing, "pair", pair)
    # Once in 81 times the lamp refuses the right code of the last attempt by itself (see `PAIR_ATTEMPTS`).
    for _ in range(4):
        tried, refused, said = 0, 0, ""
        try:
            await adopt(lamp.found(), CODE)
        except AdoptionFailed as failure:
            said = str(failure)
        assert tried == 3
        if refused == failures:
            break
    assert refused == failures
    assert ("the code is wrong" in said) is not adopted
    assert adopted is not bool(said)


async def test_what_is_adopted_is_refused_to_others_until_it_is_forgotten(lamp: Lamp) -> None:
    adopted = await adopt(lamp.found(), CODE)
    with pytest.raises(AdoptionFailed, match="somebody else's"):
        await adopt(lamp.found(), CODE)
    await forget(adopted, lamp.endpoints)
    with pytest.raises(LinkLost):
        await stays_connected(HomeKitLine(adopted, lamp.endpoints, patience=BRIEF))
    await adopt(lamp.found(), CODE)


async def test_a_device_that_is_not_what_was_announced_is_set_free_again(lamp: Lamp) -> None:
    with pytest.raises(AdoptionFailed, match="is not homekit-00000000"):
        await adopt(replace(lamp.found(), id="homekit-00000000"), CODE)
    await adopt(lamp.found(), CODE)


class Held:
    """An adoption has come to where the lamp is ours already, and stays there for longer than anybody waits."""

    def __init__(self) -> None:
        self.reached, self.released = asyncio.Event(), asyncio.Event()


@pytest.fixture(params=["its last answer", "its proof", "what it is"])
async def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Held:
    here = Held()

    def hold(module: Any, name: str, *, after: bool, applies: Callable[..., bool] = lambda *_: True) -> None:
        really = getattr(module, name)

        async def held(*arguments: Any, **named: Any) -> Any:
            if here.reached.is_set() or not applies(*arguments):
                return await really(*arguments, **named)
            result = await really(*arguments, **named) if after else None
            here.reached.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(4.5 if after else 3600):
                    await here.released.wait()
            return result

        monkeypatch.setattr(module, name, held)

    match request.param:
        case "its last answer":
            hold(Session, "exchange_tlv", after=True, applies=lambda *sent: (TLV.kTLVType_State, TLV.M5) in sent[2])
        case "its proof":
            hold(pairing, "verify", after=False)
        case "what it is":
            hold(driver, "_database", after=False)
    return here


@pytest.mark.parametrize("times", [1, 2])
async def test_an_adoption_that_is_cancelled_leaves_the_lamp_free(lamp: Lamp, held: Held, times: int) -> None:
    adopting = asyncio.create_task(adopt(lamp.found(), CODE))
    async with asyncio.timeout(20):
        await held.reached.wait()
        for _ in range(times):
            adopting.cancel()
            await asyncio.sleep(0.01)
            held.released.set()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await adopting
    await adopt(lamp.found(), CODE)


async def test_who_is_cancelled_while_the_lamp_is_set_free_ends_when_it_is(
    lamp: Lamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the lamp would be somebody else's for whoever tries next."""
    ours, freeing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    really = driver.forget

    async def stay(*_: object) -> None:
        ours.set()
        await asyncio.Event().wait()

    async def slowly(*which: Any, **how: Any) -> None:
        freeing.set()
        await go_on.wait()
        await really(*which, **how)

    async with asyncio.timeout(20):
        with monkeypatch.context() as patched:
            patched.setattr(driver, "_database", stay)
            patched.setattr(driver, "forget", slowly)
            adopting = asyncio.create_task(adopt(lamp.found(), CODE))
            for come_to in (ours, freeing, freeing):
                await come_to.wait()
                adopting.cancel()
                await asyncio.sleep(0.01)
                assert not adopting.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await adopting
        await adopt(lamp.found(), CODE)


async def test_what_is_not_cut_is_given_up_after_its_time() -> None:
    came_to_its_end = asyncio.Event()

    async def talk() -> None:
        await came_to_its_end.wait()

    talking = asyncio.create_task(pairing.uncut(talk(), 0.05))
    await asyncio.sleep(0)
    for _ in range(2):
        talking.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await talking
    came_to_its_end.set()


async def test_an_adoption_that_takes_too_long_leaves_the_lamp_free(lamp: Lamp, held: Held) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(AdoptionFailed, match="took longer than 4 s"):
            await adopt(lamp.found(), CODE, patience=replace(BRIEF, adopt=4, reach=30))
    assert held.reached.is_set()
    await adopt(lamp.found(), CODE)


async def test_a_lamp_that_is_lost_while_adopted_leaves_a_word(
    lamp: Lamp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(*_: object, **__: object) -> None:
        await lamp.end(signal.SIGKILL)
        raise LinkLost("gone")

    monkeypatch.setattr(pairing, "verify", gone)
    with pytest.raises(AdoptionFailed, match="gone"):
        await adopt(lamp.found(), CODE, patience=BRIEF)
    assert "reset it to factory settings" in caplog.text


async def test_a_written_value_is_reported_even_if_it_was_so_before(lamp: Lamp) -> None:
    async with adopted_and_open(lamp) as (connection, found):
        reports = connection.reports()
        assert {await told(reports), await told(reports)} == {("OnOff.OnOff", False), (LEVEL.name, 100.0)}
        await connection.send(found.id, ON_OFF, False)
        assert await told(reports) == ("OnOff.OnOff", False)


async def test_a_silent_device_is_lost_within_a_poll_and_an_answer(lamp: Lamp) -> None:
    async with adopted_and_open(lamp) as (connection, _):
        reports = connection.reports()
        await told(reports)
        await told(reports)
        lamp.process.send_signal(signal.SIGSTOP)
        with pytest.raises(LinkLost, match="no answer within 1 s"):
            await told(reports)


async def test_a_request_that_is_broken_off_ends_the_connection(lamp: Lamp) -> None:
    async with adopted_and_open(lamp) as (connection, found):
        lamp.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.send(found.id, ON_OFF, True)
        with pytest.raises(LinkLost, match="broken off"):
            await connection.send(found.id, ON_OFF, True)


async def test_what_it_cannot_do_is_said_and_costs_nothing(lamp: Lamp) -> None:
    async with adopted_and_open(lamp) as (connection, found):
        with pytest.raises(Unsupported):
            await connection.send(found.id, TEMPERATURE, 20.0)
        await connection.send(found.id, ON_OFF, True)


async def test_nothing_secret_is_logged_even_at_debug(lamp: Lamp, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        adopted = await adopt(lamp.found(), CODE)
        async with HomeKitLine(adopted, lamp.endpoints).connect() as connection:
            await connection.send(adopted.id, ON_OFF, True)
    for secret in (CODE, *adopted.secrets.values()):
        assert secret not in caplog.text
        assert secret not in repr(adopted)


async def test_the_record_of_an_adoption_survives_json(lamp: Lamp) -> None:
    adopted = await adopt(lamp.found(), CODE)
    assert Adopted.from_record(json.loads(json.dumps(adopted.to_record()))) == adopted
    with pytest.raises(Unsupported):
        Adopted.from_record({"id": 1})


async def test_sigterm_ends_the_lamp_cleanly(lamp: Lamp) -> None:
    assert await lamp.end() == 0


@pytest.mark.parametrize("text", ["", "031-45-15", "031-45-1544", "abc-de-fgh", "٠٣١-٤٥-١٥٤"])
def test_what_is_no_code_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(AdoptionFailed, match="123-45-678"):
        setup_code(text)


# What an impostor answers to a connection, or to each request.
IMPOSTORS = {
    "silence": b"",
    "bytes": b"\x00\xff\xfe" * 100,
    "endless": b"x" * 3_000_000,
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not TLV8": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\x06\x09",
    "empty key": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x06\x01\x02\x03\x01\x00\x02\x01\x00",
    "short key": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x06\x01\x02\x03\x01\x09\x05\x01\x00",
    "too much": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 9,
    "event": b"EVENT/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}" * 999,
    "an unknown protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", IMPOSTORS.values(), ids=IMPOSTORS)
async def test_an_impostor_is_one_clear_line_in_time(answer: bytes) -> None:
    async with impostor(answer) as port, asyncio.timeout(10):
        found = Found("homekit", "homekit-00000000", "X", "", ("127.0.0.1",), port)
        with pytest.raises(AdoptionFailed):
            await adopt(found, CODE, patience=BRIEF)
        adopted = Adopted(found.id, (), ("127.0.0.1", port), SECRETS)
        with pytest.raises(LinkLost):
            await stays_connected(HomeKitLine(adopted, lambda _: (), patience=BRIEF))


async def test_nobody_there_is_one_clear_line() -> None:
    async with impostor(b"") as port:
        pass
    with pytest.raises(AdoptionFailed, match=r"cannot connect to 127\.0\.0\.1"):
        await adopt(Found("homekit", "homekit-00000000", "X", "", ("127.0.0.1",), port), CODE)


async def test_a_forged_announcement_does_not_hide_the_device(lamp: Lamp) -> None:
    adopted = await adopt(lamp.found(), CODE)
    async with impostor(b"") as elsewhere:
        moved = replace(adopted, endpoint=("127.0.0.1", elsewhere))
        line = HomeKitLine(moved, lamp.endpoints, patience=BRIEF)
        async with line.connect() as connection:
            assert await told(connection.reports()) == ("OnOff.OnOff", False)


async def test_another_real_lamp_in_its_place_does_not_pass_for_it(lamp: Lamp, tmp_path: Path) -> None:
    adopted = await adopt(lamp.found(), CODE)
    other = Lamp(tmp_path / "other")
    await other.start()
    try:
        line = HomeKitLine(replace(adopted, endpoint=("127.0.0.1", other.port)), other.endpoints, patience=BRIEF)
        with pytest.raises(LinkLost, match="did not prove"):
            await stays_connected(line)
    finally:
        await other.end(signal.SIGKILL)


def test_bluetooth_is_never_loaded() -> None:
    code = "import sys, drivers.homekit.driver; sys.exit('bleak' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SECRETS = {
    "AccessoryPairingID": "AA:BB:CC:00:11:22",
    "AccessoryLTPK": "00" * 32,
    "iOSPairingId": "4b2f6a52-3c1f-4d8e-9f11-0d5a0c6f7e10",
    "iOSDeviceLTSK": "00" * 32,
    "iOSDeviceLTPK": "00" * 32,
}


async def seen(watch: Discovery, name: str, port: int | None = None) -> Found:
    """The lamp's announcement; it adds four digits of its id to its name."""
    async with asyncio.timeout(15):
        async for change in watch:
            if isinstance(change, Appeared) and change.found.model == name and port in {None, change.found.port}:
                return change.found
    pytest.fail(f"{name} was not found")


async def told(reports: AsyncIterator[object]) -> tuple[str, object]:
    async with asyncio.timeout(10):
        report = await anext(reports)
    assert isinstance(report, Report)
    return report.capability, report.value


async def stays_connected(line: HomeKitLine) -> None:
    async with line.connect():
        pass


@contextlib.asynccontextmanager
async def adopted_and_open(lamp: Lamp) -> AsyncIterator[tuple[HomeKitConnection, Found]]:
    found = lamp.found()
    async with HomeKitLine(await adopt(found, CODE), lamp.endpoints, patience=BRIEF).connect() as connection:
        yield connection, found


@contextlib.asynccontextmanager
async def impostor(answer: bytes) -> AsyncIterator[int]:
    """A TCP server that says `answer` to everything; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(4096):
                writer.write(answer)
                await writer.drain()
        writer.close()

    server: asyncio.Server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
