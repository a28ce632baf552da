"""The system's verbs: run, status, time, metrics."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_CONFIG, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO

RUN_EXAMPLE = "Example: portvakt run --config /etc/portvakt/portvakt.toml"
STATUS_EXAMPLE = "Example: portvakt status --json"
TIME_EXAMPLE = "Examples: portvakt time · portvakt time --confirm 2026-01-31T08:00+01:00"
METRICS_EXAMPLE = "Example: portvakt metrics > /var/lib/prometheus/node-exporter/portvakt.prom"


def run(
    config: Annotated[
        Path, typer.Option("--config", envvar="PORTVAKT_CONFIG", help="The configuration file.")
    ] = DEFAULT_CONFIG,
) -> None:
    """Run the agent, until SIGTERM or Ctrl-C."""
    from agent.main import run as run_agent  # noqa: PLC0415 - the whole agent, which no other verb needs

    raise typer.Exit(run_agent(config))


def status(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Say whether the agent runs, and how it is. Exit code 1 when it does not run."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.errors import NotRunning  # noqa: PLC0415

    try:
        state = Gateway(socket).state()
    except NotRunning:
        if not json:
            raise
        output.as_json({"running": False})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({
            "running": True,
            "gateway": state.gateway,
            "version": state.version,
            "ready_at": state.ready_at,
            "time": state.time,
            "holds": len(state.holds),
            "link": state.link,
            "services": state.services,
            "devices": len(state.devices),
            "devices_reachable": sum(device.reachable for device in state.devices),
            "cameras": len(state.cameras),
            "cameras_working": sum(camera.working for camera in state.cameras),
        })  # fmt: skip
        return
    output.line(f"{state.gateway}: running since {output.moment(state.ready_at)}, version {state.version}")
    if not state.time.known:
        output.line(f"time: not known: {state.time.reason}")
    reachable, working = sum(d.reachable for d in state.devices), sum(c.working for c in state.cameras)
    output.line(f"devices: {reachable} of {len(state.devices)} reachable")
    output.line(f"cameras: {working} of {len(state.cameras)} working")
    output.line(f"cloud: {_link(state.link.configured, state.link.connected, state.link.reason)}")
    rows: list[list[output.Cell]] = [
        [service.name, (service.problem, output.BAD) if service.problem else ("runs", output.GOOD)]
        for service in state.services
    ]
    output.as_table(["service", "state"], rows, empty="no services")


def _link(configured: bool, connected: bool, reason: str) -> str:
    if not configured:
        return "not configured"
    return "connected" if connected else f"not connected: {reason or 'not yet'}"


def time(
    confirm: Annotated[
        str | None, typer.Option(metavar="TIME", help="Say what time it is, where the gateway cannot know.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Say what time the gateway believes it is, and whether it knows. Exit code 1 when it does not.

    A gateway without a clock of its own cannot know how long it was switched off. Until somebody says, it shows nothing
    that was stored before.
    """
    from agent.api.contract import TimeBody, TimeView  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.cli.scopes import moment  # noqa: PLC0415

    at = moment(confirm, "--confirm")
    gateway = Gateway(socket)
    view = gateway.state().time if at is None else gateway.ask("POST", "/api/time", TimeView, TimeBody(at=at))
    if json:
        output.as_json(view)
    else:
        output.line(f"{output.moment(view.now)}, {'known' if view.known else f'not known: {view.reason}'}")
    raise typer.Exit(0 if view.known else NO)


def metrics(socket: Socket = DEFAULT_SOCKET) -> None:
    """Print metrics in Prometheus' text format."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    typer.echo(Gateway(socket).fetch("GET", "/metrics"), nl=False)
