"""Export: a person's own copy of all that is kept of them."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage
from agent.cli.scopes import Cameras, Classes, DeviceIds, Start, scope_of

EXPORT_EXAMPLE = "Example: portvakt export --subject p1f0c5a9b23d4e6f7 --to kari.zip"


def export(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    subject: Annotated[str, typer.Option(metavar="ID", help="Whose: the person's id, as `people list` shows it.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The ZIP archive to make; it must not be there yet.")],
    camera: Cameras = None,
    device: DeviceIds = None,
    record_class: Classes = None,
    start: Start = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Up to this time, not included.")] = None,
    language: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="Of its pages: nb (bokmål) or en; left out: the person's.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Write all that is kept of a person into a ZIP archive: pages to read, pictures, JSON, and what was left out.

    It is in the clear: give it to that person alone. The gateway keeps no copy of it. Where it breaks off, such as when
    an order to erase comes meanwhile, nothing is left of it. On the page, everybody gets their own.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.subject_rights.contract import ExportBody  # noqa: PLC0415 - beside it

    scope = scope_of(
        camera=camera,
        device=device,
        subject=[subject],
        record_class=record_class,
        start=start,
        end=before,
        everything=False,
    )
    body = ExportBody(scope=scope, language=_language(language))
    try:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise usage(f"{to} is there already", "name another file") from None
    try:
        with os.fdopen(handle, "wb") as file:
            size = Gateway(socket).download("POST", "/api/exports/stream", body, file)
    except BaseException:
        to.unlink(missing_ok=True)  # a part of an archive is none
        raise
    if json:
        output.as_json({"subject": subject, "file": str(to), "bytes": size})
    else:
        output.line(f"{to}: {size} bytes, all that is kept of {subject}")


def _language(text: str | None) -> Literal["nb", "en"] | None:
    match text:
        case None | "nb" | "en":
            return text
        case _:
            raise usage("--language is nb or en")
