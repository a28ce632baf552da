"""The doctor: what is wrong with this gateway, and how to mend it."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from agent.api.contract import InventoryRow, State
from agent.cli import output
from agent.cli.options import DEFAULT_CONFIG, DEFAULT_SOCKET, Json
from agent.cli.outcome import NO

DOCTOR_EXAMPLE = "Example: portvakt doctor --config /etc/portvakt/portvakt.toml"
COLOURS = {"ok": output.GOOD, "warn": "yellow", "fail": output.BAD}


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", envvar="PORTVAKT_CONFIG", help=f"The configuration file; {DEFAULT_CONFIG} if it is there."
        ),
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option("--socket", envvar="PORTVAKT_SOCKET", help="The Unix socket of the agent; else as configured."),
    ] = None,
    *,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Open every picture: on a slow card this takes.")
    ] = False,
    json: Json = False,
) -> None:
    """Find what is wrong, and how to mend it.

    Works without a running agent, too, and changes nothing. Exit code 1 when anything fails; a warning alone is 0.
    """
    from agent import doctor as examination  # noqa: PLC0415 - only where it is used
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from privacy.clock import SystemClock  # noqa: PLC0415

    def ask(configured: Path | None) -> tuple[State, tuple[InventoryRow, ...]]:
        gateway = Gateway(socket or configured or DEFAULT_SOCKET)
        return gateway.state(), gateway.inventory()

    logging.getLogger().addHandler(logging.NullHandler())  # what the parts would log, the checks say
    file = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    checks = examination.examine(file, ask, SystemClock().now(), thorough=thorough)
    failed = any(check.verdict == "fail" for check in checks)
    if json:
        output.as_json({"ok": not failed, "checks": checks})
    else:
        rows: list[list[output.Cell]] = [
            [(check.verdict, COLOURS[check.verdict]), check.name, check.found, check.mend] for check in checks
        ]
        output.as_table(["", "check", "found", "how to mend it"], rows, empty="nothing was examined")
    raise typer.Exit(NO if failed else 0)
