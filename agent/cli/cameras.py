"""Cameras: what there is, and the newest picture of one."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage
from agent.cli.scopes import identifier, time_of
from agent.errors import AgentError, Refused

app = typer.Typer(no_args_is_help=True, help="List cameras and pictures, fetch the newest, say whom they concern.")


@app.command("list", epilog="Example: portvakt cameras list")
def list_cameras(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List the cameras.

    Whether each works, how many pictures are kept, and when the oldest goes.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    cameras = Gateway(socket).state().cameras
    if json:
        output.as_json(cameras)
        return
    rows: list[list[output.Cell]] = [
        [
            camera.id,
            camera.name,
            ("works", output.GOOD) if camera.working else (camera.reason or "does not work", output.BAD),
            str(camera.pictures),
            output.span(camera.keep_seconds),
            output.moment(camera.newest),
            output.moment(camera.next_to_go),
        ]
        for camera in cameras
    ]
    heads = ["id", "name", "state", "pictures", "limit", "newest", "next to go"]
    output.as_table(heads, rows, empty="no cameras; they stand in the configuration")


@app.command(epilog="Example: portvakt cameras snapshot front --out front.jpg")
def snapshot(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id, as `cameras list` shows it.")],
    out: Annotated[Path | None, typer.Option(help="Where to write the JPEG; `-` is stdout.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    thumbnail: Annotated[bool, typer.Option("--thumbnail", help="The small one.")] = False,
) -> None:
    """Fetch the newest picture of a camera.

    Of those that are kept. The copy is yours to delete: no limit reaches it.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    to_stdout = out is None or str(out) == "-"
    if to_stdout and sys.stdout.isatty():
        raise usage("a terminal shows no JPEG", "say --out FILE")
    gateway = Gateway(socket)
    state = gateway.state()
    if camera not in {known.id for known in state.cameras}:
        raise Refused("unknown_camera", f"there is no camera {camera}", hint="see `portvakt cameras list`")
    newest = next((kept for kept in state.snapshots if kept.camera == camera), None)
    if newest is None:
        raise AgentError(f"no recent picture of {camera} is kept", hint="see `portvakt cameras list`")
    size = "thumbnail" if thumbnail else "image"
    jpeg = gateway.fetch("GET", f"/api/snapshots/{newest.id}/{size}")
    if out is None or to_stdout:
        sys.stdout.buffer.write(jpeg)
        return
    # A picture of somebody's home is for the one who asked for it.
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(jpeg)
    output.line(f"{out}: {camera} at {output.moment(newest.at)}; on the gateway it goes {output.moment(newest.goes)}")


@app.command(epilog="Example: portvakt cameras pictures")
def pictures(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List the newest pictures that are shown: id, camera, when each was taken and when it goes."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    shown = Gateway(socket).state().snapshots
    if json:
        output.as_json(shown)
        return
    rows: list[list[output.Cell]] = [
        [one.id, one.camera, output.moment(one.at), output.moment(one.goes)] for one in shown
    ]
    output.as_table(["picture", "camera", "taken", "goes"], rows, empty="no pictures")


@app.command(epilog="Example: portvakt cameras tag PICTURE --subject kari")
def tag(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="Its id, as `cameras pictures` shows it.")],
    subject: Annotated[str, typer.Option(metavar="ID", help="The id of the person who is on it.")],
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Say that a person is on a picture: an order to erase what concerns them then takes it.

    Nothing here recognises faces. Until people can sign in, whoever calls this speaks for the owner.
    """
    from urllib.parse import quote  # noqa: PLC0415 - beside the gateway

    from agent.api.contract import TagBody, TagView  # noqa: PLC0415
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    person = identifier(subject, "--subject")
    path = f"/api/snapshots/{quote(picture, safe='')}/subjects"
    told = Gateway(socket).ask("POST", path, TagView, TagBody(subject=person))
    if json:
        output.as_json(told)
    else:
        output.line(f"{told.subject} is on {told.snapshot}")


@app.command(
    epilog="Example: portvakt cameras claim --camera front --subject kari --from 2026-01-31T08:00 --to 2026-01-31T09:00"
)
def claim(  # noqa: PLR0913 - each is an option of the verb
    camera: Annotated[str, typer.Option(metavar="ID", help="The camera's id.")],
    subject: Annotated[str, typer.Option(metavar="ID", help="The id of the person whose time it was.")],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="From this time on.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Up to this time, not included.")],
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Claim what a camera took for some time as a person's: an order to erase what concerns them then takes it.

    Until people can sign in, whoever calls this is the owner, who thereby accepts the claim.
    """
    from agent.api.contract import ClaimBody  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    body = ClaimBody(
        camera=identifier(camera, "--camera"),
        subject=identifier(subject, "--subject"),
        start=time_of(start, "--from"),
        end=time_of(end, "--to"),
    )
    told = Gateway(socket).ask("POST", "/api/claims", ClaimBody, body)
    if json:
        output.as_json(told)
    else:
        times = f"from {output.moment(told.start)} to {output.moment(told.end)}"
        output.line(f"what {told.camera} takes {times} concerns {told.subject}")
