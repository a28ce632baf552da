"""The log of receipts: show it, and check it as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO, usage
from agent.cli.receipts import ReceiptKind, entries_of, read_jwk, read_text, unknown_receipt, unverified
from agent.cli.scopes import chosen

app = typer.Typer(no_args_is_help=True, help="The log of what was ordered and done; check that nobody changed it.")


@app.command(epilog="Example: portvakt audit show")
def show(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Print the whole log, oldest first."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    entries = Gateway(socket).audit()
    if json:
        output.as_json(entries)
        return
    rows: list[list[output.Cell]] = [
        [str(number), output.moment(entry.at), entry.order or "-", entry.issuer or "-", entry.kind]
        for number, entry in enumerate(entries)
    ]
    output.as_table(["entry", "at", "order", "issuer", "kind"], rows, empty="the log is empty")


@app.command(epilog="Example: portvakt audit checkpoint > checkpoint.jws")
def checkpoint(socket: Socket = DEFAULT_SOCKET) -> None:
    """Print the log as it stands now, signed: how many entries, and its Merkle root (RFC 9162).

    Keep it where the gateway cannot reach it. `portvakt audit verify --since` shows later that nothing before it has
    changed.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    output.line(Gateway(socket).checkpoint())


@app.command(epilog="Example: portvakt audit prove ORDER > proof.json")
def prove(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, as `receipt list` shows it.")],
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="`erased` or `verified`; left out: what FILE is, else `verified`."),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The receipt itself, where it has expired here, and somebody has kept it."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Print the proof that a receipt is in the log: a signed checkpoint, and the path to it (RFC 9162, 2.1.3).

    `portvakt receipt verify --proof` checks it with nothing but the receipt and the public key.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from privacy.checkpoint import prove_inclusion, unverified_checkpoint  # noqa: PLC0415 - brings cryptography

    wanted = chosen(kind, ReceiptKind, "--kind") if kind is not None else None
    given = None if receipt is None else _receipt_of(receipt, order, wanted)
    gateway = Gateway(socket)
    signed = gateway.checkpoint()
    log = gateway.audit()
    sought = order, wanted or ReceiptKind.VERIFIED
    jws = given or next((entry.jws for entry in log if (entry.order, entry.kind) == sought), None)
    if jws is None:
        raise unknown_receipt(order, log)
    output.as_json(prove_inclusion(entries_of(log), jws, signed, unverified_checkpoint(signed).log.size))


@app.command(
    epilog="Examples: portvakt audit verify --key receipt-public.jwk · portvakt audit verify --since checkpoint.jws"
)
def verify(
    key: Annotated[
        Path, typer.Option(help="The gateway's public key: a JWK, or a JWK Set with it alone.")
    ] = DEFAULT_PUBLIC_KEY,
    since: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier checkpoint: the log has to have grown out of that one."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Check every entry's signature, and that none was changed, dropped or moved. Exit code 1 when one was.

    The check is made here, with the public key that you give; the agent only hands over the log. Entries cut off the
    very end are not seen here, unless --since gives a checkpoint that knew them: the backend, which holds later ones,
    sees them.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from privacy.audit import position, verify_log  # noqa: PLC0415 - brings cryptography
    from privacy.checkpoint import unverified_checkpoint, verify_checkpoint, verify_growth  # noqa: PLC0415 - brings joserfc
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415

    jwk = read_jwk(key)
    earlier = None if since is None else read_text(since).strip()
    if earlier is not None:
        try:
            unverified_checkpoint(earlier)
        except ReceiptInvalid:
            raise usage(f"{since} is no checkpoint", "what `portvakt audit checkpoint` printed") from None
    gateway = Gateway(socket)
    try:
        log = entries_of(gateway.audit())
        receipts = verify_log(log, jwk)
        if earlier is not None:
            verify_growth(log, verify_checkpoint(earlier, jwk).log, position(log))
    except ReceiptInvalid as error:
        if not json:
            raise
        output.as_json({"valid": False, "reason": str(error)})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({"valid": True, "entries": len(log), "expired": len(log) - len(receipts)})
        return
    grown = "" if since is None else ", grown out of that checkpoint"
    output.line(f"genuine and whole: {len(log)} entries{grown}")
    if expired := len(log) - len(receipts):
        output.line(f"{expired} of them have expired: they are no longer here, and their places in the log still count")


def _receipt_of(path: Path, order: str, kind: ReceiptKind | None) -> str:
    """The receipt in `path`, which must be that of `order`, and of `kind` where one is named.

    Raises:
        Refused: `usage`; it is none, or another.
    """
    jws = read_text(path).strip()
    try:
        told = unverified(jws)
    except ValueError:
        raise usage(f"{path} is no receipt", "what `portvakt receipt show` printed") from None
    if told.order.id != order or kind not in {None, told.kind}:
        raise usage(f"{path} is another receipt: {told.kind!r} of {told.order.id!r}", "say ORDER and --kind as it does")
    return jws
