"""Start the house, say where it is, and end it: after a while, or at Ctrl-C.

What is needed to visit the house (aiohttp, rich) is loaded when it stands, not while its programs start.
"""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from agent.backend.state import State
from agent.demo.layout import GATEWAY, LAMP_CODE, Layout, lay_out, usual_page_port
from agent.demo.programs import programs
from agent.demo.readiness import wait_until_ready
from agent.errors import AgentError
from agent.supervisor import Bug, Supervisor

if TYPE_CHECKING:
    from rich.console import Console

READY_SECONDS = 60.0
KEEP_SECONDS = 120.0
INTERVAL_SECONDS = 3.0
KEEP_SECONDS_IN_A_REPORT = 8.0
INTERVAL_SECONDS_IN_A_REPORT = 1.0


def main(seconds: float | None, report_json: bool, port: int | None) -> int:  # noqa: FBT001 - the verb's options
    """`portvakt demo`: run until Ctrl-C, or for `seconds` and then report on the four flows.

    Raises:
        ConfigInvalid: `port` is in use.
        AgentError: the house could not be started.
    """
    brief = seconds is not None
    with (
        tempfile.TemporaryDirectory(prefix="portvakt-demo-") as folder,
        usual_page_port() as usual,
        lay_out(
            Path(folder),
            page_port=usual if port is None else port,
            interval=INTERVAL_SECONDS_IN_A_REPORT if brief else INTERVAL_SECONDS,
            keep=KEEP_SECONDS_IN_A_REPORT if brief else KEEP_SECONDS,
        ) as layout,
    ):
        backend = State(layout.backend)
        backend.create_issuer("backend")
        backend.enroll(GATEWAY)
        try:
            return asyncio.run(_run(layout, seconds, report_json=report_json))
        except Bug as error:
            print(f"portvakt: {error}", file=sys.stderr)  # noqa: T201 - the verb's own output
            return 1


async def _run(layout: Layout, seconds: float | None, *, report_json: bool) -> int:
    began = perf_counter()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    supervisor = Supervisor()
    pids: dict[str, int] = {}
    for program in programs(layout):
        supervisor.start(program.service(pids.__setitem__))
    result: dict[str, object] = {}

    async def visit() -> None:
        await wait_until_ready(layout, READY_SECONDS)
        took = perf_counter() - began
        from agent.demo.way_in import way_in  # noqa: PLC0415 - see the head of this file

        if seconds is None:
            _welcome(layout, pids, (await way_in(layout)).url, took, report_json=report_json)
            await stop.wait()
            return
        from agent.demo.flows import exercise  # noqa: PLC0415 - see the head of this file
        from agent.demo.visitor import Visitor  # noqa: PLC0415

        async with Visitor(layout) as visitor:
            await visitor.sign_in()  # by a link of their own, which would be dead once another is made
            _welcome(layout, pids, (await way_in(layout)).url, took, report_json=report_json)
            end = began + seconds
            result.update(await exercise(layout, visitor, until=end))
            await asyncio.sleep(max(0.0, end - perf_counter()))

    problem: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            visiting = group.create_task(visit())
            visiting.add_done_callback(lambda _: stop.set())
            try:
                await supervisor.run_until(stop)
            finally:
                visiting.cancel()
    except* (AgentError, Bug) as failed:
        problem = failed.exceptions[0]
    # Raised here and not above, where it would come out inside a group.
    if problem:
        raise problem
    if seconds is None:
        _console(report_json=report_json).print("The house is closed; everything it kept is gone.")
        return 0
    _report(result, report_json=report_json)
    return 0 if result.get("ok") else 1


def _console(*, report_json: bool) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - see the head of this file

    # With --report json, standard output is the report and nothing else.
    return Console(stderr=report_json)


def _welcome(layout: Layout, pids: Mapping[str, int], link: str, took: float, *, report_json: bool) -> None:
    console = _console(report_json=report_json)
    console.print(f"\n  The house is running: [bold]http://localhost:{layout.page_port}[/bold]   ({took:.1f} s)")
    console.print(f"  Go in, once, as its owner: [bold]{link}[/bold]\n", soft_wrap=True)
    console.print(f"  Another way in: portvakt people list --socket {layout.socket}, and then people link ID.")
    console.print(f"  Adopt the hall lamp on the page with its code [bold]{LAMP_CODE}[/bold].")
    console.print("  Kill a program and see it go and come back: " + ", ".join(f"{n} {p}" for n, p in pids.items()))
    console.print("  Ctrl-C ends it all.\n")


def _report(result: Mapping[str, object], *, report_json: bool) -> None:
    if report_json:
        print(json.dumps(result, indent=2))  # noqa: T201 - the report
        return
    console = _console(report_json=False)
    flows = result.get("flows", {})
    assert isinstance(flows, dict)  # noqa: S101 - made by `exercise`
    for name, flow in flows.items():
        mark = "[green]ok[/green]" if flow["ok"] else "[red]failed[/red]"
        console.print(f"  {name:8} {mark}  {flow['done']}  p50 {flow['p50_ms']} ms, p99 {flow['p99_ms']} ms")
