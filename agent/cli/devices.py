"""Devices: what there is, what was found, adopt, send, remove."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from agent.api.contract import (
    AdoptBody,
    CapabilityView,
    CommandBody,
    DeviceView,
    FoundView,
    OutcomeView,
    Reading,
    State,
)
from agent.cli import output, values
from agent.cli.options import DEFAULT_SOCKET, Json, Socket, Yes
from agent.cli.outcome import NO, usage
from agent.errors import Refused

ADOPTION_SECONDS = 60.0
"""Pairing is several rounds with a small processor, and a person may have to press a button."""
LONGEST_CODE_FILE = 256

app = typer.Typer(no_args_is_help=True, help="List, show, find, adopt, control and remove devices.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The device's id, as `devices list` shows it.")]


@app.command("list", epilog="Example: portvakt devices list --json")
def list_devices(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List the devices, and what each reports."""
    devices = _state(socket).devices
    if json:
        output.as_json(devices)
        return
    rows: list[list[output.Cell]] = [
        [device.id, device.name, device.family, _proof(device), _standing(device), _values(device)]
        for device in devices
    ]
    heads = ["id", "name", "family", "identity", "state", "reports"]
    output.as_table(heads, rows, empty="no devices; find some with `portvakt devices scan`")


@app.command(epilog="Example: portvakt devices show heat-pump")
def show(device_id: Id, socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Show one device.

    What it can do, what was asked of it, and what it reports; each with its time.
    """
    device = _device(socket, device_id)
    if json:
        output.as_json(device)
        return
    output.line(f"{device.id}: {device.name} ({device.family}, {_proof(device)}), {_standing(device)[0]}")
    rows: list[list[output.Cell]] = [
        [c.name, _range(c), _reading(c.desired, c.unit), _reading(c.reported, c.unit)] for c in device.capabilities
    ]
    output.as_table(["capability", "takes", "asked", "reported"], rows, empty="it can do nothing")


@app.command(epilog="Example: portvakt devices scan")
def scan(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """Show what was found and is not adopted."""
    found = _state(socket).found
    if json:
        output.as_json(found)
        return
    rows: list[list[output.Cell]] = [
        [f.id, f.name, f.family, f.model, f.address, "yes" if f.pairable else "no", f.code_format or "-"] for f in found
    ]
    heads = ["id", "name", "family", "model", "address", "adoptable", "code"]
    output.as_table(heads, rows, empty="nothing new on the network")


@app.command(epilog="Example: portvakt devices adopt homekit:aa.bb.cc --code-file -   (reads the code from stdin)")
def adopt(  # noqa: PLR0913 - each is an option of the verb
    device_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `devices scan` shows it.")],
    code: Annotated[
        str | None, typer.Option(help="The code on the device, such as 123-45-678; others may see it in `ps`.")
    ] = None,
    code_file: Annotated[Path | None, typer.Option(help="A file with the code; `-` is stdin.")] = None,
    family: Annotated[str | None, typer.Option(help="Where two families found the same id.")] = None,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Adopt a device that was found. The code is asked for on a terminal when it is not given."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    if code is not None and code_file is not None:
        raise usage("give --code or --code-file, not both")
    found = _found(_state(socket), device_id, family)
    body = AdoptBody(family=found.family, code=_code(found, code, code_file))
    path = f"/api/found/{found.id}/adopt"
    device = Gateway(socket).ask("POST", path, DeviceView, body, seconds=ADOPTION_SECONDS)
    if json:
        output.as_json(device)
    else:
        output.line(f"adopted {device.id}: {device.name}")


@app.command(epilog="Examples: portvakt devices send lamp OnOff on · portvakt devices send heat-pump Thermostat 21.5")
def send(  # noqa: PLR0913 - each is an option of the verb
    device_id: Id,
    capability: Annotated[str, typer.Argument(help="Such as OnOff.OnOff; the part before the dot is enough.")],
    value: Annotated[str, typer.Argument(help="on, off, a number, or one of the capability's words.")],
    deadline: Annotated[
        float, typer.Option(help="Seconds after which it is not done any more.", min=0.1, max=60)
    ] = 5.0,
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Send a command, and say what became of it.

    Exit code 1 when it was not done.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    device = _device(socket, device_id)
    meant = values.find_capability(device, capability)
    body = CommandBody(capability=meant.name, value=values.read_value(meant, value), deadline_seconds=deadline)
    path = f"/api/devices/{device.id}/commands"
    outcome = Gateway(socket).ask("POST", path, OutcomeView, body, seconds=deadline + 10)
    if json:
        output.as_json(outcome)
    else:
        output.line(f"{device.id} {meant.name}: {outcome.fate}" + (f", {outcome.detail}" if outcome.detail else ""))
    raise typer.Exit(0 if outcome.fate == "done" else NO)


@app.command(epilog="Example: portvakt devices remove lamp --yes")
def remove(device_id: Id, socket: Socket = DEFAULT_SOCKET, *, yes: Yes = False) -> None:
    """Forget an adopted device.

    Its pairing keys go with it. A device of the configuration is removed there.
    """
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    device = _device(socket, device_id)
    confirm(f"Forget {device.id} ({output.clean(device.name)})?", yes=yes)
    Gateway(socket).fetch("DELETE", f"/api/devices/{device.id}", seconds=ADOPTION_SECONDS)
    output.line(f"removed {device.id}")


def confirm(question: str, *, yes: bool, warning: str = "this cannot be undone") -> None:
    """Go on when the person says yes. `warning` is for a caller who cannot be asked.

    Raises:
        Refused: `usage`; there is no terminal to ask on, and no --yes.
        typer.Abort: the person says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise usage(f"{warning}, and there is no terminal to ask on", "say --yes")
    typer.confirm(question, abort=True, err=True)


def _state(socket: Path) -> State:
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp

    return Gateway(socket).state()


def _device(socket: Path, device_id: str) -> DeviceView:
    devices = _state(socket).devices
    for device in devices:
        if device.id == device_id:
            return device
    raise Refused("unknown_device", f"there is no device {device_id}", hint="see `portvakt devices list`")


def _found(state: State, device_id: str, family: str | None) -> FoundView:
    found = [f for f in state.found if f.id == device_id and family in {None, f.family}]
    if not found:
        raise Refused("not_found", f"nothing called {device_id} was found", hint="see `portvakt devices scan`")
    if len(found) > 1:
        families = " or ".join(sorted(f.family for f in found))
        raise usage(f"{device_id} was found more than once", f"say --family {families}")
    return found[0]


def _code(found: FoundView, code: str | None, code_file: Path | None) -> str:
    if code is not None:
        return code.strip()
    if code_file is not None:
        with sys.stdin if str(code_file) == "-" else code_file.open(encoding="utf-8") as file:
            return file.read(LONGEST_CODE_FILE).strip()
    if not found.code_format:
        return ""
    if not sys.stdin.isatty():
        raise usage(f"{found.id} asks for its code", f"--code-file, with a code like {found.code_format}")
    return str(typer.prompt(f"Code on the device ({found.code_format})", err=True)).strip()


def _standing(device: DeviceView) -> tuple[str, str]:
    if device.reachable:
        return "reachable", output.GOOD
    return f"not reachable: {device.reason}" if device.reason else "not reachable", output.BAD


def _proof(device: DeviceView) -> str:
    return "verified" if device.verified else "unverified"


def _values(device: DeviceView) -> str:
    reported = [(*c.name.split(".", 1), _value(c.reported, c.unit)) for c in device.capabilities if c.reported]
    often = Counter(cluster for cluster, *_ in reported)
    # A cluster that stands twice, such as a thermostat with two temperatures, says nothing: then the attribute does.
    return ", ".join(f"{names[often[names[0]] > 1]} {value}" for *names, value in reported) or "-"


def _reading(reading: Reading | None, unit: str) -> str:
    return f"{_value(reading, unit)} at {output.moment(reading.at)}" if reading else "-"


def _value(reading: Reading, unit: str) -> str:
    value = reading.value
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g} {unit}".rstrip() if isinstance(value, float) else f"{value} {unit}".rstrip()


def _range(capability: CapabilityView) -> str:
    if not capability.writable:
        return "(only read)"
    if capability.kind == "bool":
        return "on, off"
    if capability.choices:
        return ", ".join(capability.choices)
    low, high = capability.minimum, capability.maximum
    limits = " ".join(["" if low is None else f"from {low:g}", "" if high is None else f"to {high:g}"]).strip()
    return f"{limits or 'a number'} {capability.unit}".rstrip()
