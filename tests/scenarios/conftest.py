"""A house of real programs for the tests of a module; without root, on loopback only."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.demo.layout import kept_port
from tests.scenarios import household
from tests.scenarios.bad_devices import BadCameras, noisy_line
from tests.scenarios.cloud import Cloud
from tests.scenarios.household import House
from tests.scenarios.programs import Agent, Broker, HeatPump, Program


def good_camera(stack: ExitStack, folder: Path) -> str:
    """Start a camera that works, with Digest; its address."""
    password = folder / "camera-password"
    password.write_text(household.PASSWORD)
    program = Program(
        sys.executable, "-m", "drivers.simulated.camera",
        "--auth", "digest", "--user", "kari", "--password-file", password,
    )  # fmt: skip
    return stack.enter_context(program).says(r"http://\S+")[0]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An agent with a good heat pump, a good camera, a good broker, and one of everything that is bad."""
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder / "broker", stack.enter_context(kept_port())))
        cloud = Cloud(folder / "backend", broker.port)
        stack.enter_context(cloud.serve())
        stack.enter_context(HeatPump(folder / "pump.tty"))
        stack.enter_context(noisy_line(folder / "noisy.tty"))
        bad = BadCameras(household.SECRETS)
        stack.callback(bad.close)
        cameras = {name: bad.url(name) for name in ("text", "cut", "hang", "drip", "login", "redirect")}
        nobodys = stack.enter_context(kept_port())
        cameras |= {"front": good_camera(stack, folder), "gone": f"http://127.0.0.1:{nobodys}/Hytta5G.jpg"}
        file = household.config(
            folder,
            *(household.serial(folder / f"{name}.tty", name) for name in ("pump", "noisy", "missing")),
            *(household.camera(url, name) for name, url in cameras.items()),
            broker_port=broker.port,
        )
        agent = stack.enter_context(Agent(file))
        agent.page.see(lambda state: state["link"]["connected"] and state["snapshots"], "the house")
        yield House(folder, agent, cloud)
        agent.end()
        assert not household.told(agent.said), f"a secret in the log:\n{agent.said}"
        assert "Traceback" not in agent.said
        print(agent.said)  # noqa: T201 - pytest shows it with a failure
