"""The search for planted values on a raw medium."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import Json
from agent.cli.outcome import NO

SCAN_IMAGE_EXAMPLE = """\b
Example: portvakt scan-image /dev/mmcblk0 --canaries canaries.txt
\b
canaries.txt:
  # a comment
  password text:correct horse battery staple
  picture base64:/9j/4AAQSkZJRgABAQEASABIAAD=
  taken time:2026-03-01T12:34:56.789Z
  person hex:0197a00000007000800000000000002a
  int:1772368496789000
"""
SHOWN = 5
"""Places shown of each canary; `--json` has more."""


def scan_image(
    image: Annotated[Path, typer.Argument(help="A block device, or a copy of one.")],
    canaries: Annotated[Path, typer.Option(help="What to look for; keep it off the medium that is searched.")],
    *,
    json: Json = False,
) -> None:
    """Search a raw medium, byte by byte, for values that were planted. Exit code 1 when one is found.

    The file of canaries has a line for each: [LABEL ]KIND:VALUE. Kinds: text, hex, base64, time (RFC 3339), int. Text
    and bytes are found as they are and in UTF-16, base64, hex, JSON and URLs; times as ISO text, 64-bit seconds to
    nanoseconds, floating point and MessagePack timestamps; numbers as text, 64 bits and floating point, in both byte
    orders. A longer value than 1,024 bytes is found by its pieces. What is compressed or encrypted is not found.

    Only labels, forms and offsets are printed, never a value.
    """
    from agent.canaries import read_canaries  # noqa: PLC0415 - only where it is used
    from agent.scan_image import scan  # noqa: PLC0415

    wanted = read_canaries(canaries.read_bytes(), str(canaries))
    with _progress() as progress:
        done = scan(image, wanted, progress=progress)
    if json:
        found = [
            {
                "line": finding.canary.line,
                "label": finding.canary.label,
                "kind": finding.canary.kind,
                "count": finding.count,
                "places": finding.places,
            }
            for finding in done.findings
        ]
        output.as_json({"found": done.found, "bytes": done.bytes, "canaries": found})
    else:
        rows: list[list[output.Cell]] = []
        for finding in done.findings:
            places = [f"{place.offset:#x} {place.encoding}" for place in finding.places[:SHOWN]]
            if finding.count > SHOWN:
                places.append("…")
            count = (str(finding.count), output.BAD if finding.count else output.GOOD)
            rows.append([finding.canary.label, finding.canary.kind, count, ", ".join(places)])
        output.as_table(["canary", "kind", "found", "at"], rows, empty="")
    raise typer.Exit(NO if done.found else 0)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], object]]:
    """Shows how far the search is, on a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where it is used
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("search", total=None)
        yield lambda searched, size: bar.update(task, completed=searched, total=size)
