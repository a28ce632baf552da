"""The verbs that speak with a running agent, over its Unix socket, as somebody types them."""

import asyncio
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.api.contract import ExemptionView, InventoryRow, ServiceView, StoreReport, TimeView
from agent.api.server import serve
from agent.cli.outcome import carry_out
from agent.errors import AgentError, Refused
from privacy.clock import SystemClock
from privacy.hold import Reason
from privacy.records import RecordClass, Scope
from tests.agent.open_door import open_door

House = Any
Run = Callable[..., Awaitable[tuple[int, str, str]]]
ORDER = "0198c0de-0000-7000-8000-000000000001"
"""The order that this house gives."""
HOLD = "0198c0de-0000-7000-8000-000000000002"
"""The hold that it places."""


@pytest.fixture
async def socket(api_house: House, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "api.sock"
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
        yield path


@pytest.fixture
def run(socket: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program in a thread, since the house is served by this loop."""
    monkeypatch.setenv("PORTVAKT_SOCKET", str(socket))

    async def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = await asyncio.to_thread(carry_out, [str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


async def test_status_and_metrics(run: Run, api_house: House) -> None:
    code, out, _ = await run("status")
    assert code == 0
    assert "Gateway-4f2a: running since" in out
    assert "devices: 2 of 2 reachable" in out
    assert "camera door\truns" in out
    api_house.set(services=(ServiceView(name="cloud", problem="refused"),))
    code, out, _ = await run("status", "--json")
    answer = json.loads(out)
    assert (code, answer["running"], answer["services"]) == (0, True, [{"name": "cloud", "problem": "refused"}])
    assert await run("metrics") == (0, "portvakt_snapshots 3\n", "")


async def test_devices_are_listed_and_shown_plainly_in_a_pipe(run: Run) -> None:
    _, out, _ = await run("devices", "list")
    assert [line.split("\t") for line in out.splitlines()] == [
        ["id", "name", "family", "identity", "state", "reports"],
        [
            "pump",
            "Heat pump",
            "modbus",
            "unverified",
            "reachable",
            "TemperatureMeasurement 21.4 °C, OccupiedHeatingSetpoint 21 °C, SystemMode heat",
        ],
        ["lamp", "Hall lamp", "homekit", "verified", "reachable", "OnOff off, LevelControl 60 %"],
    ]
    _, out, _ = await run("devices", "show", "pump")
    assert "Thermostat.OccupiedHeatingSetpoint\tfrom 5 to 35 °C\t-\t21 °C at" in out
    assert "Thermostat.SystemMode\toff, heat, cool" in out
    assert "TemperatureMeasurement.MeasuredValue\t(only read)" in out
    assert [each["id"] for each in json.loads((await run("devices", "list", "--json"))[1])] == ["pump", "lamp"]
    assert json.loads((await run("devices", "show", "lamp", "--json"))[1])["id"] == "lamp"


async def test_a_device_cannot_write_to_the_terminal(run: Run, api_house: House) -> None:
    api_house.set_device("lamp", name="\x1b[2Jlamp\r[red]\tx")
    out = (await run("devices", "list"))[1]
    assert "�[2Jlamp�[red]�x" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("lamp", "OnOff", "on"), ("lamp", "OnOff.OnOff", True)),
        (("lamp", "onoff.onoff", "FALSE"), ("lamp", "OnOff.OnOff", False)),
        (("lamp", "LevelControl", "40"), ("lamp", "LevelControl.CurrentLevel", 40)),
        (("pump", "Thermostat.OccupiedHeatingSetpoint", "21,5"), ("pump", "Thermostat.OccupiedHeatingSetpoint", 21.5)),
        (("pump", "Thermostat.SystemMode", "Heat"), ("pump", "Thermostat.SystemMode", "heat")),
        (("pump", "TemperatureMeasurement", "--", "-3"), ("pump", "TemperatureMeasurement.MeasuredValue", -3)),
    ],
)
async def test_a_value_is_read_as_its_capability_asks(
    run: Run, api_house: House, arguments: tuple[str, ...], sent: tuple[Any, ...]
) -> None:
    assert await run("devices", "send", *arguments) == (0, f"{sent[0]} {sent[1]}: done\n", "")
    assert api_house.asked == [("command", *sent, "local-owner")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope", "OnOff", "on"), "there is no device nope (see `portvakt devices list`)"),
        (("lamp", "Thermostat", "on"), "has no capability Thermostat (it has: OnOff.OnOff, "),
        (("pump", "Thermostat", "20"), "has no capability Thermostat"),
        (("lamp", "OnOff", "maybe"), "OnOff.OnOff takes on or off, not 'maybe'"),
        (("lamp", "LevelControl", "bright"), "takes a number in %, not 'bright'"),
    ],
)
async def test_what_cannot_be_sent_is_bad_input(
    run: Run, api_house: House, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = await run("devices", "send", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert not api_house.asked


async def test_what_was_not_done_is_exit_code_1_with_the_reason(run: Run, api_house: House) -> None:
    api_house.outcome = "failed"
    code, out, _ = await run("devices", "send", "lamp", "OnOff", "on")
    assert (code, out) == (1, "lamp OnOff.OnOff: failed, unit 1 did not answer; is it switched on?\n")
    api_house.refusal = Refused("bad_value", "1e9 is too much", hint="0 to 100")
    assert await run("devices", "send", "lamp", "LevelControl", "1e9") == (
        2,
        "",
        "portvakt: 1e9 is too much (0 to 100)\n",
    )


async def test_a_found_device_is_adopted_with_a_code_from_option_file_or_stdin(
    run: Run, api_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = api_house.state().found
    assert "AA:BB:CC:DD:EE:FF\tDesk lamp\thomekit\tL1\t192.0.2.7\tyes\t123-45-678" in (await run("devices", "scan"))[1]
    (tmp_path / "code").write_text("123-45-678\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("123-45-678\n"))
    for code in (["--code", "123-45-678"], ["--code-file", tmp_path / "code"], ["--code-file", "-"]):
        api_house.set(found=found)
        assert await run("devices", "adopt", found[0].id, *code) == (0, "adopted desk: Desk lamp\n", "")
    assert api_house.asked == [("adopt", "AA:BB:CC:DD:EE:FF", "homekit", "123-45-678", "local-owner")] * 3


async def test_an_adoption_without_code_or_of_nothing_is_bad_input(
    run: Run, api_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, _, err = await run("devices", "adopt", "AA:BB:CC:DD:EE:FF")
    assert code == 2
    assert "with a code like 123-45-678" in err
    assert (await run("devices", "adopt", "nope"))[0] == 2
    assert (await run("devices", "adopt", "AA:BB:CC:DD:EE:FF", "--code", "1", "--code-file", "x"))[0] == 2
    assert not api_house.asked
    api_house.refusal = Refused("adoption_failed", "the code is wrong", hint="look at its label")
    assert await run("devices", "adopt", "AA:BB:CC:DD:EE:FF", "--code", "1") == (
        1,
        "",
        "portvakt: the code is wrong (look at its label)\n",
    )


async def test_a_device_is_removed_only_after_a_yes(
    run: Run, api_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, _, err = await run("devices", "remove", "lamp")
    assert code == 2
    assert "say --yes" in err
    assert not api_house.asked
    assert await run("devices", "remove", "lamp", "--yes") == (0, "removed lamp\n", "")
    api_house.refusal = Refused("configured", "pump stands in the configuration", hint="remove it there")
    assert (await run("devices", "remove", "pump", "--yes"))[0] == 1


async def test_cameras_are_listed_and_the_newest_picture_is_for_its_owner_alone(
    run: Run, api_house: House, tmp_path: Path
) -> None:
    _, out, _ = await run("cameras", "list")
    assert out.splitlines()[1].startswith("door\tFront door\tworks\t3\t5 minutes\t")
    file = tmp_path / "door.jpg"
    code, _, _ = await run("cameras", "snapshot", "door", "--out", file)
    assert code == 0
    assert file.read_bytes() == api_house.jpeg
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert api_house.asked == [("picture", "s0", False, "local-owner")]
    assert (await run("cameras", "snapshot", "garage", "--out", file))[0] == 2
    api_house.set(snapshots=())
    code, _, err = await run("cameras", "snapshot", "door", "--out", file)
    assert code == 1
    assert "no recent picture" in err


async def test_inventory_says_no_when_anything_lives_past_its_limit(run: Run, api_house: House) -> None:
    code, out, _ = await run("inventory")
    assert code == 0
    assert out.splitlines()[1].startswith("snapshot\tto see who is at the door\tlegitimate interest\t7 days\t3\t")
    [row] = await api_house.inventory()

    async def overdue() -> tuple[InventoryRow, ...]:
        return (msgspec.structs.replace(row, overdue=True),)

    api_house.inventory = overdue
    code, out, _ = await run("inventory", "--json")
    assert (code, json.loads(out)[0]["overdue"]) == (1, True)


async def test_an_erasure_names_its_scope_and_waits_for_the_verified_receipt(run: Run, api_house: House) -> None:
    api_house.add_receipt("erased")
    code, out, _ = await run("erase", "--camera", "door", "--yes", "--wait", "0")
    assert code == 1
    assert "not verified within 0 s" in out
    api_house.add_receipt("verified")
    arguments = ["--camera", "door", "--camera", "hall", "--class", "snapshot", "--from", "2026-01-01T00:00+01:00"]
    code, out, _ = await run("erase", *arguments, "--yes", "--json")
    answer = json.loads(out)
    assert (code, answer["verified"]) == (0, True)
    assert [receipt["kind"] for receipt in answer["receipts"]] == ["erased", "verified"]
    _, scope, actor = api_house.asked[-1]
    assert actor == "local-owner"
    assert scope.cameras == ("door", "hall")
    assert scope.classes == (RecordClass.SNAPSHOT,)
    assert scope.start.isoformat() == "2025-12-31T23:00:00+00:00"
    assert not scope.everything


async def test_what_is_left_is_never_called_verified(run: Run, api_house: House) -> None:
    api_house.add_receipt("verified", ORDER, StoreReport(store="snapshots", found=3, erased=2, left=1, tier="C"))
    code, out, _ = await run("erase", "--everything", "--yes")
    assert code == 1
    assert "something is left" in out
    assert api_house.asked == [("erase", Scope(everything=True), "local-owner")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--yes"],
        ["--everything"],
        ["--camera", "door", "--from", "noon", "--yes"],
        ["--camera", "door", "--from", "2026-02-01", "--to", "2026-01-01", "--yes"],
        ["--camera", "door", "--from", "2026-02-01", "--to", "2026-02-01", "--yes"],
        ["--subject", "no such person æ", "--yes"],
        ["--device", "-", "--yes"],
        ["--class", "Value", "--yes"],
    ],
)
async def test_an_erasure_of_nothing_without_a_yes_or_at_no_time_is_refused(
    run: Run, api_house: House, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, out, err = await run("erase", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("portvakt: ")
    assert not api_house.asked


async def test_what_is_held_is_said_at_once_with_its_end_and_reason(run: Run, api_house: House) -> None:
    """Waiting for the second receipt would be in vain: it comes when the hold has ended."""
    due = api_house.now
    held = ExemptionView(reason="dispute", count=2, due=due)
    other = ExemptionView(reason="police_report", count=1, due=due)
    stores = [
        StoreReport(store="snapshots", found=3, erased=0, left=3, tier="B", exemptions=(held, other)),
        StoreReport(store="operation_log", found=9, erased=7, left=2, tier="B", exemptions=(held,)),
    ]
    api_house.add_receipt("erased", ORDER, *stores)
    began = time.monotonic()
    code, out, _ = await run("erase", "--camera", "door", "--yes", "--wait", "300")
    assert time.monotonic() - began < 200, "it did not wait"
    assert code == 1
    at = due.astimezone().isoformat(sep=" ", timespec="seconds")
    assert f"4 records are held until {at} (dispute)\n1 record is held until {at} (police_report)\n" in out
    assert out.splitlines()[2].split("\t")[6] == f"2 dispute, until {at}; 1 police_report, until {at}"
    assert "not verified" not in out


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("camera nope", "--camera", "nothing was found of camera nope: is the name right? `portvakt cameras list`"),
        ("device nope", "--device", "nothing was found of device nope: is the name right? `portvakt devices list`"),
        ("person nope", "--subject", "nothing was found of person nope: is the name right? `portvakt people list`"),
        ("", "--camera", "nothing in scope was found"),
    ],
)
async def test_an_erasure_that_found_nothing_says_so_last(
    run: Run, api_house: House, name: str, asked: str, said: str
) -> None:
    api_house.unknown = (name,) if name else ()
    nothing = StoreReport(store="snapshots", found=0, erased=0, left=0, tier="B")
    for kind in ("erased", "verified"):
        api_house.add_receipt(kind, ORDER, nothing)
    code, out, _ = await run("erase", asked, "nope", "--yes")
    assert (code, out.splitlines()[-1]) == (0, said)
    assert json.loads((await run("erase", asked, "nope", "--yes", "--json"))[1])["unknown"] == list(api_house.unknown)
    assert len(api_house.asked) == 2, "the order was given all the same"


async def test_the_receipts_of_an_erasure_are_found_however_many_came_after_them(run: Run, api_house: House) -> None:
    api_house.add_receipt("erased")
    api_house.add_receipt("verified")
    for number in range(20):
        api_house.add_receipt("verified", f"order-{number}")
    assert ORDER not in {receipt.order for receipt in api_house.state().receipts}
    code, out, _ = await run("erase", "--camera", "door", "--yes", "--wait", "0", "--json")
    assert code == 0
    assert [receipt["kind"] for receipt in json.loads(out)["receipts"]] == ["erased", "verified"]
    assert json.loads(out)["receipts"][1]["jws"] == api_house.audit_entries[1].jws


async def test_a_class_that_nothing_here_keeps_is_warned_of_and_no_error(run: Run, api_house: House) -> None:
    api_house.add_receipt("verified")
    arguments = ["--class", "snapshot", "--class", "presence", "--yes"]
    code, _, err = await run("erase", *arguments)
    assert (code, err) == (0, "portvakt: warning: no store here keeps presence (see `portvakt inventory`)\n")
    assert (await run("erase", "--class", "snapshot", "--yes"))[2] == ""

    async def broken() -> tuple[InventoryRow, ...]:
        raise AgentError("the medium is gone")

    api_house.inventory = broken
    assert (await run("erase", *arguments))[0] == 0  # the order does not hang on the warning


async def test_the_help_of_erase_names_what_to_give_and_the_error_the_classes(run: Run) -> None:
    _, out, _ = await run("erase", "--help")
    help_ = " ".join(out.split())
    assert "--camera ID " in help_
    assert "--class CLASS " in help_
    assert "list[" not in help_
    assert "sensor_history" not in help_
    assert "sensor_history" in (await run("erase", "--class", "gossip"))[2]


@pytest.mark.parametrize("verb", ["inventory", "receipt list", "audit show", "status"])
async def test_times_are_local_with_their_zone_for_people(
    run: Run, api_house: House, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        api_house.add_receipt("verified")
        _, out, _ = await run(*verb.split())
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+05:30", out)
        _, out, _ = await run(*verb.split(), "--json")
        assert re.search(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"', out)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_receipts_are_listed_from_the_whole_log_and_it_is_said_how_many_there_are(
    run: Run, api_house: House
) -> None:
    for number in range(25):
        api_house.add_receipt("verified", f"order-{number}")
    lines = (await run("receipt", "list"))[1].splitlines()
    assert [line.split("\t")[0] for line in lines[1:-1]] == [f"order-{number}" for number in range(24, 4, -1)]
    assert lines[-1] == "the newest 20 of 25 receipts; --newest 0 lists all"
    lines = (await run("receipt", "list", "--newest", "0"))[1].splitlines()
    assert len(lines) == 26
    assert lines[-1].split("\t")[4:] == ["3", "0", "not checked", "no"]
    listed = json.loads((await run("receipt", "list", "--newest", "21", "--json"))[1])
    assert [receipt["signature_valid"] for receipt in listed] == [True] * 20 + [None]
    assert listed[20]["stores"][0]["erased"] == 3
    assert await run("receipt", "show", "order-0") == (0, api_house.audit_entries[0].jws + "\n", "")
    assert (await run("receipt", "show", "../state"))[0] == 1


async def test_receipts_are_listed_and_printed_as_signed(run: Run, api_house: House) -> None:
    api_house.add_receipt("verified")
    [receipt] = api_house.state().receipts
    _, out, _ = await run("receipt", "list")
    assert out.splitlines()[1].split("\t")[4:] == ["3", "0", "valid", "no"]
    assert await run("receipt", "show", receipt.order) == (0, receipt.jws + "\n", "")
    assert (await run("receipt", "show", receipt.order, "--kind", "erased"))[0] == 1


async def test_doctor_examines_the_running_house(run: Run, api_house: House) -> None:
    code, out, _ = await run("doctor", "--config", "systemd/portvakt.example.toml", "--json")
    verdicts = {check["name"]: check["verdict"] for check in json.loads(out)["checks"]}
    assert verdicts["agent"] == verdicts["device lamp"] == verdicts["camera door"] == "ok"
    assert verdicts["limit of snapshot"] == verdicts["cloud link"] == "ok"
    api_house.set_device("lamp", reachable=False, reason="no route to it")
    code, out, _ = await run("doctor")
    assert code == 1
    assert "fail\tdevice lamp\tno route to it\thas it power" in out


async def test_an_agent_that_hangs_or_talks_nonsense_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()
        writer.close()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for answer, said in ((nonsense, "cannot be understood"), (hang_up, "broke off")):
        path = tmp_path / f"{answer.__name__}.sock"
        async with await asyncio.start_unix_server(answer, path):
            assert await asyncio.to_thread(carry_out, ["status", "--socket", str(path)]) == 1
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


async def test_on_a_terminal_there_are_tables_and_colours_and_questions(socket: Path, api_house: House) -> None:
    def on_a_terminal(*arguments: str, answer: bytes = b"") -> tuple[int, str]:
        parent, child = pty.openpty()
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "PORTVAKT_SOCKET": str(socket)}
        environ.pop("NO_COLOR", None)
        with subprocess.Popen(
            [sys.executable, "-m", "agent", *arguments], stdin=child, stdout=child, stderr=child, env=environ
        ) as program:
            os.close(child)
            os.write(parent, answer)
            shown = b""
            # A pty says EIO when its other end is gone.
            try:
                while data := os.read(parent, 65536):
                    shown += data
            except OSError:
                pass
            os.close(parent)
        return program.returncode, shown.decode()

    code, shown = await asyncio.to_thread(on_a_terminal, "devices", "list")
    assert code == 0
    assert "\x1b[32mreachable" in shown
    assert "\t" not in shown
    code, shown = await asyncio.to_thread(on_a_terminal, "devices", "remove", "lamp", answer=b"n\n")
    assert code == 130
    assert not api_house.asked
    code, shown = await asyncio.to_thread(on_a_terminal, "devices", "remove", "lamp", answer=b"y\n")
    assert (code, api_house.asked) == (0, [("remove", "lamp", "local-owner")])
    code, shown = await asyncio.to_thread(
        on_a_terminal, "devices", "adopt", "AA:BB:CC:DD:EE:FF", answer=b"123-45-678\n"
    )
    assert (code, api_house.asked[-1][3]) == (0, "123-45-678")
    code, shown = await asyncio.to_thread(on_a_terminal, "cameras", "snapshot", "door")
    assert code == 2
    assert "say --out FILE" in shown


async def test_a_hold_is_placed_listed_and_released(run: Any, api_house: House) -> None:
    assert await run("holds") == (0, "", "")
    code, out, _ = await run("hold", "--reason", "police_report", "--camera", "door", "--yes")
    assert code == 0
    assert re.match(rf"hold {HOLD}: what is kept of camera door, until ", out)
    (_, body, actor) = api_house.asked[-1]
    assert (body.reason, body.scope, body.until, actor) == (
        Reason.POLICE_REPORT,
        Scope(cameras=("door",)),
        None,
        "local-owner",
    )
    assert "police_report\twhat is kept of camera door\tlocal-owner" in (await run("holds"))[1]
    code, out, _ = await run("hold", "--reason", "dispute", "--everything", "--until", "2099-01-01", "--yes", "--json")
    assert (code, json.loads(out)["reason"]) == (0, "dispute")
    assert json.loads((await run("holds", "--json"))[1])[0]["id"] == HOLD
    assert (await run("release", HOLD))[:2] == (0, f"hold {HOLD} has ended\n")
    code, _, err = await run("release", HOLD)
    assert (code, "there is no such hold (see the list of holds)" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--reason", "dispute", "--yes"), "nothing is named"),
        (
            ("--reason", "police", "--camera", "door", "--yes"),
            "--reason cannot be 'police' (it is one of police_report, insurance_claim, dispute, persons_request)",
        ),
        (
            ("--reason", "dispute", "--camera", "no door", "--yes"),
            "--camera is not an id: 'no door' (an id has 1 to 64",
        ),
        (
            ("--reason", "dispute", "--from", "2026-02-01", "--to", "2026-01-01", "--yes"),
            "what is named ends before it begins (--to must be later than --from)",
        ),
        (("--reason", "dispute", "--camera", "door"), "nobody can look at it meanwhile, and there is no terminal"),
        (("--camera", "door", "--yes"), "--reason"),
        (("--reason", "dispute", "--camera", "door", "--until", "soon", "--yes"), "--until is not a time"),
        (("--reason", "dispute", "--camera", "door"), "say --yes"),
    ],
)
async def test_a_hold_that_is_not_said_right_holds_nothing(
    run: Any, api_house: House, arguments: tuple[str, ...], wrong: str
) -> None:
    code, _, err = await run("hold", *arguments)
    assert code == 2
    assert wrong in err
    assert api_house.asked == []


async def test_the_time_is_shown_and_confirmed(run: Any, api_house: House) -> None:
    assert (await run("time"))[0] == 0
    api_house.set(time=TimeView(now=api_house.now, known=False, reason="it was switched off; say what time it is"))
    code, out, _ = await run("time")
    assert (code, "not known: it was switched off" in out) == (1, True)
    assert "time: not known: it was switched off" in (await run("status"))[1]
    code, out, _ = await run("time", "--confirm", "2026-01-31T08:00+00:00", "--json")
    assert (code, json.loads(out)["known"]) == (0, True)
    assert (await run("time", "--confirm", "now"))[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("tag", "s0", "--subject", "no such person æ"),
        ("claim", "--camera", "door", "--subject", "æ", "--from", "2026-01-01", "--to", "2026-01-02"),
        ("claim", "--camera", "../door", "--subject", "kari", "--from", "2026-01-01", "--to", "2026-01-02"),
    ],
)
async def test_what_is_no_id_is_said_in_plain_words(run: Run, api_house: House, arguments: tuple[str, ...]) -> None:
    code, out, err = await run("cameras", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is not an id" in err
    assert "the first of them a letter or a digit" in err
    assert api_house.asked == []


@pytest.mark.parametrize("verb", [("receipt", "show"), ("audit", "prove")])
async def test_a_kind_of_receipt_that_there_is_not_is_bad_usage(run: Run, verb: tuple[str, ...]) -> None:
    code, out, err = await run(*verb, ORDER, "--kind", "foo")
    assert (code, out) == (2, "")
    assert err == "portvakt: --kind cannot be 'foo' (it is one of erased, verified)\n"


async def test_what_is_not_there_is_the_answer_no(run: Run, api_house: House) -> None:
    assert (await run("receipt", "show", ORDER))[0] == (await run("release", HOLD))[0] == 1
