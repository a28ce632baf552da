"""The registers: agreements with processors, and disclosures to authorities."""

from typing import Annotated
from urllib.parse import quote

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage
from agent.cli.scopes import (
    Cameras,
    Classes,
    DeviceIds,
    End,
    Everything,
    Start,
    Subjects,
    chosen,
    identifier,
    moment,
    scope_of,
    words,
)
from privacy.records import RecordClass

agreements = typer.Typer(
    no_args_is_help=True,
    help="List, add and end agreements with those outside who process data for the home. Who has none gets nothing.",
)
disclosures = typer.Typer(
    no_args_is_help=True, help="List and record what was handed over to an authority, on what ground."
)

Reference = Annotated[str, typer.Option(metavar="NUMBER", help="A contract's or case's number, if there is one.")]


@agreements.command("list", epilog="Example: portvakt agreements list")
def list_agreements(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List who processes what, since when and until when."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.processing.contract import ProcessorAgreementView  # noqa: PLC0415

    known = Gateway(socket).ask("GET", "/api/processors", tuple[ProcessorAgreementView, ...])
    if json:
        output.as_json(known)
        return
    rows: list[list[output.Cell]] = [
        [
            one.id,
            one.name,
            ", ".join(one.classes),
            one.country,
            one.reference or "-",
            output.moment(one.since),
            output.moment(one.until),
            ("lasts", output.GOOD) if one.lasts else "does not last",
        ]
        for one in known
    ]
    heads = ["agreement", "with", "classes", "country", "reference", "since", "until", "state"]
    output.as_table(heads, rows, empty="there is none: nobody outside gets anything by one")


@agreements.command(epilog="Example: portvakt agreements add --name 'Sky AS' --class op_log --country NO")
def add(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    name: Annotated[str, typer.Option(metavar="NAME", help="The company.")],
    record_class: Annotated[
        list[str], typer.Option("--class", metavar="CLASS", help="What they process; may be given again.")
    ],
    country: Annotated[str, typer.Option(metavar="CODE", help="Where: two letters (ISO 3166), such as NO.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Since when; left out: now.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until when; left out: 3 years from now.")] = None,
    reference: Reference = "",
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Register an agreement: 3 years at the most, then it is registered anew."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.processing.contract import AgreementBody, ProcessorAgreementView  # noqa: PLC0415

    body = AgreementBody(
        name=name,
        classes=tuple(chosen(one, RecordClass, "--class") for one in record_class),
        country=country.upper(),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        reference=reference,
    )
    made = Gateway(socket).ask("POST", "/api/processors", ProcessorAgreementView, body)
    if json:
        output.as_json(made)
    else:
        output.line(f"agreement {made.id}: {made.name}, until {output.moment(made.until)}")


@agreements.command(epilog="Example: portvakt agreements end k1f0c5a9b23d4e6f7")
def end(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The agreement's id, as `agreements list` shows it.")],
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """From now on they get nothing by it."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    Gateway(socket).fetch("DELETE", f"/api/processors/{quote(id_, safe='')}")
    output.line(f"{id_} has ended")


@disclosures.command("list", epilog="Example: portvakt disclosures list")
def list_disclosures(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List what the home handed over, to whom and on what ground; not what people handed over of their own."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.processing.contract import DisclosureView  # noqa: PLC0415

    known = Gateway(socket).ask("GET", "/api/disclosures", tuple[DisclosureView, ...])
    if json:
        output.as_json(known)
        return
    rows: list[list[output.Cell]] = [
        [
            one.id,
            output.moment(one.at),
            one.receiver,
            one.ground,
            words(one.scope),
            one.hold or "-",
            one.reference or "-",
            one.by or "erased",
        ]
        for one in known
    ]
    heads = ["disclosure", "when", "to", "ground", "what", "hold", "reference", "by"]
    output.as_table(heads, rows, empty="nothing was disclosed")


@disclosures.command(epilog="Example: portvakt disclosures record --receiver police --ground crime_report --hold HOLD")
def record(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    receiver: Annotated[
        str, typer.Option(metavar="RECEIVER", help="To whom: police, court, … (a wrong word lists all).")
    ],
    ground: Annotated[str, typer.Option(metavar="GROUND", help="On what ground (a wrong word lists all).")],
    hold: Annotated[str | None, typer.Option(metavar="HOLD", help="What a hold keeps, by its id.")] = None,
    camera: Cameras = None,
    device: DeviceIds = None,
    subject: Subjects = None,
    record_class: Classes = None,
    start: Start = None,
    end: End = None,
    reference: Reference = "",
    by: Annotated[
        str | None, typer.Option(metavar="ID", help="In which owner's name, where there are several.")
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    everything: Everything = False,
    json: Json = False,
) -> None:
    """Record that something was handed over: what a hold keeps, or what the other options say."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.processing.contract import DisclosureBody, DisclosureView  # noqa: PLC0415
    from agent.processing.disclosures import Ground, Receiver  # noqa: PLC0415
    from agent.rights.actions import Purpose  # noqa: PLC0415

    scoped = any((camera, device, subject, record_class, start, end, everything))
    if hold and scoped:
        raise usage("a hold says what was handed over", "leave out the other options, or --hold")
    body = DisclosureBody(
        receiver=chosen(receiver, Receiver, "--receiver"),
        ground=chosen(ground, Ground, "--ground"),
        hold=hold,
        scope=None
        if hold
        else scope_of(
            camera=camera,
            device=device,
            subject=subject,
            record_class=record_class,
            start=start,
            end=end,
            everything=everything,
        ),
        reference=reference,
        by=identifier(by, "--by") if by else None,
    )
    made = Gateway(socket).ask("POST", "/api/disclosures", DisclosureView, body, purpose=Purpose.DISCLOSURE)
    if json:
        output.as_json(made)
    else:
        output.line(f"disclosure {made.id}: {words(made.scope)}, to {made.receiver}")
