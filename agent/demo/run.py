"""Start the house, say where it is, and end it: after a while, or at Ctrl-C."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from rich.console import Console

from agent.backend.state import State
from agent.demo.flows import exercise
from agent.demo.layout import LAMP_CODE, Layout, lay_out
from agent.demo.programs import programs
from agent.demo.visitor import Visitor
from agent.errors import AgentError
from agent.supervisor import Bug, Supervisor

READY_SECONDS = 60.0
KEEP_SECONDS = 120.0
INTERVAL_SECONDS = 5.0
KEEP_SECONDS_IN_A_REPORT = 8.0
INTERVAL_SECONDS_IN_A_REPORT = 1.0


def main(seconds: float | None, report_json: bool, port: int | None) -> int:  # noqa: FBT001 - the verb's options
    """`portvakt demo`: run until Ctrl-C, or for `seconds` and then report on the four flows."""
    with tempfile.TemporaryDirectory(prefix="portvakt-demo-") as folder:
        brief = seconds is not None
        layout = lay_out(
            Path(folder),
            page_port=port,
            interval=INTERVAL_SECONDS_IN_A_REPORT if brief else INTERVAL_SECONDS,
            keep=KEEP_SECONDS_IN_A_REPORT if brief else KEEP_SECONDS,
        )
        State(layout.backend).create_issuer("backend")
        try:
            return asyncio.run(_run(layout, seconds, report_json=report_json))
        except (AgentError, Bug) as error:
            print(f"portvakt: {error}", file=sys.stderr)  # noqa: T201 - the verb's own output
            return 1


async def _run(layout: Layout, seconds: float | None, *, report_json: bool) -> int:
    began = perf_counter()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # With --report json, standard output is the report and nothing else.
    console = Console(stderr=report_json)
    supervisor = Supervisor()
    pids: dict[str, int] = {}
    for program in programs(layout):
        supervisor.start(program.service(pids.__setitem__))
    result: dict[str, object] = {}

    async def visit() -> None:
        async with Visitor(layout) as visitor:
            await visitor.wait_until_ready(READY_SECONDS)
            _welcome(console, layout, pids, perf_counter() - began)
            if seconds is None:
                await stop.wait()
            else:
                end = began + seconds
                result.update(await exercise(layout, visitor, until=end))
                await asyncio.sleep(max(0.0, end - perf_counter()))

    async with asyncio.TaskGroup() as group:
        visiting = group.create_task(visit())
        visiting.add_done_callback(lambda _: stop.set())
        try:
            await supervisor.run_until(stop)
        finally:
            visiting.cancel()
    if seconds is None:
        console.print("The house is closed; everything it kept is gone.")
        return 0
    _report(console, result, report_json=report_json)
    return 0 if result.get("ok") else 1


def _welcome(console: Console, layout: Layout, pids: Mapping[str, int], took: float) -> None:
    console.print(f"\n  The house is running: [bold]http://127.0.0.1:{layout.page_port}[/bold]   ({took:.1f} s)\n")
    console.print(f"  Adopt the hall lamp on the page with its code [bold]{LAMP_CODE}[/bold].")
    console.print("  Kill a program and see it go and come back: " + ", ".join(f"{n} {p}" for n, p in pids.items()))
    console.print("  Ctrl-C ends it all.\n")


def _report(console: Console, result: Mapping[str, object], *, report_json: bool) -> None:
    if report_json:
        print(json.dumps(result, indent=2))  # noqa: T201 - the report
        return
    flows = result.get("flows", {})
    assert isinstance(flows, dict)  # noqa: S101 - made by `exercise`
    for name, flow in flows.items():
        mark = "[green]ok[/green]" if flow["ok"] else "[red]failed[/red]"
        console.print(f"  {name:8} {mark}  {flow['done']}  p50 {flow['p50_ms']} ms, p99 {flow['p99_ms']} ms")
