"""The demo's quick parts: its folder, its programs one by one, and how it judges what it saw."""

import asyncio
import errno
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from agent import config as configuration
from agent.backend.state import State
from agent.cloud.messages import LogBatch
from agent.demo import flows, layout, programs
from agent.demo import run as demo_run
from agent.demo.layout import Layout, kept_port, lay_out
from agent.demo.programs import Program, ProgramEnded
from agent.errors import ConfigInvalid
from privacy.receipts import Kind
from privacy.redaction.household import Registry


@pytest.fixture
def laid_out(tmp_path: Path) -> Iterator[Layout]:
    with lay_out(tmp_path, page_port=0, interval=0.5, keep=8) as made:
        yield made


def test_the_configuration_that_it_writes_is_one(laid_out: Layout) -> None:
    State(laid_out.backend).create_issuer("backend")
    config = configuration.load(laid_out.config)
    assert config.gateway.id == layout.GATEWAY
    assert config.api.socket == laid_out.socket
    assert (config.camera[0].interval_seconds, config.camera[0].keep_seconds) == (0.5, 8)
    assert f":{laid_out.camera_port}/" in config.camera[0].url
    assert config.cloud
    assert config.cloud.port == laid_out.broker_port
    assert config.serial[0].port == laid_out.root / "heat-pump.tty"
    assert config.household.registry_file
    assert Registry.read(config.household.registry_file).people, "the log flow looks for its values in what left"


def test_its_secrets_are_this_users_alone_and_new_each_time(laid_out: Layout, tmp_path: Path) -> None:
    for file in (path for path in laid_out.root.iterdir() if path.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    password = (laid_out.root / "camera-password").read_text().strip()
    assert password == laid_out.camera_password
    assert password not in laid_out.config.read_text()
    (tmp_path / "again").mkdir()
    with lay_out(tmp_path / "again", page_port=0, interval=1, keep=8) as again:
        assert again.camera_password != password


def test_ports_are_its_own_and_its_programs_can_listen_there(laid_out: Layout) -> None:
    ports = {laid_out.page_port, laid_out.broker_port, laid_out.camera_port, laid_out.lamp_port}
    assert len(ports) == 4
    for port in ports:
        with socket.socket() as caller:
            assert caller.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        for _ in range(2):  # and again, when the first was killed
            with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
                pass


def test_a_page_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(layout, "PAGE_PORT", port)
        with lay_out(tmp_path, page_port=None, interval=1, keep=8) as made:
            assert made.page_port != port, "nobody asked for that one"
        with pytest.raises(ConfigInvalid, match=f"port {port}"):
            lay_out(tmp_path, page_port=port, interval=1, keep=8).__enter__()


def test_the_usual_page_port_where_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kept_port() as port:
        monkeypatch.setattr(layout, "PAGE_PORT", port)
        with lay_out(tmp_path, page_port=None, interval=1, keep=8) as made:
            assert made.page_port == port


def test_of_two_demos_that_start_together_one_gets_the_usual_page_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with kept_port() as port:
        monkeypatch.setattr(layout, "PAGE_PORT", port)
        for _ in range(2):
            with layout.usual_page_port() as one, layout.usual_page_port() as other:
                assert (one, other) == (None, 0)


def test_every_part_of_the_house_is_a_program_of_its_own(laid_out: Layout) -> None:
    made = {program.name: program for program in programs.programs(laid_out)}
    assert list(made)[-1] == "agent", "the rest is there when it comes"
    assert set(made) == {"broker", "heat pump", "lamp", "camera", "backend", "agent"}
    assert len({program.log for program in made.values()}) == len(made)
    for program in made.values():
        assert laid_out.camera_password not in program.command, "an argument is for everybody to read"
        assert program.log.parent.is_dir()


def test_a_program_stays_away_long_enough_to_be_missed() -> None:
    """A camera is asked once in an interval: back sooner, and nobody would have seen that it was gone."""
    assert programs.PAUSE_SECONDS > demo_run.INTERVAL_SECONDS + 1


def test_without_a_broker_it_says_what_to_install(laid_out: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ProgramEnded, match="apt-get install mosquitto"):
        programs.programs(laid_out)


def program(folder: Path, code: str) -> Program:
    return Program("one", [sys.executable, "-c", code], folder / "one.log")


async def test_a_program_that_ends_is_told_and_its_words_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "PAUSE_SECONDS", 0)
    started: dict[str, int] = {}
    service = program(
        tmp_path, "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    ).service(started.__setitem__)
    assert (service.name, service.expected) == ("one", (ProgramEnded,))
    for _ in range(2):
        with pytest.raises(ProgramEnded, match="ended with 3") as ended:
            await service.run()
    assert str(tmp_path / "one.log") in ended.value.hint
    assert (tmp_path / "one.log").read_text().split() == ["out", "err"] * 2
    assert started["one"] > 0


async def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    missing = Program("one", [str(tmp_path / "missing")], tmp_path / "one.log")
    with pytest.raises(ProgramEnded, match="No such file"):
        await missing.service(lambda _name, _pid: None).run()


OBEDIENT = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time, pathlib, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " pathlib.Path({ready!r}).touch(); time.sleep(60)"
)


