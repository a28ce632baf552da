"""Support: let somebody in for some hours, see who is in and what they did, send them away."""

from typing import Annotated
from urllib.parse import quote

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.scopes import Cameras, DeviceIds, chosen, identifier

app = typer.Typer(
    no_args_is_help=True,
    help="Let support in for some hours, see what they do, and send them away. They let themselves in never.",
)

Id = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, as `support list` shows it.")]


@app.command("list", epilog="Example: portvakt support list")
def list_cases(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List who from support was let in, by whom and until when, and how often they did what."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.support.contract import SupportView  # noqa: PLC0415

    cases = Gateway(socket).ask("GET", "/api/support", tuple[SupportView, ...])
    if json:
        output.as_json(cases)
        return
    rows: list[list[output.Cell]] = [
        [
            one.id,
            one.person or "erased",
            one.by or "erased",
            one.purpose,
            ", ".join(one.actions),
            output.moment(one.opened),
            output.moment(one.until),
            ("open", output.GOOD) if one.lasts else f"ended {output.moment(one.ended)} ({one.why or 'time unknown'})",
            ", ".join(f"{action} {count}" for action, count in one.done.items()) or "-",
        ]
        for one in cases
    ]
    heads = ["case", "who", "let in by", "for", "what", "opened", "until", "state", "done"]
    output.as_table(heads, rows, empty="support was never let in")


@app.command("open", epilog="Example: portvakt support open p1f0c5a9b23d4e6f7 --hours 2")
def open_(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whom, by the id that `people list` shows.")],
    hours: Annotated[float, typer.Option(metavar="HOURS", help="For how long, 24 hours at most.")],
    action: Annotated[
        list[str] | None,
        typer.Option(
            "--action", metavar="ACTION", help="What they may do; left out: faults and figures. Again for more."
        ),
    ] = None,
    camera: Cameras = None,
    device: DeviceIds = None,
    purpose: Annotated[str, typer.Option("--for", metavar="PURPOSE", help="What for.")] = "support",
    by: Annotated[
        str | None, typer.Option(metavar="ID", help="In which owner's name, where there are several.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Let somebody in whose role is support, from now on. It ends by itself, and `support end` ends it before."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.rights.actions import Action, Purpose  # noqa: PLC0415
    from agent.rights.grants import Reach  # noqa: PLC0415
    from agent.support.contract import USUAL, SupportBody, SupportView  # noqa: PLC0415

    cameras = tuple(identifier(one, "--camera") for one in camera or ())
    devices = tuple(identifier(one, "--device") for one in device or ())
    body = SupportBody(
        person=identifier(person, "PERSON"),
        hours=hours,
        purpose=chosen(purpose, Purpose, "--for"),
        actions=tuple(chosen(name, Action, "--action") for name in action or ()) or USUAL,
        reach=Reach(home=not (cameras or devices), cameras=cameras, devices=devices),
        by=identifier(by, "--by") if by else None,
    )
    opened = Gateway(socket).ask("POST", "/api/support", SupportView, body)
    if json:
        output.as_json(opened)
    else:
        output.line(
            f"case {opened.id}: {opened.person} may {', '.join(opened.actions)}, until {output.moment(opened.until)}"
        )


@app.command(epilog="Example: portvakt support end c1f0c5a9b23d4e6f7")
def end(case: Id, socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Send them away, now."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.support.contract import SupportView  # noqa: PLC0415

    ended = Gateway(socket).ask("DELETE", f"/api/support/{quote(case, safe='')}", SupportView)
    if json:
        output.as_json(ended)
    else:
        output.line(f"case {ended.id} has ended")
