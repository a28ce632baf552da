"""People: who belongs to the house, and as what."""

from typing import Annotated
from urllib.parse import quote

import typer

from agent.api.contract import PersonBody, PersonChange, PersonView
from agent.cli import output
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.outcome import usage
from agent.cli.scopes import chosen
from agent.people.contact import Language
from privacy.hold import Role

app = typer.Typer(no_args_is_help=True, help="List, add, correct and remove the people of the house.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The person's id, as `people list` shows it.")]
Lives = Annotated[
    bool | None, typer.Option("--lives-here/--lives-elsewhere", help="Whether this is their home.", show_default=False)
]
Email = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Their e-mail address; '' takes it away.")]
Phone = Annotated[str | None, typer.Option(metavar="NUMBER", help="Their telephone number; '' takes it away.")]
Tongue = Annotated[
    str | None, typer.Option(metavar="LANGUAGE", help=f"What to write to them in: {', '.join(Language)}.")
]
Minor = Annotated[
    bool | None, typer.Option("--minor/--adult", help="Whether this is a child or a teenager.", show_default=False)
]
_ROLES = f"What they are to the house: {', '.join(Role)}."


@app.command("list", epilog="Example: portvakt people list --json")
def list_people(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List the people of the house."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    people = Gateway(socket).ask("GET", "/api/people", tuple[PersonView, ...])
    if json:
        output.as_json(people)
        return
    rows: list[list[output.Cell]] = [
        [
            person.id,
            person.name,
            person.role,
            _stays(person),
            person.email or "-",
            person.phone or "-",
            output.moment(person.added),
        ]
        for person in people
    ]
    heads = ["id", "name", "role", "lives here", "e-mail", "telephone", "added"]
    output.as_table(heads, rows, empty="nobody yet; begin with the owner: portvakt people add --role owner --name …")


@app.command(epilog="Example: portvakt people add --role resident --name 'Kari Nordmann' --phone 22225555")
def add(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    role: Annotated[str, typer.Option(metavar="ROLE", help=_ROLES)],
    name: Annotated[str, typer.Option(metavar="NAME", help="What they are called.")],
    email: Email = None,
    phone: Phone = None,
    language: Tongue = None,
    lives_here: Lives = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    minor: Annotated[bool, typer.Option("--minor", help="A child or a teenager.")] = False,
    json: Json = False,
) -> None:
    """Add somebody. Owners, residents and wearers live here, where nothing else is said; others do not."""
    what = chosen(role, Role, "--role")
    at_home = what in {Role.OWNER, Role.RESIDENT, Role.WEARER} if lives_here is None else lives_here
    body = PersonBody(
        role=what,
        name=name,
        lives_here=at_home,
        email=email or "",
        phone=phone or "",
        language=_language(language) or Language.BOKMAL,
        minor=minor,
    )
    _show(_asked(socket, "POST", "/api/people", body), json=json)


@app.command(epilog="Example: portvakt people change p1f0c5a9b23d4e6f7 --phone 22225555")
def change(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    person: Id,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help=_ROLES)] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What they are called.")] = None,
    email: Email = None,
    phone: Phone = None,
    language: Tongue = None,
    lives_here: Lives = None,
    minor: Minor = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    returns: Annotated[bool, typer.Option("--returns", help="Who has left belongs to the house again.")] = False,
    json: Json = False,
) -> None:
    """Correct what is known of somebody; what it was before is gone."""
    body = PersonChange(
        role=chosen(role, Role, "--role") if role else None,
        name=name,
        lives_here=lives_here,
        email=email,
        phone=phone,
        language=_language(language),
        minor=minor,
        returns=returns,
    )
    if body == PersonChange():
        raise usage("nothing is to be changed", "say what, as in --phone 22225555")
    _show(_asked(socket, "PATCH", _path(person), body), json=json)


@app.command(epilog="Example: portvakt people remove p1f0c5a9b23d4e6f7")
def remove(
    person: Id,
    socket: Socket = DEFAULT_SOCKET,
    *,
    forget: Annotated[bool, typer.Option("--forget", help="Now, and not in 30 days.")] = False,
    yes: Yes = False,
) -> None:
    """End what somebody is to the house. Who has left already is forgotten at once, name and address and all.

    Who has left keeps the rights over what is kept of them for 30 days; then their record goes by itself. Pictures
    that concern them stay for their time. `portvakt erase --subject ID` takes all there is of a person.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    confirm(f"Forget {person}?" if forget else f"Remove {person}?", yes=yes)
    gateway = Gateway(socket)
    gateway.fetch("DELETE", _path(person))
    left = _among(gateway.ask("GET", "/api/people", tuple[PersonView, ...]), person)
    if left and forget:
        gateway.fetch("DELETE", _path(person))
    output.line(f"{person} has left, and is forgotten in 30 days" if left and not forget else f"{person} is forgotten")


def _asked(socket: Socket, method: str, path: str, body: object) -> PersonView:
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    return Gateway(socket).ask(method, path, PersonView, body)


def _among(people: tuple[PersonView, ...], person: str) -> bool:
    return any(one.id == person for one in people)


def _stays(person: PersonView) -> str:
    if person.until:
        return f"left {output.moment(person.until)}"
    return "yes" if person.lives_here else "no"


def _show(person: PersonView, *, json: bool) -> None:
    if json:
        output.as_json(person)
    else:
        output.line(f"{person.id}: {person.name}, {person.role}")


def _path(person: str) -> str:
    return f"/api/people/{quote(person, safe='')}"


def _language(text: str | None) -> Language | None:
    return chosen(text, Language, "--language") if text is not None else None