@pytest.mark.parametrize("kind", ["obedient", "stubborn"])
async def test_a_stop_ends_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any, kind: str) -> None:
    monkeypatch.setattr(programs, "STOP_SECONDS", 0.2 if kind == "stubborn" else 20)
    pids: dict[str, int] = {}
    ready = tmp_path / "ready"
    code = OBEDIENT if kind == "obedient" else STUBBORN.format(ready=str(ready))
    running = asyncio.create_task(program(tmp_path, code).service(pids.__setitem__).run())
    await until(lambda: pids and (kind == "obedient" or ready.exists()))
    assert os.getpgid(pids["one"]) == pids["one"], "Ctrl-C is for the demo, which ends its programs itself"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pids["one"], 0)


async def test_a_program_ends_with_the_demo_however_that_ends(tmp_path: Path, until: Any) -> None:
    """A demo that is killed cannot stop anything: the kernel does."""
    demo = (
        "import asyncio, pathlib, sys\n"
        "from agent.demo.programs import Program\n"
        f"one = Program('one', [sys.executable, '-c', {OBEDIENT!r}], pathlib.Path({str(tmp_path / 'one.log')!r}))\n"
        "asyncio.run(one.service(lambda _, pid: print(pid, flush=True)).run())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", demo, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    pid = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await until(lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


STATE = {
    "devices": [
        {"id": "pump", "capabilities": [{"name": "A.B", "reported": {"value": 19.0}}, {"name": "C.D"}]},
        {"id": "lamp", "capabilities": [{"name": "A.B", "reported": {"value": False}}]},
    ]
}


@pytest.mark.parametrize(
    ("device", "capability", "value"),
    [("pump", "A.B", 19.0), ("lamp", "A.B", False), ("pump", "C.D", None), ("pump", "E.F", None), ("fan", "A.B", None)],
)
def test_what_a_device_reported(device: str, capability: str, value: object) -> None:
    assert repr(flows._reported(STATE, device, capability)) == repr(value)


def test_percentiles() -> None:
    assert flows._percentiles([]) == (None, None)
    assert flows._percentiles([0.002]) == (2.0, 2.0)
    assert flows._percentiles([n / 1000 for n in range(1, 101)]) == (50.5, 99.0)


def test_a_flow_is_plain_data() -> None:
    flow = flows._flow(True, "done", {"n": 1}, [0.001, 0.002])
    assert json.loads(json.dumps(flow)) == {
        "ok": True,
        "done": "done",
        "counts": {"n": 1},
        "p50_ms": 1.5,
        "p99_ms": 2.0,
    }


async def test_waiting_ends_with_what_is_true_or_with_time() -> None:
    asked = 0

    async def third_time() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    async def never() -> bool:
        return False

    assert await flows._wait(third_time, 10)
    assert asked == 3
    assert not await flows._wait(never, 0.01)


class FakeVisitor:
    """Sees `states` one after the other, and is given `answers`."""

    def __init__(self, *states: dict[str, Any], **answers: Any) -> None:
        self.states, self.answers, self.asked = list(states), answers, list[tuple[str, object]]()

    async def state(self) -> dict[str, Any]:
        return self.states[0]

    async def see(self, wanted: Any, _seconds: float) -> bool:
        return any(wanted(state) for state in self.states)

    async def post(self, path: str, body: object) -> dict[str, Any]:
        self.asked.append((path, body))
        return dict(self.answers.get(path.rpartition("/")[2], {}))

    async def get(self, path: str) -> tuple[int, bytes]:
        return self.answers.get(path, (404, b""))


async def test_the_lamp_is_known_by_its_address(laid_out: Layout) -> None:
    """Another demo on the same machine is heard as well, and its lamp is not ours to adopt."""
    ours = {"id": "ours", "family": "homekit", "address": f"127.0.0.1:{laid_out.lamp_port}"}
    theirs = {"id": "theirs", "family": "homekit", "address": "127.0.0.1:1"}
    on = {"id": "ours", "reachable": True, "capabilities": [{"name": flows.ON_OFF, "reported": {"value": True}}]}
    visitor: Any = FakeVisitor({"found": [theirs, ours], "devices": [on]}, adopt={"id": "ours"})
    assert await flows._lamp(laid_out, visitor) == "on"
    assert [path for path, _ in visitor.asked] == ["/api/found/ours/adopt", "/api/devices/ours/commands"]
    visitor = FakeVisitor({"found": [theirs], "devices": []})
    assert await flows._lamp(laid_out, visitor) == "not found"
    visitor = FakeVisitor({"found": [ours], "devices": []}, adopt={"detail": "the code is wrong"})
    assert "the code is wrong" in await flows._lamp(laid_out, visitor)
    visitor = FakeVisitor({"found": [ours], "devices": []}, adopt={"id": "ours"})
    assert await flows._lamp(laid_out, visitor) == "silent"


async def test_a_flow_that_did_not_run_is_not_ok(laid_out: Layout) -> None:
    visitor: Any = FakeVisitor(
        {"found": [], "devices": [], "snapshots": [], "cameras": []}, commands={"fate": "failed"}
    )
    assert not (await flows._command(laid_out, visitor))["ok"]
    assert (await flows._picture(visitor, 0))["done"] == "no picture was stored"


async def test_pictures_that_do_not_go_are_not_ok() -> None:
    shot = {"id": "s1", "at": "2026-03-01T12:00:00Z"}
    state = {"snapshots": [shot], "cameras": [{"pictures": 1}]}
    path = "/api/snapshots/s1/image"
    stays: Any = FakeVisitor(state, **{path: (200, b"\xff\xd8\xff")})
    flow = await flows._picture(stays, 0)
    assert not flow["ok"]
    assert "NOT gone" in flow["done"]
    goes: Any = FakeVisitor(state)
    answers = iter([(200, b"\xff\xd8\xff"), (404, b"")])
    goes.get = lambda _path: asyncio.sleep(0, next(answers))
    flow = await flows._picture(goes, float("inf"))
    assert (flow["ok"], flow["counts"]) == (True, {"shown": 1, "stored_now": 1})


class Keeper:
    """The backend's side: what the gateway would have sent it by now."""

    def __init__(self, folder: Layout, *, answers: bool = True, leak: str = "") -> None:
        self.state = State(folder.backend)
        self.state.create_issuer("backend")
        self.gateway = self.state.enroll(layout.GATEWAY)
        self.answers, self.leak = answers, leak
        self.sent: list[str] = []

    @asynccontextmanager
    async def connect(self, _settings: object) -> AsyncIterator[None]:
        yield None

    async def send(self, _connection: object, order: Any, _clock: object) -> None:
        self.sent.append(order.id)
        if self.answers:
            for kind in get_args(Kind):
                self.gateway.add_receipt(order.id, kind, f"{order.id}.{kind}.x")

    def log(self, number: int) -> None:
        line = json.dumps({"event": "command_done", "fields": {"n": number, "said": self.leak}})
        self.gateway.add_lines(LogBatch(id=f"batch-{number}", lines=(line,)))


class Backed(FakeVisitor):
    """A visitor behind whose commands a line reaches the backend."""

    def __init__(self, keeper: Keeper, *states: dict[str, Any]) -> None:
        super().__init__(*states)
        self.keeper = keeper

    async def post(self, path: str, body: object) -> dict[str, Any]:
        if self.keeper.answers:
            self.keeper.log(len(self.asked))
        return await super().post(path, body)


RECEIPT = {"kind": "erased", "acknowledged": True, "stores": [{"found": 4}, {"found": 1}]}
SEEN = {
    "receipts": [RECEIPT, {**RECEIPT, "kind": "verified"}],
    "devices": [{"id": "heat-pump", "name": "Heat pump", "capabilities": []}],
    "cameras": [{"id": "front-door", "name": "Front door"}],
    "log": [{"line": '{"event": "command_done"}', "state": "uploaded"}],
}


@pytest.fixture
def keeper(laid_out: Layout, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keeper]:
    def make(**fields: Any) -> Keeper:
        made = Keeper(laid_out, **fields)
        monkeypatch.setattr(flows, "connect", made.connect)
        monkeypatch.setattr(flows, "send", made.send)
        monkeypatch.setattr(flows, "WAIT_SECONDS", 0.05)
        return made

    return make


async def test_orders_that_are_receipted(laid_out: Layout, keeper: Any) -> None:
    made = keeper()
    visitor: Any = Backed(made, SEEN)
    flow = await flows._order(laid_out, visitor)
    assert (flow["ok"], flow["counts"]) == (True, {"orders": 3, "records_erased": 5})
    assert made.sent[-1] == made.sent[-2], "the last is sent twice"
    assert len(set(made.sent)) == 3


async def test_orders_that_nobody_receipts_are_not_ok(laid_out: Layout, keeper: Any) -> None:
    visitor: Any = Backed(keeper(answers=False), SEEN)
    flow = await flows._order(laid_out, visitor)
    assert (flow["ok"], flow["counts"]["orders"], flow["p50_ms"]) == (False, 0, None)


@pytest.mark.parametrize(
    ("said", "ok"),
    [("<name:1>", True), ("kari@EXAMPLE.com", False), ("front-door", False), ("in storgata 1, 0155 oslo", False)],
)
async def test_lines_that_hold_what_they_must_not(laid_out: Layout, keeper: Any, said: str, *, ok: bool) -> None:
    visitor: Any = Backed(keeper(leak=said), SEEN)
    flow = await flows._log(laid_out, visitor)
    assert flow["ok"] is ok
    assert flow["counts"] == {"lines": 3, "leaks": 0 if ok else 3}


async def test_lines_that_never_arrive_are_not_ok(laid_out: Layout, keeper: Any) -> None:
    visitor: Any = Backed(keeper(answers=False), SEEN)
    assert not (await flows._log(laid_out, visitor))["ok"]


async def test_the_report_is_ok_only_if_every_flow_is(laid_out: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flow(*_: object, ok: bool = True) -> dict[str, Any]:
        return {"ok": ok}

    for name in ("_command", "_picture", "_order", "_log"):
        monkeypatch.setattr(flows, name, flow)
    visitor: Any = FakeVisitor({})
    report = await flows.exercise(laid_out, visitor, until=0)
    assert report["ok"]
    assert list(report["flows"]) == ["command", "picture", "order", "log"]  # type: ignore[call-overload]
    monkeypatch.setattr(flows, "_order", partial(flow, ok=False))
    assert not (await flows.exercise(laid_out, visitor, until=0))["ok"]


async def test_set_points_that_come_back(laid_out: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "_lamp", lambda *_: asyncio.sleep(0, "on"))
    states = [
        {"devices": [{"id": "heat-pump", "capabilities": [{"name": flows.SETPOINT, "reported": {"value": v}}]}]}
        for v in (19.0, 20.0)
    ]
    visitor: Any = FakeVisitor(*states, commands={"fate": "done"})
    flow = await flows._command(laid_out, visitor)
    assert (flow["ok"], flow["counts"]) == (True, {"commands": flows.COMMANDS})
    deaf: Any = FakeVisitor(states[0], commands={"fate": "done"})
    assert (await flows._command(laid_out, deaf))["counts"] == {"commands": 1}, "the second is not reported"
