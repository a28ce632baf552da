"""What is kept, and its erasure: inventory, erase."""

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import output
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.outcome import NO, usage
from agent.cli.receipts import Claims, claims_of
from agent.errors import AgentError
from privacy.records import RecordClass, Scope

if TYPE_CHECKING:
    from agent.cli.gateway import Gateway

INVENTORY_EXAMPLE = "Example: portvakt inventory --json"
ERASE_EXAMPLE = "Examples: portvakt erase --camera front · portvakt erase --camera front --from 2026-01-01T00:00+01:00"
POLL_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 600.0


def inventory(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Say what is kept, and how old it is, class by class.

    The CLASS of `portvakt erase --class` is one of these.
    Exit code 1 when anything lives past its limit.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    kept = Gateway(socket).inventory()
    if json:
        output.as_json(kept)
    else:
        rows: list[list[output.Cell]] = [
            [
                row.record_class,
                row.purpose,
                row.basis,
                row.limit,
                str(row.count),
                (output.moment(row.oldest), output.BAD) if row.overdue else output.moment(row.oldest),
                ("overdue", output.BAD) if row.overdue else output.moment(row.next_to_go),
                row.tier,
            ]
            for row in kept
        ]
        heads = ["class", "purpose", "basis", "limit", "count", "oldest", "next to go", "tier"]
        output.as_table(heads, rows, empty="nothing is kept")
    raise typer.Exit(NO if any(row.overdue for row in kept) else 0)


def erase(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    camera: Annotated[list[str] | None, typer.Option(metavar="ID", help="A camera's id; may be given again.")] = None,
    device: Annotated[list[str] | None, typer.Option(metavar="ID", help="A device's id; may be given again.")] = None,
    subject: Annotated[list[str] | None, typer.Option(metavar="ID", help="A person's id; may be given again.")] = None,
    record_class: Annotated[
        list[RecordClass] | None,
        typer.Option("--class", metavar="CLASS", help="A record class of `portvakt inventory`; may be given again."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From this time on, such as 2026-01-31T08:00+01:00.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time, not included.")] = None,
    wait: Annotated[
        float,
        typer.Option(help="Seconds to wait for the receipt that says it is verified.", min=0, max=LONGEST_WAIT_SECONDS),
    ] = 30.0,
    socket: Socket = DEFAULT_SOCKET,
    *,
    everything: Annotated[bool, typer.Option("--everything", help="All there is, of everybody.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Erase what was kept, and await the receipts.

    It reaches what was kept up to now. Options narrow each other; values widen one option.
    Exit code 0 when a receipt says that a scan found nothing left, 1 when it does not, or not in time.
    """
    from agent.api.contract import EraseAnswer, EraseBody  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    scope = Scope(
        everything=everything,
        classes=tuple(record_class or ()),
        cameras=tuple(camera or ()),
        devices=tuple(device or ()),
        subjects=tuple(subject or ()),
        start=_moment(start, "--from"),
        end=_moment(end, "--to"),
    )
    if not scope.named:
        raise usage("nothing is named", "say what to erase, or --everything; see `portvakt erase --help`")
    gateway = Gateway(socket)
    _warn_of_unkept(gateway, scope.classes)
    confirm(f"Erase {_words(scope)}? This cannot be undone.", yes=yes)
    order = gateway.ask("POST", "/api/erase", EraseAnswer, EraseBody(scope=scope), seconds=60).order
    signed = _await(gateway, order, wait)
    receipts = [claims_of(jws) for jws in signed]
    verified = [receipt for receipt in receipts if receipt.kind == "verified"]
    clean = bool(verified) and not any(store.left for receipt in verified for store in receipt.stores)
    if json:
        told = [
            {"kind": receipt.kind, "at": receipt.at, "stores": receipt.stores, "jws": jws}
            for receipt, jws in zip(receipts, signed, strict=True)
        ]
        output.as_json({"order": order, "verified": clean, "receipts": told})
    else:
        _tell(order, receipts, clean=clean, waited=wait)
    raise typer.Exit(0 if clean else NO)


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise usage(f"{option} is not a time", "write it like 2026-01-31T08:00+01:00") from None
    # A time without a zone is the time on the wall of whoever typed it.
    return at.astimezone()


def _words(scope: Scope) -> str:
    if scope.everything and scope == Scope(everything=True):
        return "EVERYTHING that is kept"
    parts = [
        *(f"class {name}" for name in scope.classes),
        *(f"camera {name}" for name in scope.cameras),
        *(f"device {name}" for name in scope.devices),
        *(f"person {name}" for name in scope.subjects),
    ]
    times = [f"from {output.moment(scope.start)}"] * bool(scope.start) + [f"to {output.moment(scope.end)}"] * bool(
        scope.end
    )
    return "what is kept of " + ", ".join([*(parts or ["everything"]), *times])


def _warn_of_unkept(gateway: "Gateway", classes: Sequence[RecordClass]) -> None:
    """Say so when a class is named of which nothing can be found here; the order is as good as before."""
    if not classes:
        return
    try:
        kept = {row.record_class for row in gateway.inventory()}
    except AgentError:
        return  # the order matters more than this warning; whatever is wrong, the order meets it too, and says so
    for unkept in sorted(set(classes) - kept):
        sys.stderr.write(f"portvakt: warning: no store here keeps {unkept} (see `portvakt inventory`)\n")


def _await(gateway: "Gateway", order: str, seconds: float) -> list[str]:
    """The receipts of `order`, compact JWS, the first one first: once one says verified, or `seconds` have passed."""
    until = time.monotonic() + seconds
    while (verified := gateway.receipt(order, "verified")) is None and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    erased = gateway.receipt(order, "erased")
    return [jws for jws in (erased, verified) if jws is not None]


def _tell(order: str, receipts: Sequence[Claims], *, clean: bool, waited: float) -> None:
    output.line(f"order {order}")
    rows: list[list[output.Cell]] = [
        [receipt.kind, store.store, str(store.found), str(store.erased), str(store.left), store.tier]
        for receipt in receipts
        for store in receipt.stores
    ]
    output.as_table(["receipt", "store", "found", "erased", "left", "tier"], rows, empty="no receipt yet")
    if clean:
        output.line("verified: a scan found nothing left")
    elif any(receipt.kind == "verified" for receipt in receipts):
        output.line("verified, and something is left: see `portvakt doctor`")
    else:
        output.line(f"not verified within {waited:g} s; it goes on: see `portvakt receipt list`")
