"""Ways in, made at the box: the claim, a link for somebody, and the button."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket

if TYPE_CHECKING:
    from agent.signin.contract import WayInView

CLAIM_EXAMPLE = "Example: portvakt claim"
LINK_EXAMPLE = "Example: portvakt people link p1f0c5a9b23d4e6f7"
BUTTON_EXAMPLE = "Example: portvakt button"


def claim(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Make a link by which somebody takes this gateway as its owner, once. A link made before is dead."""
    _show(_made(socket, "/api/claim-code"), "whoever opens this makes the gateway theirs", json=json)


def link(
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id, as `people list` shows it.")],
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Make a link that lets somebody in, once: an invitation, or a way back for who lost theirs.

    An invitation lasts 24 hours, a way back 15 minutes. A link that was made before is dead.
    """
    _show(_made(socket, f"/api/people/{quote(person, safe='')}/link"), f"whoever opens this is {person}", json=json)


def button(socket: Socket = DEFAULT_SOCKET) -> None:
    """Press the button on the box: for two minutes whoever stands beside it is believed."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    Gateway(socket).fetch("POST", "/api/button", {})
    output.line("pressed; it counts for two minutes")


def _made(socket: Socket, path: str) -> "WayInView":
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.signin.contract import WayInView  # noqa: PLC0415 - as above

    return Gateway(socket).ask("POST", path, WayInView, {})


def _show(made: "WayInView", what: str, *, json: bool) -> None:
    if json:
        output.as_json(made)
        return
    from agent.signin import qr  # noqa: PLC0415 - only here

    output.line(made.url)
    output.line(f"{what}, once, until {output.moment(made.until)}")
    # A terminal in another alphabet than Unicode's has no such blocks; the link does without.
    with suppress(UnicodeEncodeError):
        typer.echo(qr.blocks(made.url))
