"""Restrict: what is kept of a person is kept, and not used."""

from typing import Annotated

import typer

from agent.cli import output
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.scopes import Classes, Start, chosen, identifier, moment, words
from privacy.records import RecordClass

RESTRICT_EXAMPLE = "Example: portvakt restrict p1f0c5a9b23d4e6f7 --class snapshot"


def restrict(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id, as `people list` shows it.")],
    record_class: Classes = None,
    start: Start = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Up to this time, not included.")] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When that is over; left out: as late as may be, 30 days at most."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Have what is kept of a person kept, and neither viewed nor uploaded, because they ask for it.

    It is a hold: `portvakt holds` shows it, `portvakt release` ends it. Where no class is named it is all but what they
    need to sign in, to see who looked at them, and to get their export.
    """
    from agent.api.contract import HoldView  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.subject_rights.contract import RestrictBody  # noqa: PLC0415

    body = RestrictBody(
        subject=identifier(person, "ID"),
        classes=tuple(chosen(name, RecordClass, "--class") for name in record_class or ()),
        start=moment(start, "--from"),
        end=moment(before, "--before"),
        until=moment(until, "--until"),
    )
    warning = "nobody can look at it meanwhile"
    confirm(f"Restrict what is kept of {person}? N{warning[1:]}.", yes=yes, warning=warning)
    placed = Gateway(socket).ask("POST", "/api/restrict", HoldView, body)
    if json:
        output.as_json(placed)
    else:
        output.line(f"hold {placed.id}: {words(placed.scope)}, until {output.moment(placed.until)}")
