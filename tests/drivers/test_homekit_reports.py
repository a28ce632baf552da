"""What a connection reports, and how refusals are told, against scripted answers."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.errors import LinkLost, NoAnswer, Unsupported
from drivers.homekit.connection import Answer
from drivers.homekit.driver import HomeKitConnection, Patience
from drivers.homekit.messages import Point
from drivers.model import LEVEL, ON_OFF, Report, Silence

POINTS = [Point(1, 9, "bridge", ON_OFF, True), Point(7, 9, "far", ON_OFF, True), Point(7, 10, "far", LEVEL, True)]


class Script:
    """A session whose accessory says what it is told to; a poll that finds no more answers ends it."""

    def __init__(self, *polls: list[dict[str, Any]], write: Answer | None = None) -> None:
        self.polls = deque(polls)
        self.write = write or Answer(204, b"")
        self.events: deque[bytes] = deque()
        self.news = asyncio.Event()
        self.gone = asyncio.Event()
        self.reason = ""

    async def exchange(self, method: str, target: str, body: bytes = b"", *, seconds: float) -> Answer:
        if method == "PUT":
            return self.write
        if not self.polls:
            self.give_up("the script has ended")
            raise self.lost()
        return Answer(207, rows(*self.polls.popleft()))

    def give_up(self, reason: str) -> None:
        self.reason = reason
        self.gone.set()
        self.news.set()

    def lost(self) -> LinkLost:
        return LinkLost(self.reason)


def rows(*what: dict[str, Any]) -> bytes:
    return json.dumps({"characteristics": what}).encode()


def opened(script: Script) -> HomeKitConnection:
    return HomeKitConnection(script, POINTS, Patience(poll=0.01))  # type: ignore[arg-type]


async def everything(reports: AsyncIterator[Report | Silence]) -> list[Report | Silence]:
    """All reports until the script ends."""
    said = []
    async with asyncio.timeout(5):
        try:
            async for report in reports:
                said.append(report)  # noqa: PERF401 - a comprehension would lose them with the error
        except LinkLost:
            return said
    pytest.fail("a line ends with an error only")


async def test_only_changes_are_reported() -> None:
    on, off = {"aid": 1, "iid": 9, "value": True}, {"aid": 1, "iid": 9, "value": False}
    said = await everything(opened(Script([on], [on], [off], [off])).reports())
    assert said == [Report("bridge", "OnOff.OnOff", True), Report("bridge", "OnOff.OnOff", False)]


async def test_a_device_behind_a_bridge_falls_silent_and_comes_back() -> None:
    fine = [{"aid": 7, "iid": 9, "value": True}, {"aid": 7, "iid": 10, "value": 5}]
    # Silent in part counts as silent, whatever else it says.
    partly = [{"aid": 7, "iid": 9, "value": False}, {"aid": 7, "iid": 10, "status": -70402}]
    said = await everything(opened(Script(fine, partly, partly, fine)).reports())
    assert said == [
        Report("far", "OnOff.OnOff", True),
        Report("far", "LevelControl.CurrentLevel", 5.0),
        Silence("far", "its bridge says status -70402"),
        Report("far", "OnOff.OnOff", True),
    ]


async def test_events_are_reported_as_they_come() -> None:
    script = Script([{"aid": 1, "iid": 9, "value": False}], [])
    script.events.append(rows({"aid": 1, "iid": 9, "value": True}))
    said = await everything(opened(script).reports())
    assert said == [Report("bridge", "OnOff.OnOff", False), Report("bridge", "OnOff.OnOff", True)]


async def test_an_event_of_rubbish_ends_the_line() -> None:
    script = Script([])
    script.events.append(b"rubbish")
    script.news.set()
    with pytest.raises(LinkLost, match="rubbish"):
        await anext(opened(script).reports())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(207, rows({"aid": 1, "iid": 9, "status": -70402})), NoAnswer),
        (Answer(207, rows({"aid": 1, "iid": 9, "status": -70403})), NoAnswer),
        (Answer(207, rows({"aid": 1, "iid": 9, "status": -70410})), Unsupported),
        (Answer(400, rows({"aid": 1, "iid": 9, "status": -70404})), Unsupported),
        (Answer(500, b""), NoAnswer),
        (Answer(207, b"rubbish"), NoAnswer),
    ],
)
async def test_a_refused_write_is_told(answer: Answer, error: type[Exception]) -> None:
    with pytest.raises(error):
        await opened(Script(write=answer)).send("bridge", ON_OFF, True)


async def test_a_multi_status_without_a_refusal_is_fine() -> None:
    script = Script(write=Answer(207, rows({"aid": 1, "iid": 9, "status": 0})))
    await opened(script).send("bridge", ON_OFF, True)


async def test_what_was_not_there_at_adoption_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="adopt it again"):
        await opened(Script()).send("bridge", LEVEL, 1.0)
