"""A broker that refuses, or is none: one clear line on the page and in the log, and nothing is lost."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent.demo.layout import kept_port
from tests.scenarios import household
from tests.scenarios.cloud import Cloud
from tests.scenarios.programs import Agent, Broker, HeatPump, Page, black_hole, reported, until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]

STOP_SECONDS = 4.0
ABANDONED = "did not stop within"
"""What the supervisor says of a service that hangs."""


@contextmanager
def chatterbox(port: int) -> Iterator[None]:
    """Something on `port` that is no broker, and says so to everybody."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.1)
        closing = threading.Event()

        def serve() -> None:
            while not closing.is_set():
                try:
                    with server.accept()[0] as caller:
                        caller.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                except OSError:  # nobody came in this tenth of a second, or went away at once
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        closing.set()
        thread.join()


def refusing(how: str, folder: Path, port: int) -> "Broker | None":
    """The broker that refuses in this way, if there is one at all."""
    match how:
        case "login":
            return Broker(folder / "broker", port, "allow_anonymous false")
        case "access":
            (folder / "acl").write_text("topic read nothing\n")
            return Broker(folder / "broker", port, "allow_anonymous true", f"acl_file {folder}/acl")
        case _:
            return None


def pump_works(page: Page) -> None:
    assert page.command("pump", "OnOff.OnOff", False)["fate"] == "done"
    page.see(lambda state: reported(state, "pump", "OnOff.OnOff") is False, "the heat pump's own report")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("nobody", "nothing listens at 127.0.0.1:{port} (is the broker running, and the port right?)"),
        ("login", "the broker refused the connection: it does not authorise us (does its access list allow"),
        ("access", "the broker refused a "),
        ("no broker", "the broker"),
    ],
)
def test_a_broker_that_refuses(tmp_path: Path, how: str, reason: str) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(kept_port())
        cloud = Cloud(tmp_path / "backend", port)
        stack.enter_context(HeatPump(tmp_path / "pump.tty"))
        with ExitStack() as for_now:
            if how == "no broker":
                for_now.enter_context(chatterbox(port))
            elif broker := refusing(how, tmp_path, port):
                for_now.enter_context(broker)
            file = household.config(tmp_path, household.serial(tmp_path / "pump.tty", "pump"), broker_port=port)
            agent = stack.enter_context(Agent(file))
            link = agent.page.see(lambda state: state["link"]["reason"] and state["link"], "why the link is down")
            assert reason.format(port=port) in link["reason"]
            assert not link["connected"]
            pump_works(agent.page)
            until(lambda: len(agent.problems) == 1, f"one line, not:\n{agent.said}", 2)
            assert link["reason"] in agent.problems[0]
            agent.kill(signal.SIGSTOP)
        # It has come to its senses, and the cloud is there before us: what was logged in between goes out.
        stack.enter_context(Broker(tmp_path / "broker", port))
        stack.enter_context(cloud.serve())
        agent.kill(signal.SIGCONT)
        agent.page.see(lambda state: state["link"]["connected"], "the link", 40)
        until(lambda: [line for line in cloud.log() if '"command_done"' in line], "the log of before", 60)
        assert agent.end() < STOP_SECONDS
        assert agent.ended() == 0
    assert not agent.lines_with(ABANDONED)
    assert "Traceback" not in agent.said
    assert not household.told(agent.said)


def test_a_broker_that_never_answers(tmp_path: Path) -> None:
    Cloud(tmp_path / "backend", 1)
    with black_hole() as port, HeatPump(tmp_path / "pump.tty"):
        file = household.config(tmp_path, household.serial(tmp_path / "pump.tty", "pump"), broker_port=port)
        with Agent(file) as agent:
            pump_works(agent.page)
            assert agent.end() < STOP_SECONDS  # in the midst of a connection that comes to nothing
            assert agent.ended() == 0
            assert agent.problems == []
