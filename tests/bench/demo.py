"""The first contact: how long until the demo's house stands."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from agent.bench.figure import Figure, Measurement, figure
from agent.demo.layout import kept_port
from tests.bench.house import portvakt, running, until
from tests.bench.measure import in_turn

STARTS = 5
INTERPRETERS = 6
"""The demo itself, heat pump, lamp, camera, backend and agent; the decoding worker and the broker come on top."""


async def make_run_warm(place: Path) -> Sequence[Figure]:
    """From `portvakt demo` until the house stands: all is there but the lamp, which nobody has adopted yet."""

    async def ours() -> float:
        log = place / "demo.log"
        log.unlink(missing_ok=True)
        with kept_port() as port:
            began = perf_counter()
            async with running(portvakt(), "demo", "--port", str(port), log=log):
                await until(lambda: b"is running" in log.read_bytes(), "the house")
                return perf_counter() - began

    async def reference() -> float:
        began = perf_counter()
        for _ in range(INTERPRETERS):
            async with running(sys.executable, "-c", "pass", log=place / "bare.log") as process:
                await process.wait()
        return perf_counter() - began

    costs = await in_turn(STARTS, {"ours": ours, "reference": reference})
    return [
        figure(
            "make_run_warm_s",
            median(costs["ours"]),
            median(costs["reference"]),
            reference_name=f"{INTERPRETERS} bare Python interpreters, started one after the other",
            unit="s",
            n=STARTS,
            note="Median; what `make run` does once everything is set up. Ready is: the page answers, the heat pump is "
            "reached, a picture is stored, the link to the broker stands, and a way in is made for its owner.",
        )
    ]


MEASUREMENTS = (Measurement(("make_run_warm_s",), make_run_warm),)
