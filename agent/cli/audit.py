"""The log of receipts: show it, and check it as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import NO
from agent.cli.receipts import read_jwk

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
        [str(number), output.moment(entry.at), entry.order, entry.issuer, entry.kind]
        for number, entry in enumerate(entries)
    ]
    output.as_table(["entry", "at", "order", "issuer", "kind"], rows, empty="the log is empty")


@app.command(epilog="Example: portvakt audit verify --key receipt-public.jwk")
def verify(
    key: Annotated[
        Path, typer.Option(help="The gateway's public key: a JWK, or a JWK Set with it alone.")
    ] = DEFAULT_PUBLIC_KEY,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Check every entry's signature, and that none was changed, dropped or moved. Exit code 1 when one was.

    The check is made here, with the public key that you give; the agent only hands over the log. Entries cut off the
    very end are not seen here: the backend, which holds later ones, sees them.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from privacy.audit import verify_log  # noqa: PLC0415 - brings cryptography
    from privacy.errors import ReceiptInvalid  # noqa: PLC0415

    jwk = read_jwk(key)
    try:
        receipts = verify_log([entry.jws for entry in Gateway(socket).audit()], jwk)
    except ReceiptInvalid as error:
        if not json:
            raise
        output.as_json({"valid": False, "reason": str(error)})
        raise typer.Exit(NO) from None
    if json:
        output.as_json({"valid": True, "entries": len(receipts)})
        return
    output.line(f"genuine and whole: {len(receipts)} entries")
