"""Has phones trust the gateway: shows where they get its certificate, and what to compare."""

import sys
import time
from textwrap import wrap
from typing import Annotated, Final

import typer

from agent.cli import output
from agent.cli.demo import seconds
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes

TRUST_EXAMPLE: Final = "Examples: portvakt trust · portvakt trust --for 30m · portvakt trust --reset"
_EIGHT_PAIRS: Final = 8 * 3


def trust(
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="Hand it out for so long.")] = "10m",
    socket: Socket = DEFAULT_SOCKET,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="First take another name and certificate; what trusted the old stops.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Hand the gateway's certificate to phones: scan, install, compare. Ends by itself, or with Ctrl-C.

    With --json it does not wait: the certificate is handed out all the same until its time is over.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.lan.contract import TrustBody, TrustView  # noqa: PLC0415 - likewise

    wanted = seconds(for_) or 0.0
    if reset:
        confirm("Take another name?", yes=yes, warning="every phone has to be set up again, and passkeys stop working")
    gateway = Gateway(socket)
    view = gateway.ask("POST", "/api/trust", TrustView, TrustBody(seconds=wanted, reset=reset))
    if json:
        output.as_json(view)
        return
    if sys.stdout.isatty():
        import segno  # noqa: PLC0415 - only here

        segno.make(view.url, error="m", micro=False).terminal(compact=True)
    output.line(f"1. Scan this, or open {view.url}")
    for other in view.others:
        output.line(f"   or {other}")
    output.line("2. Install what it offers, and compare the SHA-256 fingerprint that the phone shows with this one:")
    for line in wrap(view.fingerprint.replace(":", " "), _EIGHT_PAIRS):
        output.line(f"     {line}")
    output.line(f"3. Open {view.page}")
    output.line(f"It closes at {output.moment(view.until)}, or with Ctrl-C.")
    try:
        time.sleep(wanted)
    except KeyboardInterrupt:
        gateway.fetch("DELETE", "/api/trust")
        output.line("closed")
