"""What somebody types as a value, read as the capability asks."""

from agent.api.contract import CapabilityView, DeviceView, Value
from agent.cli.outcome import usage

ON = frozenset({"on", "true", "yes", "1"})
OFF = frozenset({"off", "false", "no", "0"})


def find_capability(device: DeviceView, name: str) -> CapabilityView:
    """The capability called `name`: in full, or the cluster alone (`OnOff`) where only one can be meant.

    Raises:
        Refused: `usage`; the hint names what the device has.
    """
    wanted = name.casefold()
    exact = [c for c in device.capabilities if c.name.casefold() == wanted]
    loose = exact or [c for c in device.capabilities if c.name.partition(".")[0].casefold() == wanted]
    loose = [c for c in loose if c.writable] or loose
    if len(loose) == 1:
        return loose[0]
    known = ", ".join(c.name for c in device.capabilities)
    raise usage(f"{device.id} has no capability {name}", f"it has: {known}")


def read_value(capability: CapabilityView, text: str) -> Value:
    """`text` as a value of `capability`. Range and choices are the agent's to judge.

    Raises:
        Refused: `usage`; the text is of no such kind.
    """
    word = text.strip().casefold()
    if capability.kind == "bool":
        if word in ON or word in OFF:
            return word in ON
        raise usage(f"{capability.name} takes on or off, not {text!r}")
    if capability.kind == "enum":
        return next((choice for choice in capability.choices if choice.casefold() == word), text)
    try:
        return int(word)
    except ValueError:
        pass
    try:
        # A comma is the decimal point of most people here.
        return float(word.replace(",", "."))
    except ValueError:
        unit = f" in {capability.unit}" if capability.unit else ""
        raise usage(f"{capability.name} takes a number{unit}, not {text!r}") from None
