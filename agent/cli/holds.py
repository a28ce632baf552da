"""Holds: keep something past its limit, for a reason, for a while; say what is held; let it go."""

from typing import Annotated

import typer

from agent.cli import output
from agent.cli.devices import confirm
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.scopes import (
    Cameras,
    Classes,
    DeviceIds,
    End,
    Everything,
    Start,
    Subjects,
    chosen,
    moment,
    scope_of,
    words,
)
from privacy.hold import Reason

HOLD_EXAMPLE = (
    "Example: portvakt hold --reason police_report --camera front --from 2026-01-31T08:00 --to 2026-01-31T09:00"
)
HOLDS_EXAMPLE = "Example: portvakt holds"
RELEASE_EXAMPLE = "Example: portvakt release HOLD"


def hold(  # noqa: PLR0913, PLR0917 - each is an option of the verb
    reason: Annotated[str, typer.Option(metavar="REASON", help=f"Why: {', '.join(Reason)}; there is no other.")],
    camera: Cameras = None,
    device: DeviceIds = None,
    subject: Subjects = None,
    record_class: Classes = None,
    start: Start = None,
    end: End = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends by itself; left out: as long as may be, 30 days at most."),
    ] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    everything: Everything = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Keep something past its limit: for a reason, for 30 days at most, and in the sight of everybody in the house.

    What is held is neither shown nor uploaded. The hold ends by itself; `portvakt release` ends it before. An order to
    erase what is held waits until then: its first receipt says how much is left and until when, its second one comes
    afterwards. `portvakt inventory` names the orders that wait.
    """
    from agent.api.contract import HoldBody, HoldView  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    scope = scope_of(
        camera=camera,
        device=device,
        subject=subject,
        record_class=record_class,
        start=start,
        end=end,
        everything=everything,
    )
    body = HoldBody(scope=scope, reason=chosen(reason, Reason, "--reason"), until=moment(until, "--until"))
    warning = "nobody can look at it meanwhile"
    confirm(f"Hold {words(scope)}? N{warning[1:]}.", yes=yes, warning=warning)
    placed = Gateway(socket).ask("POST", "/api/holds", HoldView, body)
    if json:
        output.as_json(placed)
    else:
        output.line(f"hold {placed.id}: {words(placed.scope)}, until {output.moment(placed.until)}")


def list_holds(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List every hold that is remembered: what is kept past its limit, why, by whom and until when."""
    from agent.api.contract import HoldView  # noqa: PLC0415 - beside the gateway
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    holds = Gateway(socket).ask("GET", "/api/holds", tuple[HoldView, ...])
    if json:
        output.as_json(holds)
        return
    rows: list[list[output.Cell]] = [
        [
            one.id,
            one.reason,
            words(one.scope),
            one.by,
            output.moment(one.made),
            output.moment(one.until),
            f"ended {output.moment(one.ended)}" if one.ended else ("lasts", output.GOOD),
        ]
        for one in holds
    ]
    output.as_table(["hold", "reason", "what", "by", "made", "until", "state"], rows, empty="nothing is held")


def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id, as `portvakt holds` shows it.")],
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """End a hold. What it kept past its limit goes with the next run of expiry."""
    from urllib.parse import quote  # noqa: PLC0415 - beside the gateway

    from agent.api.contract import HoldView  # noqa: PLC0415
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    released = Gateway(socket).ask("DELETE", f"/api/holds/{quote(hold_id, safe='')}", HoldView)
    if json:
        output.as_json(released)
    else:
        output.line(f"hold {released.id} has ended")
