"""Receipts: list, show, verify."""

import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from agent.api.contract import AuditEntry, StoreReport
from agent.cli import output
from agent.cli.options import DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO, usage
from agent.cli.scopes import chosen
from agent.errors import AgentError, Refused

if TYPE_CHECKING:
    from privacy.receipts import LogEntry, StoreLine

T = TypeVar("T")

LONGEST_FILE = 1024 * 1024

SIGNATURE: dict[bool | None, output.Cell] = {
    True: ("valid", output.GOOD),
    False: ("NOT VALID", output.BAD),
    None: "not checked",
}


class ReceiptKind(StrEnum):
    """What a receipt may say of an order."""

    ERASED = "erased"
    VERIFIED = "verified"


Kind = Annotated[str, typer.Option(metavar="KIND", help="`erased` or `verified`.")]


class OrderName(msgspec.Struct, frozen=True):
    id: str


class Claims(msgspec.Struct, frozen=True):
    """What a receipt says of an erasure; of its other claims nothing is needed here."""

    kind: str
    order: OrderName
    at: datetime
    stores: tuple[StoreReport, ...]


class Listed(msgspec.Struct, frozen=True):
    """One entry of `receipt list`."""

    order: str
    issuer: str
    kind: str
    at: datetime
    stores: tuple[StoreReport, ...]
    jws: str
    signature_valid: bool | None
    """Whether the agent found the signature valid; None for those that it has not checked just now."""
    acknowledged: bool


app = typer.Typer(no_args_is_help=True, help="List, show and verify the receipts of erasures.")


