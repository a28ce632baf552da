"""What is kept, and its erasure: inventory, erase."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from agent.api.contract import ExemptionView
from agent.cli import output
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.outcome import NO
from agent.cli.receipts import Claims, claims_of, held_for
from agent.cli.scopes import Cameras, Classes, DeviceIds, End, Everything, Start, Subjects, scope_of, words
from agent.errors import AgentError
from agent.known import where_to_look
from privacy.records import RecordClass

if TYPE_CHECKING:
    from agent.cli.gateway import Gateway

INVENTORY_EXAMPLE = "Example: portvakt inventory --json"
ERASE_EXAMPLE = "Examples: portvakt erase --camera front · portvakt erase --camera front --from 2026-01-01T00:00+01:00"
POLL_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 600.0


Record = Annotated[
    bool, typer.Option("--record", help="Print the law's record of processing activities (GDPR, article 30) instead.")
]


def inventory(socket: Socket = DEFAULT_SOCKET, *, record: Record = False, json: Json = False) -> None:
    """Say what is kept, and how old it is, class by class.

    The CLASS of `portvakt erase --class` is one of these. *Held* is kept for a while for a reason (`portvakt holds`);
    *hidden* is not shown: held, ordered to be erased, or of a time that nobody knows (`portvakt time`).
    Exit code 1 when anything lives past its limit.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    if record:
        _print_record(Gateway(socket), json=json)
        return
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
                f"{row.held}, until {output.moment(row.held_until)}" if row.held else "-",
                str(row.hidden) if row.hidden else "-",
                (output.moment(row.oldest), output.BAD) if row.overdue else output.moment(row.oldest),
                ("overdue", output.BAD) if row.overdue else output.moment(row.next_to_go),
                row.tier,
            ]
            for row in kept
        ]
        heads = ["class", "purpose", "basis", "limit", "count", "held", "hidden", "oldest", "next to go", "tier"]
        output.as_table(heads, rows, empty="nothing is kept")
        for one in (one for row in kept for one in row.waiting):
            output.line(f"order {one.order} waits until {output.moment(one.until)}: {one.left} records are held")
    raise typer.Exit(NO if any(row.overdue for row in kept) else 0)


def _print_record(gateway: "Gateway", *, json: bool) -> None:
    """As Markdown, or as JSON: made of what runs, for whoever supervises it."""
    from agent.processing.contract import RecordOfProcessing  # noqa: PLC0415 - beside the gateway
    from agent.processing.markdown import markdown  # noqa: PLC0415

    made = gateway.ask("GET", "/api/processing", RecordOfProcessing)
    if json:
        output.as_json(made)
        return
    for line in markdown(made).splitlines():
        output.line(line)


def erase(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    camera: Cameras = None,
    device: DeviceIds = None,
    subject: Subjects = None,
    record_class: Classes = None,
    start: Start = None,
    end: End = None,
    wait: Annotated[
        float,
        typer.Option(help="Seconds to wait for the receipt that says it is verified.", min=0, max=LONGEST_WAIT_SECONDS),
    ] = 30.0,
    socket: Socket = DEFAULT_SOCKET,
    *,
    everything: Everything = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Erase what was kept, and await the receipts.

    It reaches what was kept up to now. Options narrow each other; values widen one option. Where nothing is kept of an
    id, the order is given all the same, and the last line says so.
    Exit code 0 when a receipt says that a scan found nothing left, 1 when it does not, or not in time.
    """
    from agent.api.contract import EraseAnswer, EraseBody  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    scope = scope_of(
        camera=camera,
        device=device,
        subject=subject,
        record_class=record_class,
        start=start,
        end=end,
        everything=everything,
    )
    gateway = Gateway(socket)
    _warn_of_unkept(gateway, scope.classes)
    confirm(f"Erase {words(scope)}? This cannot be undone.", yes=yes)
    answer = gateway.ask("POST", "/api/erase", EraseAnswer, EraseBody(scope=scope), seconds=60)
    order = answer.order
    signed = _await(gateway, order, wait)
    receipts = [claims_of(jws) for jws in signed]
    verified = [receipt for receipt in receipts if receipt.kind == "verified"]
    clean = bool(verified) and not any(store.left for receipt in verified for store in receipt.stores)
    if json:
        told = [
            {"kind": receipt.kind, "at": receipt.at, "stores": receipt.stores, "jws": jws}
            for receipt, jws in zip(receipts, signed, strict=True)
        ]
        output.as_json({"order": order, "verified": clean, "unknown": answer.unknown, "receipts": told})
    else:
        _tell(order, receipts, clean=clean, waited=wait)
        _doubt(receipts, answer.unknown)
    raise typer.Exit(0 if clean else NO)


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
    """The receipts of `order`, compact JWS, the first one first.

    Once one says verified, or that something is held; or `seconds` have passed.
    """
    until = time.monotonic() + seconds
    erased = None
    while (verified := gateway.receipt(order, "verified")) is None:
        erased = erased or gateway.receipt(order, "erased")
        if time.monotonic() >= until or (erased and _held(claims_of(erased))):
            break
        time.sleep(POLL_SECONDS)
    erased = erased or gateway.receipt(order, "erased")
    return [jws for jws in (erased, verified) if jws is not None]


def _tell(order: str, receipts: Sequence[Claims], *, clean: bool, waited: float) -> None:
    output.line(f"order {order}")
    rows: list[list[output.Cell]] = [
        [receipt.kind, store.store, str(store.found), str(store.erased), str(store.left), store.tier, held_for(store)]
        for receipt in receipts
        for store in receipt.stores
    ]
    heads = ["receipt", "store", "found", "erased", "left", "tier", "left for"]
    output.as_table(heads, rows, empty="no receipt yet")
    if clean:
        output.line("verified: a scan found nothing left")
    elif any(receipt.kind == "verified" for receipt in receipts):
        output.line("verified, and something is left: see `portvakt doctor`")
    elif held := [each for receipt in receipts for each in _held(receipt)]:
        for one in held:
            what = "1 record is" if one.count == 1 else f"{one.count} records are"
            output.line(f"{what} held until {output.moment(one.due)} ({one.reason})")
        output.line("the order waits for that: see `portvakt holds`")
    else:
        output.line(f"not verified within {waited:g} s; it goes on: see `portvakt receipt list`")


def _held(receipt: Claims) -> list[ExemptionView]:
    """What an order has left for a while; of several stores, those that go at the same time as one."""
    counts: Counter[tuple[str, datetime]] = Counter()
    for store in receipt.stores:
        for one in store.exemptions:
            counts[one.reason, one.due] += one.count
    return [ExemptionView(reason=reason, count=count, due=due) for (reason, due), count in sorted(counts.items())]


def _doubt(receipts: Sequence[Claims], unknown: Sequence[str]) -> None:
    """The last word where less was done than somebody may believe: a name may be wrong."""
    for name in unknown:
        output.line(f"nothing was found of {name}: is the name right? `{where_to_look(name)}`")
    if receipts and not unknown and not any(store.found for receipt in receipts for store in receipt.stores):
        output.line("nothing in scope was found")
