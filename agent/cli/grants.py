"""Grants and tokens: lend somebody, or a program, a part of what one may do, until an end; and take it back."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from agent.api.contract import PersonView
from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage
from agent.cli.scopes import Cameras, DeviceIds, chosen, identifier, moment
from agent.cli.until import end_of
from agent.people.lent import GrantBody, GrantView, NewTokenView, TokenBody, TokenView
from agent.rights.actions import Action, Group, Purpose
from agent.rights.grants import Reach
from privacy.hold import Role

if TYPE_CHECKING:
    from agent.cli.gateway import Gateway

grants = typer.Typer(no_args_is_help=True, help="List, give and end grants: the installer until Friday.")
tokens = typer.Typer(no_args_is_help=True, help="List, make and end programs' tokens.")

USUAL: Final = {
    Role.INSTALLER: (
        Purpose.INSTALLATION,
        (
            Action.READ_DEVICES,
            Action.CONTROL_DEVICES,
            Action.MANAGE_DEVICES,
            Action.READ_METRICS,
            Action.READ_DIAGNOSTICS,
        ),
    ),
    Role.GUEST: (Purpose.VISIT, (Action.READ_DEVICES, Action.CONTROL_DEVICES)),
    Role.RESPONDER: (Purpose.ALARM, (Action.READ_DEVICES, Action.CONTROL_DEVICES)),
    Role.SUPPORT: (Purpose.SUPPORT, (Action.READ_DIAGNOSTICS, Action.READ_METRICS)),
}
"""What such a person is lent, and what for, where nothing else is said."""

Until = Annotated[
    str, typer.Option(metavar="TIME", help="Until when: friday, tomorrow, 7d or a time; a day is meant to its end.")
]
Actions = Annotated[
    list[str] | None, typer.Option("--action", metavar="ACTION", help="What, such as view_pictures; again for more.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", metavar="GROUP", help=f"What goes together: {', '.join(Group)}.")
]
By = Annotated[str | None, typer.Option(metavar="ID", help="In which owner's name, where the house has several.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id, as `list` shows it.")]


@grants.command("list", epilog="Example: portvakt grants list")
def list_grants(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List what was lent to whom, by whom and until when. Who shows where they are keeps that to themselves."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    given = Gateway(socket).ask("GET", "/api/grants", tuple[GrantView, ...])
    if json:
        output.as_json(given)
        return
    rows: list[list[output.Cell]] = [
        [one.id, one.person, one.role, one.by, *_what(one), one.purpose, output.moment(one.end)] for one in given
    ]
    heads = ["grant", "to", "as", "by", "what", "where", "for", "until"]
    output.as_table(heads, rows, empty="nothing is lent")


@grants.command(epilog="Example: portvakt grants give p1f0c5a9b23d4e6f7 --until friday")
def give(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whom, by the id that `people list` shows.")],
    until: Until,
    action: Actions = None,
    group: Groups = None,
    camera: Cameras = None,
    device: DeviceIds = None,
    purpose: Annotated[
        str | None, typer.Option("--for", metavar="PURPOSE", help=f"What for: {', '.join(Purpose)}.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Not before; left out: now.")] = None,
    history: Annotated[
        str | None, typer.Option("--history-from", metavar="TIME", help="Show what was, from then on.")
    ] = None,
    by: By = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Lend somebody a part of what an owner may do.

    Where nothing else is said, it is what such a person usually needs (an installer: devices, figures and faults; a
    guest: to switch), in the whole home where no camera or device is named. Nobody lends what they may not do.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    gateway = Gateway(socket)
    whom, usual = identifier(person, "PERSON"), None
    if not (purpose and (action or group)):
        people = gateway.ask("GET", "/api/people", tuple[PersonView, ...])
        usual = next((USUAL.get(one.role) for one in people if one.id == whom), None)
        if usual is None:
            raise usage(f"{whom} is nobody whose usual grant is known", "say what and what for: --action and --for")
    body = GrantBody(
        person=whom,
        actions=_actions(action) or (usual[1] if usual and not group else ()),
        groups=_groups(group),
        reach=_reach(camera, device),
        purpose=usual[0] if usual and not purpose else chosen(purpose or "", Purpose, "--for"),
        start=moment(start, "--from"),
        end=end_of(until, _now(gateway)),
        history_from=moment(history, "--history-from"),
        by=identifier(by, "--by") if by else None,
    )
    given = gateway.ask("POST", "/api/grants", GrantView, body)
    if json:
        output.as_json(given)
    else:
        output.line(f"grant {given.id}: {given.person} may {' '.join(_what(given))}, until {output.moment(given.end)}")


@grants.command("end", epilog="Example: portvakt grants end g1f0c5a9b23d4e6f7")
def end_grant(id_: Id, socket: Socket = DEFAULT_SOCKET) -> None:
    """Take back what was lent."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    Gateway(socket).fetch("DELETE", f"/api/grants/{quote(id_, safe='')}")
    output.line(f"{id_} has ended")


