"""First contact and figures: demo, bench."""

import re
from typing import Annotated, Literal

import typer

from agent.cli.outcome import usage

DEMO_EXAMPLE = "Examples: portvakt demo · portvakt demo --for 30s --report json"
BENCH_EXAMPLE = "Example: portvakt bench agent --json"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def demo(
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End by itself after so long, such as 30s or 2m.")
    ] = None,
    report: Annotated[
        Literal["text", "json"] | None, typer.Option(help="At the end, say what was done and how long it took.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port of the page, on loopback.", min=0, max=65_535)] = None,
) -> None:
    """Run a whole house with simulated devices.

    Devices, camera, broker and cloud are programs of their own; the address of the page is printed.
    """
    from agent.demo import main  # noqa: PLC0415 - the whole agent, which no other verb needs

    raise typer.Exit(main(seconds(duration), report == "json", port))


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Suites or names; none is all.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this gateway against references.

    Both run in turn in the same process tree: ratios count, absolute times do not.
    """
    from agent.bench import main  # noqa: PLC0415 - only where it is used

    raise typer.Exit(main(names or [], json))


def seconds(text: str | None) -> float | None:
    """`30s`, `2m`, `1.5h`, `500ms` or `30` in seconds.

    Raises:
        Refused: `usage`; it is none of these.
    """
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) <= 0:
        raise usage(f"--for {text!r} is not a duration", "write it like 30s, 2m or 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]
