"""The programs of the demo, each a process of its own under the supervisor. Kill one: it comes back."""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.demo.layout import LAMP_CODE, Layout
from agent.errors import AgentError
from agent.supervisor import Service

PAUSE_SECONDS = 5.0
"""Before a program that ended is started again: longer than the agent goes without asking for it (a camera's
interval is the longest), or nobody would ever see on the page that it was gone."""
STOP_SECONDS = 4.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ProgramEnded(AgentError):
    """A program of the demo ended, or cannot be started."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of them."""

    name: str
    command: Sequence[str]
    log: Path
    """Where its output goes."""

    def service(self, started: Callable[[str, int], None]) -> Service:
        """It as a service; `started` is told its name and process id each time."""

        async def run() -> None:
            await self._run(started)

        return Service(self.name, run, (ProgramEnded,))

    async def _run(self, started: Callable[[str, int], None]) -> None:
        with self.log.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent
                )
            except OSError as error:
                raise ProgramEnded(f"{self.command[0]} cannot be started: {error.strerror}") from error
        started(self.name, process.pid)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                await _end(process)
        await asyncio.sleep(PAUSE_SECONDS)
        raise ProgramEnded(f"{self.name} ended with {code}", hint=f"what it said is in {self.log}")


def programs(layout: Layout) -> tuple[Program, ...]:
    """Everything that the house consists of, the agent last.

    Raises:
        ProgramEnded: no broker is installed.
    """
    mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        raise ProgramEnded("the broker mosquitto is not installed", hint="sudo apt-get install mosquitto")
    python = [sys.executable, "-m"]
    root, host = layout.root, "127.0.0.1"
    commands: dict[str, Sequence[str]] = {
        "broker": [mosquitto, "-c", str(root / "mosquitto.conf")],
        "heat pump": [*python, "drivers.simulated.heat_pump", "--port", str(root / "heat-pump.tty")],
        "lamp": [
            *python, "drivers.simulated.lamp", "--address", host, "--port", str(layout.lamp_port),
            "--code", LAMP_CODE, "--state", str(root / "lamp"), "--name", "Hall lamp",
        ],
        "camera": [
            *python, "drivers.simulated.camera", "--address", host, "--port", str(layout.camera_port),
            "--user", "portvakt", "--password-file", str(root / "camera-password"), "--auth", "digest",
        ],
        "backend": [
            *python, "agent", "backend", "serve", "--dir", str(layout.backend),
            "--host", host, "--port", str(layout.broker_port),
        ],
        "agent": [*python, "agent", "run", "--config", str(layout.config)],
    }  # fmt: skip
    return tuple(
        Program(name, command, root / "logs" / f"{name.replace(' ', '-')}.log") for name, command in commands.items()
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        # Not `asyncio.timeout`: in a task that is being cancelled, Debian 12's 3.11.2 lets none expire.
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _die_with_parent() -> None:
    """In the child: end when the demo ends, however that happens. And leave Ctrl-C to the demo."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setpgid(0, 0)