@tokens.command("list", epilog="Example: portvakt tokens list")
def list_tokens(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List programs' tokens: for whom they act, what they may do, until when."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    made = Gateway(socket).ask("GET", "/api/tokens", tuple[TokenView, ...])
    if json:
        output.as_json(made)
        return
    rows: list[list[output.Cell]] = [
        [one.id, one.name, one.person, *_what(one), output.moment(one.end)] for one in made
    ]
    output.as_table(["token", "program", "for", "what", "where", "until"], rows, empty="no program has a token")


@tokens.command(epilog="Example: portvakt tokens make --name Graphs --action read_devices --until 90d")
def make(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    name: Annotated[str, typer.Option(metavar="NAME", help="What the program is called.")],
    until: Until,
    action: Actions = None,
    group: Groups = None,
    device: DeviceIds = None,
    by: By = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Let a program do a part of what an owner may. Its secret is shown once, here, and never again."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    gateway = Gateway(socket)
    body = TokenBody(
        name=name,
        actions=_actions(action),
        groups=_groups(group),
        reach=_reach(None, device),
        end=end_of(until, _now(gateway)),
        person=identifier(by, "--by") if by else None,
    )
    made = gateway.ask("POST", "/api/tokens", NewTokenView, body)
    if json:
        output.as_json(made)
        return
    output.line(f"token {made.token.id}: {' '.join(_what(made.token))}, until {output.moment(made.token.end)}")
    output.line(made.secret)


@tokens.command("end", epilog="Example: portvakt tokens end t1f0c5a9b23d4e6f7")
def end_token(id_: Id, socket: Socket = DEFAULT_SOCKET) -> None:
    """From now on the program may do nothing."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    Gateway(socket).fetch("DELETE", f"/api/tokens/{quote(id_, safe='')}")
    output.line(f"{id_} has ended")


def _now(gateway: "Gateway") -> datetime:
    """By the gateway's belief, which decides when it ends."""
    return gateway.state().time.now.astimezone()


def _reach(camera: list[str] | None, device: list[str] | None) -> Reach:
    cameras = tuple(identifier(one, "--camera") for one in camera or ())
    devices = tuple(identifier(one, "--device") for one in device or ())
    return Reach(home=not (cameras or devices), cameras=cameras, devices=devices)


def _actions(names: list[str] | None) -> tuple[Action, ...]:
    return tuple(chosen(name, Action, "--action") for name in names or ())


def _groups(names: list[str] | None) -> tuple[Group, ...]:
    return tuple(chosen(name, Group, "--group") for name in names or ())


def _what(lent: GrantView | TokenView) -> tuple[str, str]:
    """What, and where."""
    places = (*lent.reach.rooms, *lent.reach.cameras, *lent.reach.devices)
    return ", ".join(lent.actions), "everywhere" if lent.reach.home else f"at {', '.join(places)}"
