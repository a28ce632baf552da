"""Rectify: what is known of a person is wrong, and is put right."""

from typing import Annotated
from urllib.parse import quote

import typer

from agent.api.contract import PersonChange, PersonView
from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage
from agent.cli.people import Email, Phone, Tongue
from agent.cli.scopes import chosen
from agent.people.contact import Language

RECTIFY_EXAMPLE = "Example: portvakt rectify p1f0c5a9b23d4e6f7 --name 'Kari Nordmann' --phone 22225555"


def rectify(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    person: Annotated[str, typer.Argument(metavar="ID", help="The person's id, as `people list` shows it.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What they are called.")] = None,
    email: Email = None,
    phone: Phone = None,
    language: Tongue = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Correct what is known of somebody, also of who has left. What it was before is gone, with its key.

    What somebody is to the home is no matter of fact about them: `portvakt people change`.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    body = PersonChange(
        name=name,
        email=email,
        phone=phone,
        language=chosen(language, Language, "--language") if language is not None else None,
    )
    if body == PersonChange():
        raise usage("nothing is to be corrected", "say what, as in --phone 22225555")
    corrected = Gateway(socket).ask("PATCH", f"/api/people/{quote(person, safe='')}", PersonView, body)
    if json:
        output.as_json(corrected)
    else:
        output.line(f"{corrected.id}: {corrected.name}, {corrected.email or '-'}, {corrected.phone or '-'}")
