"""The agent as a process: how long it takes to start, and what it costs while nothing happens."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from statistics import median

from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from agent.demo.layout import Layout
from tests.bench.house import PROGRAMS, agent_command, ended, furnished, ready, running
from tests.bench.measure import in_turn

STARTS = 7
IDLE_SECONDS = 20.0
SETTLE_SECONDS = 4.0
"""From READY until the first polls, the first picture, hello and the first log batch are over."""
POLL_SECONDS = 1.0
"""The pace at which the agent polls a serial line (`ModbusLine`)."""

HOUSE = "one serial line, one camera (a picture each 10 s), mosquitto, a backend, discovery on loopback"
BARE = "a bare Python that imports the same third-party modules"


async def start_to_ready(place: Path) -> Sequence[Figure]:
    """From the start of the process to READY=1, in turn with the floor."""
    async with furnished(place) as layout:
        modules = await _census(layout)

        async def ours() -> float:
            async with ready(*agent_command(layout), place=place, log=place / "logs" / "agent.log") as (_, took, _):
                return took

        async def reference() -> float:
            async with _bare(place, modules) as (_, took, _):
                return took

        costs = await in_turn(STARTS, {"ours": ours, "reference": reference})
    return [
        figure(
            "start_to_ready_s",
            median(costs["ours"]),
            median(costs["reference"]),
            reference_name=f"{BARE} and says READY=1",
            unit="s",
            n=STARTS,
            note=f"Median; {HOUSE}. A new process each time, its files in the page cache, the state directory there.",
        )
    ]


async def idle(place: Path) -> Sequence[Figure]:
    """Memory and processor time of the main process while nobody asks for anything."""
    async with furnished(place) as layout:
        modules = await _census(layout)
        async with ready(*agent_command(layout), place=place, log=place / "logs" / "agent.log") as (process, _, _):
            await asyncio.sleep(SETTLE_SECONDS)
            worker = _children(process.pid)
            worker_before = sum(map(_cpu_seconds, worker))
            share = await _cpu_share(process.pid)
            worker_share = (sum(map(_cpu_seconds, worker)) - worker_before) / IDLE_SECONDS
            rss, pss = _memory_mb(process.pid, "Rss"), _memory_mb(process.pid, "Pss")
            worker_rss = sum(_memory_mb(pid, "Rss") for pid in worker)
        async with _bare(place, modules) as (process, _, _):
            await asyncio.sleep(1)
            bare_rss, bare_pss = _memory_mb(process.pid, "Rss"), _memory_mb(process.pid, "Pss")
        bare_share = await _bare_polling(place, layout)
    return [
        figure(
            "rss_idle_mb",
            rss,
            bare_rss,
            reference_name=BARE,
            unit="MB",
            n=1,
            note=f"The main process after {IDLE_SECONDS:.0f} s; {HOUSE}. PSS {pss:.1f} MB against {bare_pss:.1f} MB. "
            f"The decoding worker, a process of its own, has {worker_rss:.1f} MB besides.",
        ),
        figure(
            "cpu_idle_share",
            share,
            bare_share,
            reference_name=f"a bare pymodbus loop that reads the same registers each {POLL_SECONDS:g} s, nothing else",
            unit="of a core",
            n=1,
            note=f"The main process over {IDLE_SECONDS:.0f} s; {HOUSE}. The decoding worker: {worker_share:.4f}.",
        ),
    ]


async def _bare_polling(place: Path, layout: Layout) -> float:
    command = (sys.executable, PROGRAMS / "bare_polling.py", layout.root / "heat-pump.tty", str(POLL_SECONDS))
    async with running(*command, log=place / "logs" / "bare-polling.log") as process:
        await asyncio.sleep(SETTLE_SECONDS)
        share = await _cpu_share(process.pid)
        if process.returncode is not None:
            raise Unmeasurable("the bare polling loop ended")
        return share


async def _census(layout: Layout) -> Path:
    """A file with the third-party modules that the agent loads until it is idle."""
    log, listed = layout.root / "logs" / "census.log", layout.root / "modules.json"
    async with AsyncExitStack() as stack:
        output = stack.enter_context(listed.open("wb"))
        command = (sys.executable, PROGRAMS / "census.py", layout.config)
        process, _, _ = await stack.enter_async_context(
            ready(*command, place=layout.root, log=log, stdout=output.fileno())
        )
        # Some modules are loaded by the first who needs them.
        await asyncio.sleep(SETTLE_SECONDS)
        await ended(process)
    if process.returncode or not json.loads(listed.read_bytes()):
        raise Unmeasurable("the agent did not say what it has loaded", hint=log.read_text(errors="replace")[-500:])
    return listed


def _bare(place: Path, modules: Path) -> AbstractAsyncContextManager[tuple[Process, float, str]]:
    return ready(sys.executable, PROGRAMS / "bare_imports.py", modules, place=place, log=place / "logs" / "bare.log")


async def _cpu_share(pid: int) -> float:
    before, began = _cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    return (_cpu_seconds(pid) - before) / (time.perf_counter() - began)


def _cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, to the nanosecond; /proc/PID/stat counts in steps of 10 ms.

    Linux makes the id of another process's clock from its pid: CPUCLOCK_SCHED, 2, in the lowest three bits.
    """
    return time.clock_gettime(~pid << 3 | 2)


def _memory_mb(pid: int, kind: str) -> float:
    """`Rss` or `Pss`: what is shared with other processes counts whole, or in equal parts (proc_pid_smaps(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise Unmeasurable(f"the kernel does not say the {kind} of a process")


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


MEASUREMENTS = (
    Measurement(("start_to_ready_s",), start_to_ready),
    Measurement(("rss_idle_mb", "cpu_idle_share"), idle),
)
