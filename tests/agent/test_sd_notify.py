"""What systemd would receive, on a socket of the kind that it gives."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import sd_notify
from agent.supervisor import Service, Supervisor

PID = 4711


@contextlib.contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(20)
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        yield listener


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@portvakt-test-{uuid.uuid4().hex}"


def test_says_ready_status_stopping_in_this_order(address: str) -> None:
    with listening(address) as listener:
        environ = {"NOTIFY_SOCKET": address}
        sd_notify.ready("the page is up", environ)
        sd_notify.status("2 devices, 1 camera", environ)
        sd_notify.stopping(environ)
        said = [listener.recv(4096) for _ in range(3)]
    assert said == [b"READY=1\nSTATUS=the page is up", b"STATUS=2 devices, 1 camera", b"STOPPING=1"]


def test_a_status_cannot_smuggle_in_another_message(address: str) -> None:
    with listening(address) as listener:
        sd_notify.status("fine\nMAINPID=1\n" + "x" * 1000, {"NOTIFY_SOCKET": address})
        said = listener.recv(4096).decode()
    assert said.startswith("STATUS=fine MAINPID=1 xx")
    assert "\n" not in said
    assert len(said) < 300


async def test_the_watchdog_pings_as_a_supervised_service(address: str) -> None:
    with listening(address) as listener:
        listener.setblocking(False)
        environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000", "WATCHDOG_PID": str(PID)}
        seconds = sd_notify.watchdog_seconds(environ, PID)
        assert seconds == pytest.approx(0.06)
        supervisor, stop = Supervisor(), asyncio.Event()
        supervisor.start(Service("watchdog", lambda: sd_notify.keep_watchdog(seconds or 1, environ)))
        running = asyncio.create_task(supervisor.run_until(stop))
        async with asyncio.timeout(20):
            pings = [await asyncio.get_running_loop().sock_recv(listener, 4096) for _ in range(4)]
            stop.set()
            await running
    assert pings == [b"WATCHDOG=1"] * 4


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(PID + 1)},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "1000"},
    ],
)
def test_no_pings_where_systemd_asks_us_for_none(environ: dict[str, str]) -> None:
    assert sd_notify.watchdog_seconds(environ, PID) is None


def test_without_a_socket_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    sd_notify.ready("x", {})
    sd_notify.status("x", {})
    sd_notify.stopping({})


def test_a_socket_of_another_kind_is_named_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    sd_notify.ready("", {"NOTIFY_SOCKET": "vsock:2:1234"})
    assert "NOTIFY_SOCKET" in caplog.text


def test_a_listener_that_is_gone_is_a_line_in_the_log_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sd_notify.ready("", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert caplog.messages == ["systemd could not be told READY: No such file or directory"]


async def test_a_queue_that_is_full_loses_pings_and_holds_nobody_up(address: str) -> None:
    with listening(address):
        environ = {"NOTIFY_SOCKET": address}
        async with asyncio.timeout(20):
            # Far more than a socket's queue takes: each of them waiting would be a minute and more.
            for _ in range(1000):
                sd_notify.status("x" * 200, environ)
                await asyncio.sleep(0)


def test_a_process_of_its_own_reports_as_a_service_manager_sees_it(tmp_path: Path) -> None:
    program = (
        "import asyncio\nfrom agent import sd_notify\n"
        "async def main():\n"
        "    sd_notify.ready()\n"
        "    async with asyncio.timeout(0.5): await sd_notify.keep_watchdog(sd_notify.watchdog_seconds())\n"
        "try: asyncio.run(main())\n"
        "except TimeoutError: sd_notify.stopping()\n"
    )
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        environ = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "150000"}
        with subprocess.Popen([sys.executable, "-c", program], env=environ) as child:
            said: list[bytes] = []
            senders: set[int] = set()
            while not said or said[-1] != b"STOPPING=1":
                message, ancillary, _, _ = listener.recvmsg(4096, 256)
                said.append(message)
                # struct ucred: pid, uid, gid. NotifyAccess=main compares the first.
                senders.add(int.from_bytes(ancillary[0][2][:4], sys.byteorder))
        assert child.returncode == 0
    assert said[0] == b"READY=1"
    assert said.count(b"WATCHDOG=1") >= 2
    assert senders == {child.pid}
