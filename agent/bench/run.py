"""Choose the measurements, make them one after the other, print what came out."""

import asyncio
import gc
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import aiohttp

import agent
from agent.bench.figure import Figure, Measurement
from agent.bench.machine import machine
from agent.bench.show import as_json_report, as_table
from agent.errors import AgentError, Refused
from camera.errors import CameraError
from drivers.errors import DriverError
from privacy.errors import PrivacyError

FINE, FAILED, BAD_INPUT = 0, 1, 2

EXPECTED = (AgentError, PrivacyError, DriverError, CameraError, aiohttp.ClientError, OSError)
"""What may go wrong in a suite without being its bug; a time-out is an OSError, too."""

Suites = Mapping[str, Sequence[Measurement]]


def main(names: list[str], as_json: bool) -> int:  # noqa: FBT001 - the verb's options
    """`portvakt bench`: suites, or single figures with or without their suite's name; none is all."""
    try:
        known = suites(Path(agent.__file__).parent.parent)
        wanted = choose(known, names)
    except Refused as error:
        _say(f"portvakt: {error}")
        return BAD_INPUT
    # A SIGTERM unwinds like a Ctrl-C: what a suite started, it also ends.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(known, wanted, as_json=as_json)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(known: Suites, wanted: frozenset[str], *, as_json: bool) -> int:
    load = os.getloadavg()
    figures: list[Figure] = []
    failed = False
    for suite, measurements in known.items():
        for measurement in measurements:
            if names := [name for name in measurement.names if f"{suite}.{name}" in wanted]:
                made = _measure(f"{suite}: {', '.join(names)}", measurement)
                figures += [one for one in made if one.name in names]
                failed = failed or not made
    show = as_json_report if as_json else as_table
    show(machine(load), figures)
    return FAILED if failed else FINE


def suites(checkout: Path) -> Suites:
    """The suites by name: every file of `tests/bench` that has `MEASUREMENTS`.

    Raises:
        Refused: there are none, because this is an installed program and no checkout.
    """
    folder = checkout / "tests" / "bench"
    if not folder.is_dir():
        raise Refused("no_suites", "the suites of `bench` are not installed", hint="run it in a checkout of the source")
    sys.path.insert(0, str(checkout))
    try:
        modules = {
            path.stem: importlib.import_module(f"tests.bench.{path.stem}") for path in sorted(folder.glob("*.py"))
        }
    finally:
        sys.path.remove(str(checkout))
    return {name: module.MEASUREMENTS for name, module in modules.items() if hasattr(module, "MEASUREMENTS")}


def choose(known: Suites, names: Sequence[str]) -> frozenset[str]:
    """The figures that `names` ask for, each as `suite.figure`.

    Raises:
        Refused: a name is unknown; the hint lists those that are known.
    """
    answers = {
        f"{suite}.{figure}": {suite, figure, f"{suite}.{figure}"}
        for suite, measurements in known.items()
        for measurement in measurements
        for figure in measurement.names
    }
    if strange := set(names).difference(*answers.values()):
        raise Refused(
            "unknown_name",
            f"there is no suite or figure {', '.join(sorted(strange))}",
            hint=f"suites are {', '.join(known)}; figures are {', '.join(answers)}",
        )
    return frozenset(full for full, called in answers.items() if not names or called & set(names))


def _measure(what: str, measurement: Measurement) -> Sequence[Figure]:
    """The figures of `measurement`; none, and a line that says why, where it fails."""
    _say(f"{what} …")
    began = perf_counter()
    problem: BaseException | None = None
    made: Sequence[Figure] = ()
    try:
        with tempfile.TemporaryDirectory(prefix="portvakt-bench-") as folder:
            made = asyncio.run(_awaited(measurement, Path(folder)))
    except* EXPECTED as failed:
        problem = failed
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if problem is None:
        _say(f"  {perf_counter() - began:.0f} s")
    else:
        _say(f"portvakt: {what} could not be measured: {str(problem) or type(problem).__name__}")
    return made


async def _awaited(measurement: Measurement, folder: Path) -> Sequence[Figure]:
    gc.collect()
    gc.freeze()  # as the agent does when it is ready
    return await measurement.run(folder)


def _say(line: str) -> None:
    """Progress and complaints; standard output is for the figures."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the verb's own output
