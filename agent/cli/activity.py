"""The activity log: who did and looked at what, and that nobody changed it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO

if TYPE_CHECKING:
    from agent.activity.contract import ActivityView
    from agent.cli.gateway import Gateway

app = typer.Typer(no_args_is_help=True, help="Who did and looked at what; check that nobody changed it.")

Everybody = Annotated[bool, typer.Option("--all", help="What everybody did, where you may see that.")]
Lines = Annotated[int, typer.Option("--lines", min=1, max=10_000, metavar="N", help="The newest so many.")]

PAGE = 200
"""Lines in one answer of the agent."""


@app.command(epilog="Example: portvakt activity show --all --lines 20")
def show(
    lines: Lines = 100, socket: Socket = DEFAULT_SOCKET, *, everybody: Everybody = False, json: Json = False
) -> None:
    """Print what you did and who looked at you, newest first."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    views = list(_newest(Gateway(socket), lines, everybody=everybody))
    if json:
        output.as_json(views)
        return
    heads = ["line", "at", "who", "did", "to", "purpose", "in the log"]
    output.as_table(heads, [_row(view) for view in views], empty="nothing is noted")


@app.command(epilog="Example: portvakt activity checkpoint > activity.jws")
def checkpoint(socket: Socket = DEFAULT_SOCKET) -> None:
    """Print the log as it stands now, signed: how many lines, and its Merkle root (RFC 9162).

    Keep it where the gateway cannot reach it. `portvakt activity verify --since` shows later that nothing before it has
    changed.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    output.line(Gateway(socket).fetch("GET", "/api/activity/checkpoint").decode())


@app.command(
    epilog="Examples: portvakt activity verify --key receipt-public.jwk · portvakt activity verify --since activity.jws"
)
def verify(  # noqa: PLR0913 - its options
    key: Annotated[
        Path, typer.Option(help="The gateway's public key: a JWK, or a JWK Set with it alone.")
    ] = DEFAULT_PUBLIC_KEY,
    since: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier checkpoint: the log has to have grown out of that one."),
    ] = None,
    lines: Lines = 100,
    socket: Socket = DEFAULT_SOCKET,
    *,
    everybody: Everybody = False,
    json: Json = False,
) -> None:
    """Check that the lines which you may see are in the log, by a proof for each. Exit code 1 when one is not.

    The check is made here, with the public key that you give; the agent only hands over lines and proofs. Lines that
    somebody cut off the very end are not missed here, unless --since gives a checkpoint that knew them.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415

    try:
        size, checked = _verified(Gateway(socket), key, since, lines, everybody=everybody)
    except ReceiptInvalid as error:
        if not json:
            raise
        output.as_json({"valid": False, "reason": str(error)})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({"valid": True, "lines": size, "checked": checked})
        return
    grown = "" if since is None else ", grown out of that checkpoint"
    output.line(f"genuine: a log of {size} lines{grown}; {checked} of them are yours to see, and were checked")


def _verified(gateway: "Gateway", key: Path, since: Path | None, lines: int, *, everybody: bool) -> tuple[int, int]:
    """How many lines the log has, and how many were checked.

    Raises:
        ReceiptInvalid: a line is not in it, or it did not grow out of what it was.
    """
    from agent.cli.receipts import read_jwk, read_text  # noqa: PLC0415 - brings cryptography
    from privacy.activity_proof import (  # noqa: PLC0415 - brings joserfc
        TYP,
        ActivityGrowth,
        ActivityProof,
        verify_growth,
        verify_line,
    )
    from privacy.checkpoint import verify_checkpoint  # noqa: PLC0415
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415

    jwk = read_jwk(key)
    earlier = None if since is None else verify_checkpoint(read_text(since), jwk, TYP).log
    size = verify_checkpoint(gateway.fetch("GET", "/api/activity/checkpoint").decode(), jwk, TYP).log.size
    if earlier is not None:
        if size < earlier.size:
            raise ReceiptInvalid(f"the log has {size} lines, and had {earlier.size} when you kept that checkpoint")
        verify_growth(gateway.ask("GET", f"/api/activity/growth/{earlier.size}", ActivityGrowth), earlier, jwk)
    checked = 0
    for view in _newest(gateway, lines, everybody=everybody):
        if not view.genuine:
            raise ReceiptInvalid(f"line {view.sequence} is not what the log has in its place")
        proof = gateway.ask("GET", f"{_path(everybody=everybody)}/{view.sequence}/proof", ActivityProof)
        line, _ = verify_line(proof, jwk)
        if (proof.number, line.action, line.allowed) != (view.sequence, view.action, view.allowed):
            raise ReceiptInvalid(f"line {view.sequence} says something else than what is shown")
        checked += 1
    return size, checked


def _newest(gateway: "Gateway", lines: int, *, everybody: bool) -> Iterator["ActivityView"]:
    """Page by page."""
    from agent.activity.contract import ActivityView  # noqa: PLC0415 - brings msgspec

    before = ""
    while lines > 0:
        page = gateway.ask(
            "GET", f"{_path(everybody=everybody)}?limit={min(lines, PAGE)}{before}", tuple[ActivityView, ...]
        )
        if not page:
            return
        yield from page
        lines -= len(page)
        if page[-1].sequence == 0:
            return
        before = f"&before={page[-1].sequence}"


def _path(*, everybody: bool) -> str:
    return "/api/activity/all" if everybody else "/api/activity"


def _row(view: "ActivityView") -> list[output.Cell]:
    who = "I" if view.own else view.name or view.actor or (f"an erased {view.role}" if view.role else "nobody known")
    what = view.action if view.allowed else f"{view.action}: refused ({view.code})"
    whom = ", ".join(filter(None, [view.camera, view.device, *view.concerns])) or "-"
    genuine = ("yes", output.GOOD) if view.genuine else ("NO", output.BAD)
    return [str(view.sequence), output.moment(view.at), who, what, whom, view.purpose or "-", genuine]
