"""The composition root without a process: how `run` ends, and what it says last."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import agent.main
import agent.service_watch
from agent import config as configuration
from agent.cameras import Cameras
from agent.demo.layout import kept_port
from agent.main import _Agent, run
from agent.neighbourhood import Neighbourhood
from agent.recorder import Recorder
from agent.storage import Storage, open_storage
from camera.picture import Picture
from camera.vault.vault import Vault
from privacy import entries
from privacy.clock import SystemClock
from privacy.erasure import Eraser
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.signing import SigningKey

ALL = Scope(everything=True)
Config = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Writes a configuration of a house without devices; returns its path."""

    def write(more: str = "", port: int = 0) -> Path:
        path = tmp_path / "portvakt.toml"
        path.write_text(
            f'version = 1\n[gateway]\nid = "gw-1"\nstate_dir = "state"\n'
            f'[api]\nport = {port}\nsocket = "api.sock"\n[discovery]\ninterfaces = []\n{more}'
        )
        return path

    return write


def opened(file: Path) -> Storage:
    """What the agent of that configuration has kept, once it has ended."""
    storage = open_storage(configuration.load(file), SystemClock())
    os.close(storage.lock)
    storage.vault.close()
    return storage


def events(folder: Path) -> list[str]:
    """What stands in the operation log of the house in `folder`."""
    log = opened(folder / "portvakt.toml").operation_log
    return [text.decode().partition('"event":"')[2].partition('"')[0] for _, text in log.export(ALL)]


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[int, str]]:
    """Runs the agent; returns its exit code and its last line. The lock goes, as with the end of its process."""
    locks: list[int] = []

    def open_it(*what: Any) -> Storage:
        storage = open_storage(*what)
        locks.append(storage.lock)
        return storage

    def end(path: Path) -> tuple[int, str]:
        code = run(path)
        while locks:
            os.close(locks.pop())
        lines = capsys.readouterr().err.splitlines()
        return code, lines[-1] if lines else ""

    monkeypatch.setattr(agent.main, "open_storage", open_it)
    return end


def await_serving(folder: Path) -> None:
    """Wait until the agent answers over its socket."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(folder / "api.sock")) == 0:
                break
        time.sleep(0.01)


def signalled(folder: Path, number: int) -> threading.Thread:
    """Sends us `number` once the agent serves."""

    def wait() -> None:
        await_serving(folder)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_an_orderly_way(config: Config, tmp_path: Path, ended: Any, number: int) -> None:
    path = config()
    thread = signalled(tmp_path, number)
    code, _ = ended(path)
    thread.join()
    assert code == 0
    assert events(tmp_path) == ["agent_started", "agent_stopping"], "nothing lost, nothing twice"
    assert not (tmp_path / "api.sock").exists()


def asked(folder: Path, *paths: str) -> list[bytes]:
    """What the running agent answers over its socket."""
    answers = []
    for path in paths:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(folder / "api.sock"))
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answers.append(b"".join(iter(lambda c=connection: c.recv(1 << 16), b"")).partition(b"\r\n\r\n")[2])
    return answers


def test_started_again_in_the_same_boot_it_shows_what_it_had(
    config: Config, tmp_path: Path, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody knows the time: what this boot stored is no riddle."""
    monkeypatch.setattr(SystemClock, "battery_clock", lambda _self: None)
    path = config()
    storage = open_storage(configuration.load(path), SystemClock())
    kept = storage.vault.append("front", storage.time.now(), Picture(b"\xff\xd8\xffi", b"\xff\xd8\xfft", 64, 48))
    assert kept
    storage.vault.close()
    os.close(storage.lock)
    for _ in range(2):
        seen: list[bytes] = []

        def look_and_end(seen: list[bytes] = seen) -> None:
            await_serving(tmp_path)
            end = time.monotonic() + 30
            try:
                while time.monotonic() < end and not json.loads(*asked(tmp_path, "/api/state"))["snapshots"]:
                    time.sleep(0.01)
                seen.extend(asked(tmp_path, "/api/state", f"/api/snapshots/{kept.id}/image"))
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=look_and_end)
        thread.start()
        code, _ = ended(path)
        thread.join()
        assert code == 0
        state, image = seen
        assert [shot["id"] for shot in json.loads(state)["snapshots"]] == [kept.id]
        assert image == b"\xff\xd8\xffi"


