"""Receipts: list, show, verify."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO, usage
from agent.errors import Refused

LONGEST_FILE = 1024 * 1024

app = typer.Typer(no_args_is_help=True, help="List, show and verify the receipts of erasures.")


@app.command("list", epilog="Example: portvakt receipt list")
def list_receipts(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List the newest receipts of the running agent."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    receipts = Gateway(socket).state().receipts
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
            ("valid", output.GOOD) if r.signature_valid else ("NOT VALID", output.BAD),
            "yes" if r.acknowledged else "no",
        ]
        for r in receipts
    ]
    heads = ["order", "issuer", "kind", "at", "erased", "left", "signature", "backend knows"]
    output.as_table(heads, rows, empty="no receipts")


@app.command(epilog="Example: portvakt receipt show ORDER > receipt.jws")
def show(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, as `receipt list` shows it.")],
    kind: Annotated[str, typer.Option(help="`erased` or `verified`.")] = "verified",
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Print one receipt: a compact JWS (RFC 7515)."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    for receipt in Gateway(socket).state().receipts:
        if (receipt.order, receipt.kind) == (order, kind):
            output.line(receipt.jws)
            return
    raise Refused("unknown_receipt", f"there is no such receipt of {order}", hint="see `portvakt receipt list`")


@app.command(epilog="Example: portvakt receipt verify receipt.jws --key receipt-public.jwk")
def verify(
    file: Annotated[Path, typer.Argument(help="The receipt, compact JWS; `-` is stdin.")],
    key: Annotated[
        Path, typer.Option(help="The gateway's public key: a JWK, or a JWK Set with it alone.")
    ] = DEFAULT_PUBLIC_KEY,
    *,
    json: Json = False,
) -> None:
    """Check a receipt with the gateway's public key.

    Needs nothing else, and no agent. Exit code 1 when it is not genuine.
    """
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415 - brings cryptography
    from privacy.receipts import verify_receipt  # noqa: PLC0415

    jws, jwk = _read(file).strip(), read_jwk(key)
    try:
        receipt = verify_receipt(jws, jwk)
    except ReceiptInvalid as error:
        if not json:
            raise
        output.as_json({"valid": False, "reason": str(error)})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({"valid": True, "receipt": receipt})
        return
    output.line(
        f"genuine: {receipt.iss} says at {output.moment(receipt.at)} that order {receipt.order.id} is {receipt.kind}"
    )
    rows: list[list[output.Cell]] = [
        [line.store, str(line.found), str(line.erased), str(line.left), line.tier] for line in receipt.stores
    ]
    output.as_table(["store", "found", "erased", "left", "tier"], rows, empty="no store was concerned")


def _read(path: Path) -> str:
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
    import msgspec  # noqa: PLC0415 - only where it is used

    try:
        key = msgspec.json.decode(_read(path), type=dict[str, object])
    except msgspec.DecodeError:
        raise usage(f"{path} is not a JWK", "a JSON object with kty, crv and x") from None
    listed = key.get("keys")
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
        return listed[0]
    return key
