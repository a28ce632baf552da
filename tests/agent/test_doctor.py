"""The doctor finds what is wrong, says how to mend it, and fails only for what has failed."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.api.contract import InventoryRow, LinkView, ServiceView, State, TimeView
from agent.doctor import Ask, Check, examine
from agent.doctor.machine import Machine
from agent.doctor.medium import room
from agent.errors import NotRunning

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024
MACHINE = {"room", "clock", "swap", "erasing in place", "medium"}
"""What the machine decides on which this test runs."""

House = Any
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(more: str = "") -> Path:
        (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
        path = tmp_path / "portvakt.toml"
        path.write_text(f'version = 1\n[gateway]\nid = "gw-1"\nstate_dir = "state"\n{more}')
        return path

    return write


def nobody(_: Path | None) -> tuple[State, tuple[InventoryRow, ...]]:
    raise NotRunning("no agent listens", hint="start it")


def of(checks: list[Check], name: str) -> list[tuple[str, str]]:
    for check in checks:
        # What is not fine comes with a cure, always.
        assert check.verdict == "ok" or check.mend, check
    return [(check.verdict, check.found) for check in checks if check.name == name]


def house(api_house: House, *rows: InventoryRow, **sections: Any) -> Ask:
    state = msgspec.structs.replace(api_house.state(), **sections)
    return lambda _: (state, rows)


def test_without_an_agent_it_examines_what_lies_there(write: Write) -> None:
    checks = examine(write(), nobody, NOW, {})
    assert {(check.name, check.verdict) for check in checks if check.name in {"configuration", "state directory"}} == {
        ("configuration", "ok"),
        ("state directory", "ok"),
    }
    assert {"room", "erasing in place", "keys", "swap", "clock"} <= {check.name for check in checks}
    assert (checks[-1].name, checks[-1].verdict, checks[-1].mend) == ("agent", "fail", "start it")


def test_a_healthy_house_is_all_ok(write: Write, api_house: House) -> None:
    checks = examine(write(), house(api_house), NOW, {})
    assert {check.verdict for check in checks if check.name not in MACHINE} == {"ok"}
    assert {check.name for check in checks} > {"agent", "services", "device lamp", "camera door", "cloud link"}


def test_the_socket_asked_is_the_configured_one(write: Write, tmp_path: Path) -> None:
    asked: list[Path | None] = []

    def ask(path: Path | None) -> tuple[State, tuple[InventoryRow, ...]]:
        asked.append(path)
        return nobody(path)

    examine(write('[api]\nsocket = "own.sock"\n'), ask, NOW, {})
    examine(None, ask, NOW, {})
    assert asked == [tmp_path / "own.sock", None]


def test_every_problem_of_the_configuration_is_a_failure_with_its_cure(write: Write) -> None:
    checks = examine(write("colour = 1\n[api]\nport = 70000\n"), nobody, NOW, {})
    found = [check for check in checks if check.name == "configuration"]
    assert [check.verdict for check in found] == ["fail", "fail"]
    assert "gateway.colour" in found[0].found
    assert "from 1 to 65535" in found[1].mend


def test_without_a_configuration_it_says_what_was_not_looked_at() -> None:
    assert of(examine(None, nobody, NOW, {}), "configuration")[0][0] == "warn"


def test_the_state_directory_is_there_and_for_one_user_alone(write: Write, tmp_path: Path) -> None:
    path = write()
    (tmp_path / "state").chmod(0o755)
    [(verdict, found)] = of(examine(path, nobody, NOW, {}), "state directory")
    assert (verdict, "0755" in found) == ("fail", True)
    (tmp_path / "state").rmdir()
    assert of(examine(path, nobody, NOW, {}), "state directory") == [
        ("fail", f"{tmp_path}/state: No such file or directory")
    ]
    (tmp_path / "state").write_text("")
    assert of(examine(path, nobody, NOW, {}), "state directory")[0][1].endswith("is not a directory")


@pytest.mark.parametrize(
    ("free", "files", "verdict"),
    [
        (50 * MIB, 10_000, "fail"),
        (500 * MIB, 10_000, "warn"),
        (5000 * MIB, 10_000, "ok"),
        (5000 * MIB, 10, "fail"),
        (5000 * MIB, None, "ok"),
    ],
)
def test_room(free: int, files: int | None, verdict: str) -> None:
    assert room(free, files).verdict == verdict


def test_secrets_that_only_systemd_can_hand_over_are_a_warning(write: Write, tmp_path: Path) -> None:
    camera = '[[camera]]\nid = "c"\nname = "C"\nurl = "http://c/"\nusername = "v"\n'
    path = write(f'{camera}credential = "cam"\n')
    assert of(examine(path, nobody, NOW, {}), "secrets")[0][0] == "warn"
    (tmp_path / "cam").write_text("x")
    (tmp_path / "cam").chmod(0o400)
    assert of(examine(path, nobody, NOW, {"CREDENTIALS_DIRECTORY": str(tmp_path)}), "secrets") == []
    path = write(f'{camera}password_file = "cam"\n')
    assert of(examine(path, nobody, NOW, {}), "secrets")[0][0] == "ok"
    (tmp_path / "cam").chmod(0o644)
    assert "password_file" in of(examine(path, nobody, NOW, {}), "configuration")[0][1]


@pytest.mark.parametrize(("name", "verdict"), [("heat", "ok"), ("ttyUSB0", "warn"), ("gone", "fail")])
def test_serial_ports_are_there_under_names_that_stay(write: Write, tmp_path: Path, name: str, verdict: str) -> None:
    for there in ("heat", "ttyUSB0"):
        (tmp_path / there).touch()
    unit = '[[serial.unit]]\naddress = 1\nid = "p"\nname = "P"\nmap = "demo_heat_pump"\n'
    checks = examine(write(f'[[serial]]\nport = "{name}"\n{unit}'), nobody, NOW, {})
    assert of(checks, "serial port")[0][0] == verdict


def test_a_clock_before_the_software_was_built_is_wrong(tmp_path: Path) -> None:
    def clock(now: datetime = NOW) -> str:
        return of(examine(None, nobody, now, {}, machine_=Machine(run=tmp_path)), "clock")[0][0]

    assert clock(datetime(1970, 1, 1, tzinfo=UTC)) == "fail"
    assert clock() == "ok"
    sync = tmp_path / "systemd/timesync"
    sync.mkdir(parents=True)
    assert clock() == "warn"
    (sync / "synchronized").touch()
    assert clock() == "ok"


def test_a_gateway_that_does_not_know_the_time_says_how_to_tell_it(api_house: House) -> None:
    unknown = TimeView(now=NOW, known=False, hidden=12, reason="no clock here has a battery")
    checks = examine(None, house(api_house, time=unknown), NOW, {})
    assert of(checks, "time") == [("warn", "not known: no clock here has a battery; 12 pictures are not shown")]
    assert "portvakt time --confirm" in next(check.mend for check in checks if check.name == "time")
    assert of(examine(None, house(api_house), NOW, {}), "time") == [("ok", "known")]


def test_what_does_not_run_or_answer_fails_with_its_reason(api_house: House) -> None:
    [pump, lamp], [camera] = api_house.state().devices, api_house.state().cameras
    ask = house(
        api_house,
        services=(ServiceView(name="line heat", problem="the port is missing"), ServiceView(name="camera door")),
        devices=(msgspec.structs.replace(pump, reachable=False, reason="no answer"), lamp),
        cameras=(msgspec.structs.replace(camera, working=False, reason="refused the login"),),
    )
    checks = examine(None, ask, NOW, {})
    assert of(checks, "service line heat") == [("fail", "the port is missing")]
    assert of(checks, "device pump") == [("fail", "no answer")]
    assert of(checks, "device lamp") == [("ok", "reachable")]
    assert of(checks, "camera door") == [("fail", "refused the login")]
    checks = examine(None, house(api_house, services=(), cameras=(camera,)), NOW, {})
    assert of(checks, "camera door") == [("ok", "configured no more; 3 pictures go as they fall due")]


def row(**fields: Any) -> InventoryRow:
    base = {"record_class": "snapshot", "purpose": "p", "basis": "b", "limit": "7 days", "limit_seconds": 604_800.0}
    dated = {"count": 3, "oldest": NOW - timedelta(days=6), "next_to_go": NOW, "tier": "C", "overdue": False}
    return InventoryRow(**{**base, **dated, **fields})


def test_the_oldest_of_each_class_is_held_against_its_limit(api_house: House) -> None:
    rows = row(), row(record_class="op_log", overdue=True), row(record_class="alarm", count=0, oldest=None)
    checks = examine(None, house(api_house, *rows), NOW, {})
    assert of(checks, "limit of snapshot")[0] == ("ok", "3 kept, oldest 2026-11-25 12:00 UTC, limit 7 days")
    assert of(checks, "limit of op_log")[0][0] == "fail"
    assert of(checks, "limit of alarm") == []
    held = row(held=2, held_until=NOW + timedelta(days=3))
    [(_, found)] = of(examine(None, house(api_house, held), NOW, {}), "limit of snapshot")
    assert found.endswith(", 2 held until 2026-12-04 12:00 UTC")


@pytest.mark.parametrize(
    ("link", "verdicts"),
    [
        (LinkView(configured=False, connected=False), []),
        (LinkView(configured=True, connected=True), ["ok"]),
        (LinkView(configured=True, connected=False, since=NOW - timedelta(minutes=9)), ["warn"]),
        (LinkView(configured=True, connected=False, since=NOW - timedelta(minutes=11)), ["fail"]),
        (LinkView(configured=True, connected=False, since=None), ["fail"]),
    ],
)
def test_the_cloud_link_may_be_away_for_a_while(api_house: House, link: LinkView, verdicts: list[str]) -> None:
    found = of(examine(None, house(api_house, link=link), NOW, {}), "cloud link")
    assert [verdict for verdict, _ in found] == verdicts


def test_a_broker_is_knocked_at_when_the_link_does_not_stand(write: Write, tmp_path: Path, api_house: House) -> None:
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "1",
        "issuer": "b",
    }
    (tmp_path / "keys.json").write_bytes(msgspec.json.encode({"keys": [jwk]}))
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        path = write(f'[cloud]\nhost = "127.0.0.1"\nport = {port}\norder_keys_file = "keys.json"\n')
        assert of(examine(path, nobody, NOW, {}), "broker") == [("ok", f"127.0.0.1:{port} answers")]
        assert of(examine(path, house(api_house), NOW, {}), "broker") == []
    assert of(examine(path, nobody, NOW, {}), "broker") == [("fail", f"127.0.0.1:{port}: Connection refused")]