def test_what_was_taken_last_is_durable_when_it_ends(
    config: Config, tmp_path: Path, ended: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[Vault] = []
    close = Vault.close
    monkeypatch.setattr(Vault, "close", lambda vault: closed.append(vault) or close(vault))
    thread = signalled(tmp_path, signal.SIGTERM)
    code, _ = ended(config())
    thread.join()
    assert (code, len(closed)) == (0, 1)

    def refuse(_vault: Vault) -> None:
        raise StoreBroken("the card is full")

    monkeypatch.setattr(Vault, "close", refuse)
    thread = signalled(tmp_path, signal.SIGTERM)
    code, _ = ended(config())
    thread.join()
    assert code == 0
    assert "the last pictures may be lost: the card is full" in caplog.text


def test_a_root_that_cannot_be_reached(config: Config, tmp_path: Path, ended: Any) -> None:
    code, last = ended(config('[keys]\nroot = "nvram"\npath = "missing"\n'))
    assert code == 1
    assert last.startswith(f"portvakt: cannot read the root slots in {tmp_path / 'missing'}: No such file")


def test_a_state_directory_of_an_earlier_version(config: Config, tmp_path: Path, ended: Any) -> None:
    """Its register was a file."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "devices").write_bytes(b"PVLOG1\r\n")
    code, last = ended(config())
    hint = "move it away: an earlier version may have made it, or somebody else"
    assert (code, last) == (1, f"portvakt: {tmp_path / 'state' / 'devices'} is no folder ({hint})")
    assert (tmp_path / "state" / "devices").read_bytes() == b"PVLOG1\r\n"


def test_a_configuration_with_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "portvakt.toml").write_text('version = 1\n[gateway]\nid = ""\nstat_dir = "x"\n')
    assert run(tmp_path / "portvakt.toml") == 2
    said = capsys.readouterr().err
    assert said.startswith("portvakt: the configuration has ")
    assert "gateway.id" in said
    assert "did you mean state_dir?" in said.splitlines()[-1]


def test_no_configuration(tmp_path: Path, ended: Any) -> None:
    code, last = ended(tmp_path / "missing.toml")
    assert code == 2
    assert "missing.toml" in last


def test_a_state_directory_that_cannot_be_made(config: Config, tmp_path: Path, ended: Any) -> None:
    (tmp_path / "state").write_text("a file")
    code, last = ended(config())
    assert (code, "cannot be made" in last) == (2, True)


def test_a_page_port_that_is_in_use(config: Config, ended: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, last = ended(config(port=port))
    assert code == 2
    assert last.startswith(f"portvakt: port {port} on 127.0.0.1 is in use")


def test_another_agent_at_the_same_state(config: Config, ended: Any) -> None:
    storage = open_storage(configuration.load(config()), SystemClock())
    code, last = ended(config())
    storage.vault.close()
    os.close(storage.lock)
    assert (code, "another agent" in last) == (2, True)


def test_keys_that_are_not_those_of_what_is_stored(config: Config, tmp_path: Path, ended: Any) -> None:
    opened(config())
    (tmp_path / "state" / "root.key").write_bytes(bytes(32))
    code, last = ended(config())
    assert code == 1
    assert last.startswith("portvakt: ")
    assert "root.key" in last


@pytest.mark.parametrize("text", ["[]", '{"keys": []}', "not JSON"])
def test_a_wrong_file_of_order_keys(config: Config, tmp_path: Path, ended: Any, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    code, last = ended(config('[cloud]\nhost = "127.0.0.1"\norder_keys_file = "keys.json"\n'))
    assert (code, "order_keys_file" in last) == (2, True)


def test_a_registry_that_would_leak(config: Config, tmp_path: Path, ended: Any) -> None:
    (tmp_path / "household.json").write_text('{"persons": []}')
    (tmp_path / "household.json").chmod(0o600)
    code, last = ended(config('[household]\nregistry_file = "household.json"\n'))
    assert code in {1, 2}
    assert "household.json" in last


@pytest.mark.parametrize("disk", ["works", "broken"])
def test_a_bug_ends_it_and_is_named(config: Config, ended: Any, monkeypatch: pytest.MonkeyPatch, disk: str) -> None:
    """Also where the last entries cannot be written: that must not hide why it ended."""

    async def stumble(_self: Recorder) -> None:
        await asyncio.sleep(0.05)
        raise ZeroDivisionError("one too few")

    async def refuse(_self: Recorder) -> None:
        raise StoreBroken("the card is full")

    monkeypatch.setattr(Recorder, "keep_limit", stumble)
    if disk == "broken":
        monkeypatch.setattr(Recorder, "flush", refuse)
        monkeypatch.setattr(Recorder, "run", lambda _self: asyncio.Event().wait())
    code, last = ended(config())
    assert code == 70
    assert last == "portvakt: ended by a bug in log expiry: ZeroDivisionError: one too few; please report it"


def test_a_register_that_cannot_be_read_is_no_bug(config: Config, ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_self: Neighbourhood) -> None:
        raise StoreBroken("cannot read devices")

    monkeypatch.setattr(Neighbourhood, "start", refuse)
    assert ended(config()) == (1, "portvakt: cannot read devices")


def test_an_erasure_that_cannot_be_finished_does_not_keep_the_house_closed(
    config: Config, tmp_path: Path, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    finish = Eraser.finish

    async def refuse_once(self: Eraser) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreBroken("the card is full")
        await finish(self)

    monkeypatch.setattr(Eraser, "finish", refuse_once)
    path = config()
    thread = signalled(tmp_path, signal.SIGTERM)
    code, _ = ended(path)
    thread.join()
    assert code == 0
    assert tries > 1, "the erasure service has tried again"


def test_a_house_whose_every_part_is_away(
    config: Config, tmp_path: Path, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves all the same, tells systemd, says what is away, and ends in good order."""
    keys = {"keys": [{**SigningKey.generate().public_jwk(), "issuer": "cloud"}]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    with kept_port() as nobodys, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = config(
            f'[cloud]\nhost = "127.0.0.1"\nport = {nobodys}\norder_keys_file = "keys.json"\n'
            '[[serial]]\nport = "missing.tty"\n[[serial.unit]]\naddress = 1\nid = "pump"\nname = "Pump"\n'
            'map = "demo_heat_pump"\n'
            f'[[camera]]\nid = "front"\nname = "F"\nurl = "http://127.0.0.1:{nobodys}/"\n'
        )
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        heard: list[str] = []

        def all_is_away() -> bool:
            state = json.loads(*asked(tmp_path, "/api/state"))
            return all(part["reason"] for part in (state["link"], *state["devices"], *state["cameras"]))

        def end_when_all_is_said() -> None:
            try:
                while not any(said.startswith("READY=1") for said in heard) or heard.count("WATCHDOG=1") < 2:
                    heard.append(systemd.recv(4096).decode())
                while not all_is_away():
                    heard.append(systemd.recv(4096).decode())
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=end_when_all_is_said)
        thread.start()
        code, _ = ended(path)
        thread.join()
        heard.append(systemd.recv(4096).decode())
    assert code == 0
    assert any(said.startswith("READY=1\nSTATUS=the page is at http://127.0.0.1:") for said in heard)
    assert {"WATCHDOG=1", "STOPPING=1"} & set(heard)
    said = events(tmp_path)
    assert {"service_down", "device_unreachable", "picture_failed", "link_down"} <= set(said)
    assert (said.count("service_down"), said[-1]) == (3, "agent_stopping"), "once each, however often it was tried"


class Bench:
    """An agent that is made and not run."""

    def __init__(self, made: _Agent) -> None:
        self.agent = made
        self.recorded: list[entries.Entry] = []
        made._watch._record = self.recorded.append

    def kinds(self) -> list[type[entries.Entry]]:
        return [type(entry) for entry in self.recorded]


@pytest.fixture
async def bench(config: Config) -> AsyncIterator[Bench]:
    loaded = configuration.load(config())
    storage = open_storage(loaded, SystemClock())
    made = _Agent(loaded, storage, SystemClock())
    yield Bench(made)
    await made._disk.run(storage.vault.close)
    made._disk.close()
    os.close(storage.lock)


async def test_a_service_that_is_away_for_long_is_logged_once(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.service_watch, "STEADY_SECONDS", 0.05)
    watch = bench.agent._watch
    watch("line modbus:tty", None)
    for _ in range(50):
        watch("line modbus:tty", "the adapter is unplugged")
        watch("line modbus:tty", None)
        await asyncio.sleep(0)
    watch("line modbus:tty", "the adapter is unplugged")
    await asyncio.sleep(0.1)
    assert bench.kinds() == [entries.ServiceDown]
    assert watch.failures == 51

    bench.agent._supervisor.start(agent.main.Service("line modbus:tty", asyncio.Event().wait))  # type: ignore[arg-type]
    assert watch.problems()["line modbus:tty"] == "the adapter is unplugged"
    await until(lambda: entries.ServiceUp in bench.kinds())
    assert bench.kinds() == [entries.ServiceDown, entries.ServiceUp]
    watch("line modbus:tty", "unplugged again")
    assert bench.kinds()[-1] is entries.ServiceDown
    [down] = [entry for entry in bench.recorded[:1] if isinstance(entry, entries.ServiceDown)]
    assert (down.service, down.reason) == ("line", "the adapter is unplugged"), "of a line its kind alone"
    await bench.agent._supervisor.stop("line modbus:tty")


async def test_a_service_that_was_removed_never_comes_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.service_watch, "STEADY_SECONDS", 0.01)
    bench.agent._watch("line test-lamp", "away")
    bench.agent._watch("line test-lamp", None)
    await asyncio.sleep(0.05)
    assert bench.kinds() == [entries.ServiceDown]


async def test_a_problem_reaches_the_part_that_shows_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(bench.agent._devices, "line_problem", lambda *what: told.append(("line", *what)))
    monkeypatch.setattr(bench.agent._uplink, "problem", lambda *what: told.append(("cloud", *what)))
    bench.agent._watched = Cameras.__new__(Cameras)
    monkeypatch.setattr(Cameras, "problem", lambda _self, *what: told.append(("camera", *what)))
    for service in ("line a b", "camera front", "cloud", "erasure"):
        bench.agent._watch(service, "why")
    assert told == [("line", "a b", "why"), ("camera", "front", "why"), ("cloud", "why")]
