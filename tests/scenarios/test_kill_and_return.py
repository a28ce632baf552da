"""`portvakt demo`: kill any of its programs, and the page shows that it has gone, and that it is back."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.demo.layout import LAMP_CODE
from tests.scenarios import household
from tests.scenarios.bad_devices import BadCameras
from tests.scenarios.cloud import Cloud
from tests.scenarios.programs import (
    PATIENCE,
    PORTVAKT,
    Agent,
    Page,
    Program,
    alive,
    black_hole,
    camera,
    children,
    device,
    reported,
    until,
)

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

GONE_SECONDS = 10.0
BACK_SECONDS = 40.0
"""The demo waits 5 s and starts it anew, which takes as long as the machine likes; and the agent's pauses double, so
that its next try may come when all that has passed once more."""
STARTED_SECONDS = 60.0
STOP_SECONDS = 5.0
"""What the supervisor promises."""
COMMANDS = {
    "broker": "mosquitto",
    "heat pump": "drivers.simulated.heat_pump",
    "camera": "drivers.simulated.camera",
    "lamp": "drivers.simulated.lamp",
    "backend": "agent backend serve",
    "agent": "agent run",
}


class Demo(Program):
    """`portvakt demo`, the page that it serves, and the folder that it keeps."""

    def __init__(self) -> None:
        super().__init__(PORTVAKT, "demo", "--port", "0")
        port = self.says(r"is running: http://localhost:(\d+)", STARTED_SECONDS)[1]
        self.says("Ctrl-C ends it all")
        self.folder = Path(re.search(r"-c (\S+)/mosquitto.conf", self.running("broker")[1])[1])  # type: ignore[index]
        self.page = Page(f"http://127.0.0.1:{port}", self.folder / "api.sock")

    def running(self, name: str) -> tuple[int, str]:
        """Process id and command line of one of its programs, once it runs."""

        def look() -> list[tuple[int, str]]:
            found = ((pid, command) for pid, command in children(self.pid).items() if COMMANDS[name] in command)
            return [(pid, command) for pid, command in found if alive(pid)]

        return until(look, f"{name} of the demo")[0]

    def strike(self, name: str) -> None:
        """SIGKILL one of its programs."""
        pid, _ = self.running(name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), f"the end of {name}")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """A demo whose lamp has been adopted."""
    with Demo() as demo:
        port = re.search(r"--port (\d+)", demo.running("lamp")[1])
        assert port
        found = demo.page.see(
            lambda state: [f for f in state["found"] if f["address"] == f"127.0.0.1:{port[1]}"], "the lamp", 40
        )
        demo.page.post(f"/api/found/{found[0]['id']}/adopt", {"family": found[0]["family"], "code": LAMP_CODE})
        demo.page.see(whole, "the whole house", 40)
        yield demo
    assert "Traceback" not in demo.said


def whole(state: Any) -> bool:
    """Heat pump and lamp are reached, the camera delivers, the link stands."""
    devices = [one["reachable"] for one in state["devices"]]
    return devices == [True, True] and camera(state, "front-door")["working"] and state["link"]["connected"]


def lamp(state: Any) -> Any:
    return next(one for one in state["devices"] if one["family"] == "homekit")


# What of the state says that a program is away, and why.
AWAY: dict[str, Callable[[Any], object]] = {
    "heat pump": lambda state: not device(state, "heat-pump")["reachable"] and device(state, "heat-pump")["reason"],
    "lamp": lambda state: not lamp(state)["reachable"] and lamp(state)["reason"],
    "camera": lambda state: not camera(state, "front-door")["working"] and camera(state, "front-door")["reason"],
    "broker": lambda state: not state["link"]["connected"] and state["link"]["reason"],
}


@pytest.mark.parametrize("name", AWAY)
def test_what_is_killed_shows_and_so_does_its_return(demo: Demo, name: str) -> None:
    demo.page.see(whole, "the whole house", 40)
    demo.strike(name)
    demo.page.see(AWAY[name], f"that the {name} has gone", GONE_SECONDS)
    newest = camera(demo.page.state(), "front-door")["newest"]
    demo.page.see(whole, f"the {name} again", BACK_SECONDS)
    # And it works, not only looks so.
    demo.page.see(lambda state: camera(state, "front-door")["newest"] > newest, "a new picture")
    for id_ in ("heat-pump", lamp(demo.page.state())["id"]):
        wanted = not reported(demo.page.state(), id_, "OnOff.OnOff")
        assert demo.page.command(id_, "OnOff.OnOff", wanted)["fate"] == "done"
        demo.page.see(lambda state: reported(state, id_, "OnOff.OnOff") is wanted, f"what {id_} reports")  # noqa: B023 - used at once
    demo.page.see(lambda state: state["log"][0]["state"] == "uploaded", "the upload of the log")


def test_lines_wait_for_a_backend_that_was_killed(demo: Demo) -> None:
    demo.page.see(whole, "the whole house", 40)
    last = demo.page.see(lambda state: state["log"][0]["state"] == "uploaded" and state["log"][0]["sequence"], "quiet")
    demo.strike("backend")
    assert demo.page.command("heat-pump", "OnOff.OnOff", True)["fate"] == "done"

    def line(state: Any) -> Any:
        lines = (one for one in state["log"] if one["sequence"] > last and "command_done" in one["line"])
        return next(lines, None)

    assert demo.page.see(line, "the command's line")["state"] == "waiting"
    demo.page.see(lambda state: line(state)["state"] == "uploaded", "its upload", BACK_SECONDS)


def test_a_killed_agent_is_back_on_its_port_with_all_that_it_had(demo: Demo) -> None:
    before = demo.page.see(lambda state: state if whole(state) else None, "the whole house", 40)
    demo.strike("agent")
    until(lambda: not demo.page.there(), "the end of the page")
    after = demo.page.see(lambda state: state if whole(state) else None, "the whole house", BACK_SECONDS)
    assert after["ready_at"] != before["ready_at"]
    assert lamp(after)["id"] == lamp(before)["id"]
    assert {shot["id"] for shot in after["snapshots"]} & {shot["id"] for shot in before["snapshots"]}


def test_ctrl_c_ends_it_all() -> None:
    with Demo() as demo:
        programs = children(demo.pid)
        assert len(programs) >= len(COMMANDS)
        assert demo.end(signal.SIGINT) < 8
        assert demo.ended() == 0
    assert [command for pid, command in programs.items() if alive(pid)] == []
    assert not demo.folder.exists()
    assert "Traceback" not in demo.said


def test_nothing_outlives_a_demo_that_is_killed() -> None:
    with Demo() as demo:
        programs = children(demo.pid)
        assert len(programs) >= len(COMMANDS)
        demo.end(signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in programs), "the end of its programs", GONE_SECONDS)
    shutil.rmtree(demo.folder)  # what the demo itself would have done


async def test_the_agent_stops_in_time_whatever_it_waits_for(tmp_path: Path) -> None:
    """A page that listens and one that sleeps, a camera that hangs, a broker that never answers."""
    bad = BadCameras(household.SECRETS)
    Cloud(tmp_path / "backend", 1)
    with ExitStack() as stack:
        stack.callback(bad.close)
        port = stack.enter_context(black_hole())
        file = household.config(tmp_path, household.camera(bad.url("hang"), "hang"), broker_port=port)
        agent = stack.enter_context(await asyncio.to_thread(Agent, file))
        address = agent.page.address
        await asyncio.to_thread(agent.page.sign_in)
        async with (
            aiohttp.ClientSession(headers={"Origin": address, "Cookie": agent.page.cookie}) as session,
            session.ws_connect(f"{address}/api/ws") as listener,
            session.ws_connect(f"{address}/api/ws") as sleeper,
        ):
            await sleeper.receive(PATIENCE)
            ending = asyncio.create_task(asyncio.to_thread(agent.end))
            while (message := await listener.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)
            assert await ending < STOP_SECONDS
        assert agent.ended() == 0
        assert agent.problems == []
