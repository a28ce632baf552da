"""A start that cannot be, a state directory that was damaged, a medium that is full: one clear line, nothing lost."""

import os
import re
import resource
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.demo.layout import kept_port
from privacy.records import Scope
from tests.scenarios import household
from tests.scenarios.cloud import Cloud
from tests.scenarios.conftest import good_camera
from tests.scenarios.household import House
from tests.scenarios.programs import (
    PORTVAKT,
    Agent,
    Broker,
    HeatPump,
    Program,
    camera,
    refused,
    reported,
    until,
)

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path], Agent]]:
    """Start agents that end with the test, and whose logs give nothing away."""
    agents: list[Agent] = []

    def agent(config: Path) -> Agent:
        agents.append(Agent(config))
        return agents[-1]

    yield agent
    for one in agents:
        one.end()
        assert not household.told(one.said)
        assert "Traceback" not in one.said


def breaks(file: Path, text: str, add: str = "") -> None:
    """Put `add` in the place of `text`."""
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, add))


@pytest.mark.parametrize(
    ("text", "instead", "problems"),
    [
        ("[api]", "[api\n", ["portvakt.toml:6:"]),
        ("port = 0", "port = 0\nprot = 1\n[apy]\nx = 1\n[api.more]\ny = 1", ["prot", "apy", "more"]),
        ("port = 0", f'port = 0\npassword = "{household.PASSWORD}"', ["password"]),
        ("port = 0", f'port = 0\npassword = "{household.PASSWORD}', ["portvakt.toml:"]),
        ('"gw-scenario"', '"gw scenario"\nepoch = 0', ["gateway.id", "gateway.epoch"]),
        ('"state"', '"portvakt.toml"', ["state directory"]),
        ('"household.json"', '"nowhere.json"', ["registry_file"]),
    ],
    ids=["broken", "unknown", "secret", "broken secret", "wrong values", "state is a file", "missing registry"],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, instead: str, problems: list[str]) -> None:
    file = household.config(tmp_path)
    breaks(file, text, instead)
    code, said = refused(file)
    assert code == 2, said
    assert said[0].startswith("portvakt: ")
    assert len(said) <= 1 + len(problems), said
    for problem in problems:
        assert any(problem in line for line in said), said
    assert not household.told("\n".join(said))


def test_the_port_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refused(household.config(tmp_path, port=port))
    line = f"portvakt: port {port} on 127.0.0.1 is in use by another program (choose another port)"
    assert (code, said) == (2, [line])


def test_a_second_agent_on_the_same_state_directory(tmp_path: Path, start: Callable[[Path], Agent]) -> None:
    file = household.config(tmp_path)
    first = start(file)
    breaks(file, "api.sock", "other.sock")
    code, said = refused(file)
    assert code == 2
    hint = "stop that one first, or give this one a state_dir of its own"
    assert said == [f"portvakt: another agent works on {tmp_path}/state ({hint})"]
    assert first.page.state()["gateway"]
    # The lock dies with the process, however that dies.
    first.kill(signal.SIGKILL)
    first.ended()
    assert start(file).page.state()["gateway"]


