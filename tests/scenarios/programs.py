"""The real programs of a house, each a process of its own, started for a test and ended with it."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds that anything may take here before it counts as never."""
PORTVAKT = Path(sys.prefix) / "bin" / "portvakt"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "mosquitto"


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Wait for something true and return it; `what` it is stands in the failure."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return found


def children(pid: int) -> dict[int, str]:
    """The processes that `pid` started, and those that these started, with their command lines."""
    found: dict[int, str] = {}
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found |= {child: command, **children(child)}
    return found


def alive(pid: int) -> bool:
    """Whether `pid` still does anything; a zombie that waits for its parent does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class Program:
    """A process, and the lines that it writes."""

    def __init__(self, *command: str | Path) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "COLUMNS": "250"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """All that it has written."""
        return "\n".join(self.lines)

    def says(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait for output that matches."""
        return until(lambda: re.search(pattern, self.said), f"{pattern!r} in:\n{self.said}", seconds)

    def lines_with(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(number)

    def ended(self, seconds: float = PATIENCE) -> int:
        """Its exit code, once it has ended and all it said is here."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End it, and return how many seconds that took."""
        began = time.monotonic()
        if self._process.poll() is None:
            self.kill(number)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self.ended()
        return time.monotonic() - began


class Broker(Program):
    """mosquitto on loopback."""

    def __init__(self, folder: Path, port: int, *access: str) -> None:
        self.port = port
        folder.mkdir(exist_ok=True)
        lines = [f"listener {port} 127.0.0.1", "set_tcp_nodelay true", *(access or ("allow_anonymous true",))]
        if os.geteuid() == 0:
            lines.append("user root")  # or it could not read the files here
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        super().__init__(MOSQUITTO, "-c", folder / "mosquitto.conf")
        until(self._listens, "mosquitto")

    def _listens(self) -> bool:
        assert self._process.poll() is None, f"mosquitto ended: {self.said}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.1):
            return True
        return False


class HeatPump(Program):
    """The simulated heat pump at the serial port `link`."""

    def __init__(self, link: Path) -> None:
        super().__init__(sys.executable, "-m", "drivers.simulated.heat_pump", "--port", link)
        until(link.exists, "the heat pump's serial port")


class Page:
    """The page's API over TCP, asked as a browser asks: with the page's own origin, signed in as the owner.

    `socket` is that of the command line, by which the house gets its owner and the owner a way in.
    """

    def __init__(self, address: str, socket: Path) -> None:
        self.address = address
        self.port = int(address.rpartition(":")[2])
        self._socket = socket
        self.cookie = ""

    def there(self) -> bool:
        """Whether anybody listens."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def get(self, path: str) -> tuple[int, bytes]:
        return self._ask("GET", path)

    def post(self, path: str, body: object) -> Any:
        return json.loads(self._ask("POST", path, json.dumps(body).encode())[1])

    def state(self) -> Any:
        return json.loads(self.get("/api/state")[1])

    def see(self, wanted: Callable[[Any], T | None], what: str, seconds: float = PATIENCE) -> T:
        """Wait until something in the state is as wanted, while the page may be away; return it."""
        state: Any = None

        def look() -> T | None:
            nonlocal state
            try:
                state = self.state()
            except (OSError, http.client.HTTPException, ValueError):
                return None
            return wanted(state)

        try:
            return until(look, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen:\n{json.dumps(state, indent=1)[:8000]}") from None

    def command(self, device: str, capability: str, value: object) -> Any:
        return self.post(f"/api/devices/{device}/commands", {"capability": capability, "value": value})

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        if not self.cookie:
            self.sign_in()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Origin": self.address, "Content-Type": "application/json", "Cookie": self.cookie}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()

    def sign_in(self) -> None:
        """By a link, as somebody at the box makes one; the owner is added if there is none."""
        people = self._locally("GET", "/api/people")
        owner = {"role": "owner", "name": "Eier", "lives_here": True}
        person = people[0] if people else self._locally("POST", "/api/people", owner)
        link = self._locally("POST", f"/api/people/{person['id']}/link", {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            headers = {"Origin": self.address, "Content-Type": "application/json"}
            connection.request("POST", "/api/sign-in/code", json.dumps({"code": link["code"], "stay": True}), headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            given = [value.partition(";")[0] for name, value in response.getheaders() if name == "Set-Cookie"]
            self.cookie = "; ".join(given)

    def _locally(self, method: str, path: str, body: object = None) -> Any:
        """Ask over the command line's socket."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection.sock:
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(str(self._socket))
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            assert response.status in {200, 201}, answer
            return json.loads(answer)


class Agent(Program):
    """`portvakt run`, and its page."""

    def __init__(self, config: Path) -> None:
        super().__init__(PORTVAKT, "run", "--config", config)
        socket = config.parent / tomllib.loads(config.read_text())["api"]["socket"]
        self.page = Page(self.says(r"ready: (http://\S+)")[1], socket)

    @property
    def problems(self) -> list[str]:
        """What it logged that is not in order."""
        return [line for line in self.lines if not line.startswith(("INFO ", "DEBUG "))]


def refused(config: Path) -> tuple[int, list[str]]:
    """Start an agent that cannot be started; its exit code and all that it said."""
    with Program(PORTVAKT, "run", "--config", config) as program:
        return program.ended(), program.lines


def device(state: Any, id_: str) -> Any:
    return next((one for one in state["devices"] if one["id"] == id_), None)


def camera(state: Any, id_: str) -> Any:
    return next((one for one in state["cameras"] if one["id"] == id_), None)


def reported(state: Any, id_: str, capability: str) -> Any:
    """The value that a device reported last."""
    views = device(state, id_)["capabilities"]
    return next((v["reported"]["value"] for v in views if v["name"] == capability and v.get("reported")), None)


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes no connection and refuses none: what tries to connect hangs."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):  # fills its queue; what comes then is left unanswered
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])
