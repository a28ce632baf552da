"""The log pipeline: redact."""

from pathlib import Path
from typing import Annotated

import typer

REDACT_EXAMPLE = "Example: journalctl -u portvakt -o cat | portvakt redact --registry household.json"


def redact(
    registry: Annotated[
        Path | None, typer.Option(help="What the household's own registry knows, as JSON; every key is optional.")
    ] = None,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Say after each line which rules fired.")] = False,
) -> None:
    """Redact log lines from stdin, one out for each.

    The registry is a JSON object: people (objects of first, last, name, login, email, phone, fnr, bank, card), the
    lists addresses, ssids, psks, macs, ipv4, ipv6, serials, plates, passwords, pins, and gps (pairs of lat and lon).
    """
    from privacy.redaction.cli import main  # noqa: PLC0415 - its detectors cost memory

    raise typer.Exit(main(registry, explain))