def test_a_second_agent_on_the_same_socket(tmp_path: Path, start: Callable[[Path], Agent]) -> None:
    file = household.config(tmp_path)
    first = start(file)
    breaks(file, '"state"', '"other"')
    code, said = refused(file)
    assert (code, said) == (
        2,
        [f"portvakt: another agent runs on {tmp_path}/api.sock (stop it first, or choose another path)"],
    )
    assert (tmp_path / "api.sock").is_socket()
    assert first.page.state()["gateway"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory that an agent has made."""
    folder = tmp_path_factory.mktemp("template")
    Agent(household.config(folder)).end()
    return folder / "state"


@pytest.fixture
def state(tmp_path: Path, template: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(template, tmp_path / "state"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("root_key", [None, b"", os.urandom(32)], ids=["missing", "empty", "wrong"])
def test_a_root_key_that_is_not_ours(tmp_path: Path, state: Path, root_key: bytes | None) -> None:
    key = state / "root.key"
    key.unlink()
    if root_key is not None:
        key.write_bytes(root_key)
    before = content(state)
    code, said = refused(household.config(tmp_path))
    assert code == 1
    assert len(said) == 1
    assert said[0].startswith(f"portvakt: {key} ")
    assert "restore the whole state directory" in said[0]
    assert content(state) == before


@pytest.mark.parametrize("name", ["receipt.jwk", "local-issuer.jwk", "journal"])
def test_a_file_that_was_overwritten(tmp_path: Path, state: Path, name: str) -> None:
    (state / name).write_bytes(b"somebody's notes, written to the wrong place\n")
    before = content(state)
    code, said = refused(household.config(tmp_path))
    assert code == 1
    assert len(said) == 1
    assert name in said[0]
    assert content(state) == before


def erased(agent: Agent, scope: object) -> str:
    """Erase from the page, and see both receipts."""
    order: str = agent.page.post("/api/erase", {"scope": scope})["order"]
    agent.page.see(lambda state: len([r for r in state["receipts"] if r["order"] == order]) == 2, "the receipts")
    return order


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_journal_whose_tail_is_damaged(tmp_path: Path, start: Callable[[Path], Agent], damage: str) -> None:
    file = household.config(tmp_path)
    agent = start(file)
    first = erased(agent, {"cameras": ["front"]})
    agent.kill(signal.SIGKILL)
    agent.ended()
    journal = tmp_path / "state" / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + (whole[-100:-40] if damage == "cut" else os.urandom(300)))
    again = start(file)
    # The order's own key was about to die when the agent was killed; of that the key tables may say something.
    problems = [line.partition(": ")[2] for line in again.problems if "key tables" not in line]
    assert problems == [f"journal: cut a torn tail of {60 if damage == 'cut' else 300} bytes"]
    assert {receipt["order"] for receipt in again.page.state()["receipts"]} == {first}
    assert all(receipt["signature_valid"] for receipt in again.page.state()["receipts"])
    second = erased(again, {"cameras": ["front"]})
    assert {receipt["order"] for receipt in again.page.state()["receipts"]} == {first, second}


def test_a_damaged_snapshot(tmp_path: Path, start: Callable[[Path], Agent]) -> None:
    with ExitStack() as stack:
        # One picture a second, and 7 days to live.
        file = household.config(tmp_path, household.camera(good_camera(stack, tmp_path), "front", interval=0.2))
        agent = start(file)
        # What was taken before the owner came is not theirs to see.
        agent.page.see(lambda state: len(state["snapshots"]) >= 4, "pictures")
        seen = {shot["id"] for shot in agent.page.state()["snapshots"]}
        agent.end()
    [segment] = [path for path in (tmp_path / "state" / "vault" / "segments").iterdir() if path.stat().st_size > 28]
    data = bytearray(segment.read_bytes())
    places = [place.start() for place in re.finditer(b"PVSR", data)]
    ids = [(segment.name + data[place + 4 : place + 20].hex()) for place in places]
    first = min(ids.index(id_) for id_ in seen)
    data[places[first + 1] + 5] ^= 1  # in the header: the index knows what it said
    data[places[first + 2] + 40] ^= 1  # in the sealed metadata
    segment.write_bytes(data)
    again = start(file)
    state = again.page.see(lambda state: camera(state, "front")["pictures"] and state, "the whole ones")
    shown = {shot["id"] for shot in state["snapshots"]}
    assert shown == set(ids[first:]) - {ids[first + 2]}, again.said
    for id_ in shown:
        status, body = again.page.get(f"/api/snapshots/{id_}/image")
        assert (status, body[:3]) == (200, b"\xff\xd8\xff")
    assert erased(again, {"cameras": ["front"]})
    again.page.see(lambda state: not state["snapshots"], "their end, with the damaged one")


@pytest.fixture
def house(tmp_path: Path, start: Callable[[Path], Agent]) -> Iterator[House]:
    """All that is good, for a medium that is not."""
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path / "broker", stack.enter_context(kept_port())))
        cloud = Cloud(tmp_path / "backend", broker.port)
        stack.enter_context(cloud.serve())
        stack.enter_context(HeatPump(tmp_path / "pump.tty"))
        file = household.config(
            tmp_path,
            household.serial(tmp_path / "pump.tty", "pump"),
            household.camera(good_camera(stack, tmp_path), "front"),
            broker_port=broker.port,
        )
        agent = start(file)
        agent.page.see(lambda state: state["link"]["connected"] and state["snapshots"], "the house")
        yield House(tmp_path, agent, cloud)
        agent.end()


def hours() -> int:
    """Since 1970."""
    return int(time.time()) // 3600


def test_a_medium_that_takes_nothing_for_a_while(house: House) -> None:
    agent, page, cloud = house.agent, house.agent.page, house.cloud
    until(cloud.log, "log lines")
    begun = hours()
    # No file may grow any more. Root may set a limit up again; so may others, up to the hard one that stays.
    _, hard = resource.prlimit(agent.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (0, hard))
    seen = page.see(lambda state: camera(state, "front")["reason"], "why there are no pictures")
    assert seen == "cannot append to a segment: File too large (see `portvakt doctor`)"
    page.see(lambda state: [s for s in state["services"] if s["name"] == "operation log" and s["problem"]], "the log")

    # The house goes on. A look that cannot be written down is none: it waits until it can.
    assert page.command("pump", "OnOff.OnOff", False)["fate"] == "done"
    page.see(lambda state: reported(state, "pump", "OnOff.OnOff") is False, "the heat pump's own report")
    assert page.get(f"/api/snapshots/{page.state()['snapshots'][0]['id']}/image")[0] == 503
    assert page.get("/api/people")[0] == 503

    # An order that cannot be journaled is not acknowledged, so the broker keeps it.
    order = cloud.order(Scope(cameras=("front",)))
    cloud.send(order.jws.encode())
    rests = r"the link rests, because the gateway cannot store: cannot .*: File too large"
    page.see(lambda state: re.match(rests, state["link"]["reason"]), "why the link rests")
    assert not cloud.state.gateway("gw-scenario").receipts()

    resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (hard, hard))
    until(lambda: cloud.verified(order.id), "the receipts of the order", 40)
    page.see(lambda state: camera(state, "front")["working"] and state["link"]["connected"], "the house as it was")
    assert page.get("/api/people")[0] == 200
    until(lambda: [line for line in cloud.log() if '"command_done"' in line], "the log of the time in between", 40)
    # Told once, however often it was tried. Where an hour begins meanwhile, logs and pictures need a new key, and what
    # refuses that is another reason, which is told once as well.
    reasons = 1 + hours() - begun
    for problem in ("cloud: the link rests", "camera front: ", "operation log: "):
        told = agent.lines_with(problem)
        assert 1 <= len(told) <= reasons, agent.said
        assert len(told) == len(set(told)), agent.said


def full(config: Path) -> Program:
    """An agent none of whose files may grow."""
    return Program("sh", "-c", 'ulimit -f 0; exec "$0" run --config "$1"', PORTVAKT, config)


def test_a_first_start_on_a_medium_that_is_full(tmp_path: Path) -> None:
    with full(household.config(tmp_path)) as agent:
        assert agent.ended() == 1
    assert agent.lines == ["portvakt: cannot write root.key: File too large (see `portvakt doctor`)"]


def test_a_later_start_on_a_medium_that_takes_nothing(tmp_path: Path, state: Path) -> None:
    """Not even what lies there can be overwritten, so no key could be destroyed: nothing is served."""
    before = content(state)
    with full(household.config(tmp_path)) as agent:
        assert agent.ended() == 1
    assert len(agent.lines) == 1, agent.said
    assert agent.lines[0].startswith(f"portvakt: cannot destroy the root slots in {state}/keys/slots: File too large")
    assert content(state) == before