@app.command("list", epilog="Examples: portvakt receipt list · portvakt receipt list --newest 500 --json")
def list_receipts(
    newest: Annotated[int, typer.Option(metavar="N", help="How many, from the newest on; 0 is all.", min=0)] = 20,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """List the receipts in the running agent's log, newest first.

    The agent checks the signatures of the newest itself; `portvakt audit verify` checks all of them.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    gateway = Gateway(socket)
    checked: dict[tuple[str, str], bool] = {(r.order, r.kind): r.signature_valid for r in gateway.state().receipts}
    whole = gateway.audit()
    log = [entry for entry in whole if entry.kind != "expired"]
    receipts = [_listed(entry, checked) for entry in log[::-1][: newest or None]]
    if json:
        output.as_json(receipts)
        return
    rows: list[list[output.Cell]] = [
        [
            r.order,
            r.issuer,
            r.kind,
            output.moment(r.at),
            str(sum(store.erased for store in r.stores)),
            str(sum(store.left for store in r.stores)),
            SIGNATURE[r.signature_valid],
            "yes" if r.acknowledged else "no",
        ]
        for r in receipts
    ]
    heads = ["order", "issuer", "kind", "at", "erased", "left", "signature", "backend knows"]
    output.as_table(heads, rows, empty="no receipts")
    if len(receipts) < len(log):
        output.line(f"the newest {len(receipts)} of {len(log)} receipts; --newest 0 lists all")
    if expired := len(whole) - len(log):
        output.line(f"{expired} more have expired: they are no longer here, and their places in the log still count")


@app.command(epilog="Example: portvakt receipt show ORDER > receipt.jws")
def show(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, as `receipt list` shows it.")],
    kind: Kind = "verified",
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Print one receipt: a compact JWS (RFC 7515)."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    kind = chosen(kind, ReceiptKind, "--kind")
    gateway = Gateway(socket)
    receipt = gateway.receipt(order, kind)
    if receipt is None:
        raise unknown_receipt(order, gateway.audit())
    output.line(receipt)


@app.command(epilog="Example: portvakt receipt verify receipt.jws --key receipt-public.jwk")
def verify(
    file: Annotated[Path, typer.Argument(help="The receipt, compact JWS; `-` is stdin.")],
    key: Annotated[
        Path, typer.Option(help="The gateway's public key: a JWK, or a JWK Set with it alone.")
    ] = DEFAULT_PUBLIC_KEY,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also check that it is in the gateway's log: what `audit prove` printed."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Check a receipt with the gateway's public key.

    Needs nothing else, and no agent. Exit code 1 when it is not genuine, or not in the log. A receipt that has expired
    on the gateway verifies as before, and so does its place in the log: `portvakt audit prove --receipt`.
    """
    from privacy.checkpoint import Inclusion, verify_inclusion  # noqa: PLC0415 - brings cryptography
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415
    from privacy.receipts import verify_receipt  # noqa: PLC0415

    jws, jwk = read_text(file).strip(), read_jwk(key)
    checkpoint = None
    try:
        receipt = verify_receipt(jws, jwk)
        if proof is not None:
            checkpoint = verify_inclusion(jws, _inclusion(proof, Inclusion), jwk)
    except ReceiptInvalid as error:
        if not json:
            raise
        output.as_json({"valid": False, "reason": str(error)})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({"valid": True, "receipt": receipt, **({"checkpoint": checkpoint} if checkpoint else {})})
        return
    output.line(
        f"genuine: {receipt.iss} says at {output.moment(receipt.at)} that order {receipt.order.id} is {receipt.kind}"
    )
    if checkpoint:
        output.line(f"it is in the log of {checkpoint.log.size} entries of {output.moment(checkpoint.at)}")
    rows: list[list[output.Cell]] = [
        [
            line.store,
            str(line.found),
            str(line.erased),
            str(line.left),
            line.tier,
            ", ".join(f"{count} {way}" for way, count in line.by.items() if count) or "-",
            held_for(line),
        ]
        for line in receipt.stores
    ]
    heads = ["store", "found", "erased", "left", "tier", "found by", "left for"]
    output.as_table(heads, rows, empty="no store was concerned")


def claims_of(jws: str) -> Claims:
    """What a receipt of the running agent says. The signature is not looked at.

    Raises:
        AgentError: it is no receipt.
    """
    try:
        return unverified(jws)
    except ValueError as error:
        hint = "see `portvakt audit verify`"
        raise AgentError("the agent hands out a receipt that cannot be read", hint=hint) from error


def unverified(jws: str) -> Claims:
    """What a compact JWS says; the signature is not looked at.

    Raises:
        ValueError: it is no receipt.
    """
    _, payload, _ = jws.split(".")
    return msgspec.json.decode(urlsafe_b64decode(payload + "=="), type=Claims)  # what these raise are ValueErrors


def held_for(store: "StoreReport | StoreLine") -> str:
    """What a store left, why, and until when: a cell."""
    return "; ".join(f"{one.count} {one.reason}, until {output.moment(one.due)}" for one in store.exemptions) or "-"


def entries_of(log: Iterable[AuditEntry]) -> "list[LogEntry]":
    """The log as it is checked."""
    from privacy.receipts import ExpiredReceipt  # noqa: PLC0415 - brings cryptography

    return [ExpiredReceipt(bytes.fromhex(one.leaf)) if one.kind == "expired" else one.jws for one in log]


def unknown_receipt(order: str, log: Sequence[AuditEntry]) -> Refused:
    """There is no such receipt in `log`: perhaps any more."""
    expired = sum(entry.kind == "expired" for entry in log)
    if not expired:
        return Refused("unknown_receipt", f"there is no such receipt of {order}", hint="see `portvakt receipt list`")
    return Refused(
        "unknown_receipt",
        f"there is no such receipt of {order} here; if it is one of the {expired} that have expired, its place in the"
        " log still counts",
        hint="who has kept it can still have it proved: `portvakt audit prove ORDER --receipt FILE`",
    )


def _listed(entry: AuditEntry, checked: Mapping[tuple[str, str], bool]) -> Listed:
    claims = claims_of(entry.jws)
    return Listed(
        order=entry.order,
        issuer=entry.issuer,
        kind=entry.kind,
        at=entry.at or claims.at,
        stores=claims.stores,
        jws=entry.jws,
        signature_valid=checked.get((entry.order, entry.kind)),
        acknowledged=entry.acknowledged,
    )


def _inclusion(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(read_text(path), type=kind)
    except msgspec.DecodeError:
        raise usage(f"{path} is no proof", "what `portvakt audit prove` printed") from None


def read_text(path: Path) -> str:
    """The text in `path`, or on stdin for `-`.

    Raises:
        Refused: `usage`; it is no text.
    """
    with sys.stdin if str(path) == "-" else path.open(encoding="utf-8") as file:
        try:
            return file.read(LONGEST_FILE)
        except UnicodeDecodeError:
            raise usage(f"{path} is not text") from None


def read_jwk(path: Path) -> dict[str, object]:
    """The public key in `path`.

    Raises:
        Refused: `usage`; it is no JWK, nor a JWK Set with one.
    """
    try:
        key = msgspec.json.decode(read_text(path), type=dict[str, object])
    except msgspec.DecodeError:
        raise usage(f"{path} is not a JWK", "a JSON object with kty, crv and x") from None
    listed = key.get("keys")
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
        return listed[0]
    return key
