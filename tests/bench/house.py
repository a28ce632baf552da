"""The house that the suites measure: the programs of the demo, started one by one, and the agent by hand."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from agent.backend.state import State
from agent.bench.figure import Unmeasurable
from agent.demo.layout import Layout, lay_out
from agent.demo.programs import programs
from agent.demo.readiness import wait_until_ready
from agent.demo.visitor import Visitor

PROGRAMS = Path(__file__).parent / "programs"
"""The references that are programs of their own."""
PATIENCE = 30.0
"""Seconds that anything may take before it counts as never."""
STOP_SECONDS = 8.0


@asynccontextmanager
async def running(
    *command: str | Path,
    log: Path,
    environ: dict[str, str] | None = None,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program for as long as the block lasts; what it says goes to `log`."""
    # setpriv: it ends with us, however we end.
    words = [needed("setpriv"), "--pdeathsig", "TERM", "--", *map(str, command)]
    with log.open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=stdin, stdout=stdout or said, stderr=said, env={**os.environ, **(environ or {})}
        )
    try:
        yield process
    finally:
        await ended(process)


async def ended(process: asyncio.subprocess.Process) -> None:
    """End it in an orderly way, or else by force."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(true: Callable[[], object], what: str) -> None:
    """Wait for something.

    Raises:
        Unmeasurable: it does not come true.
    """
    end = perf_counter() + PATIENCE
    while not true():
        if perf_counter() > end:
            raise Unmeasurable(f"waited {PATIENCE:.0f} s for {what}")
        await asyncio.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def needed(program: str) -> str:
    """The path of a program.

    Raises:
        Unmeasurable: it is not installed.
    """
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Unmeasurable(f"{program} is not installed", hint="`make dev` installs what is needed")
    return path


def portvakt() -> str:
    """The program, as an installation starts it."""
    return needed(str(Path(sys.executable).with_name("portvakt")))


@asynccontextmanager
async def furnished(place: Path) -> AsyncIterator[Layout]:
    """Broker, heat pump, camera and backend, each ready; no agent yet. Pictures at the usual pace, kept as usual."""
    async with AsyncExitStack() as stack:
        layout = stack.enter_context(lay_out(place, page_port=0, interval=10, keep=86_400))
        State(layout.backend).create_issuer("backend")
        commands = {program.name: program.command for program in programs(layout)}

        async def start(name: str, ready: Callable[[], object]) -> None:
            await stack.enter_async_context(running(*commands[name], log=place / "logs" / f"{name}.log"))
            await until(ready, f"the {name}")

        await start("broker", lambda: listens(layout.broker_port))
        await start("heat pump", (place / "heat-pump.tty").exists)
        await start("camera", lambda: listens(layout.camera_port))
        await start("backend", lambda: b"ready" in (place / "logs" / "backend.log").read_bytes())
        yield layout


class Notified:
    """The socket that systemd would give a service of type notify."""

    def __init__(self, place: Path) -> None:
        self._path = place / "notify"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)

    def __enter__(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self._path)}

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._path.unlink()

    async def ready(self) -> str:
        """Wait for READY=1; returns the status that came with it.

        Raises:
            Unmeasurable: it did not come.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    message = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                    lines = dict(line.split("=", 1) for line in message.decode().splitlines())
                    if lines.get("READY") == "1":
                        return lines.get("STATUS", "")
        except TimeoutError as error:
            raise Unmeasurable(
                f"it was not ready after {PATIENCE:.0f} s", hint="start it by hand to see why"
            ) from error


@asynccontextmanager
async def ready(
    *command: str | Path,
    place: Path,
    log: Path,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, float, str]]:
    """A program that has said READY=1: the process, after how many seconds that was, and its status line."""
    notified = Notified(place)
    with notified as environ:
        began = perf_counter()
        async with running(*command, log=log, environ=environ, stdin=stdin, stdout=stdout) as process:
            status = await notified.ready()
            yield process, perf_counter() - began, status


def agent_command(layout: Layout) -> Sequence[str]:
    """How the agent is started."""
    return (portvakt(), "run", "--config", str(layout.config))


@asynccontextmanager
async def lived_in(place: Path) -> AsyncIterator[Layout]:
    """A furnished house whose agent runs and has reached everything that is in it."""
    async with (
        furnished(place) as layout,
        ready(*agent_command(layout), place=place, log=place / "logs" / "agent.log") as (_, _, status),
    ):
        house = replace(layout, page_port=int(status.rpartition(":")[2]))
        await wait_until_ready(house, PATIENCE)
        yield house


async def admitted(house: Layout) -> dict[str, str]:
    """The cookies of a browser in which the owner of the house has signed in."""
    async with Visitor(house) as visitor:
        return await visitor.sign_in()
