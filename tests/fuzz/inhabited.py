"""A real agent, and somebody of each role who has signed in there; also a program, and one who has left."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.scenarios.programs import PATIENCE, Agent, until

PASSWORD: Final = "korrekt hest batteri stift"
PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "owner": {"role": "owner", "lives_here": True},
    "resident": {"role": "resident", "lives_here": True},
    "minor": {"role": "resident", "lives_here": True, "minor": True},
    "guest": {"role": "guest", "lives_here": False},
    "installer": {"role": "installer", "lives_here": False},
    "support": {"role": "support", "lives_here": False},
    "responder": {"role": "responder", "lives_here": False},
    "wearer": {"role": "wearer", "lives_here": True},
    "left": {"role": "guest", "lives_here": False},
}
NOBODY, PROGRAM = "nobody", "program"
EVERYBODY: Final = (*PEOPLE, PROGRAM, NOBODY)
_CONFIG: Final = """
version = 1

[gateway]
id = "gw-1"
state_dir = "state"

[api]
port = 0
socket = "api.sock"

[discovery]
interfaces = []

[[camera]]
id = "front"
name = "Front door"
url = "http://127.0.0.1:9/snapshot.jpg"
"""


class Answer(NamedTuple):
    """What came."""

    status: int
    said: bytes
    headers: dict[str, str]
    cookies: tuple[str, ...]

    @property
    def code(self) -> str:
        """Of a refusal; empty: it is none."""
        return "" if self.status < 400 else str(json.loads(self.said)["code"])


class Inhabited:
    """The agent, and everybody's credentials."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self.agent = agent
        self._socket = folder / "api.sock"
        self.address = agent.page.address
        self._ids: dict[str, str] = {}

    def credentials(self, who: str) -> dict[str, str]:
        """The headers of a fresh session of somebody, or of a fresh token; whoever was erased is there anew."""
        self.person("owner")  # without whom nobody else can be there
        if who == NOBODY:
            return {}
        if who == PROGRAM:
            return {"Authorization": f"Bearer {self._token()}"}
        return {"Cookie": until(lambda: self._session(who), f"a session of {who}")}

    def person(self, who: str) -> str:
        """Their id; another, where what was asked has made something else of them."""
        known = next((each for each in self.people() if each["id"] == self._ids.get(who)), None)
        as_they_were = {"minor": False, **PEOPLE[who]}
        if (
            known is None
            or (known["until"] is not None) != (who == "left")
            or any(known[field] != value for field, value in as_they_were.items())
        ):
            self._ids[who] = self.locally("POST", "/api/people", {"name": f"Kari {who.title()}", **PEOPLE[who]})["id"]
            if who == "left":
                self.locally("DELETE", f"/api/people/{self._ids[who]}")
        return self._ids[who]

    def people(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.locally("GET", "/api/people")
        return found

    def locally(self, method: str, path: str, body: Any = None) -> Any:
        """Ask over the command line's socket, as the hand at the box."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection.sock:
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(str(self._socket))
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            assert response.status < 300, (method, path, answer)
            return json.loads(answer or b"null")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask over TCP, as the page does; bytes are sent as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.page.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            sent = {"Origin": self.address, "Content-Type": "application/json", **headers}
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            cookies = response.headers.get_all("Set-Cookie") or ()
            return Answer(response.status, response.read(), dict(response.headers), tuple(cookies))

    def _session(self, who: str) -> str:
        """Theirs who has a password and has just recovered: such a one is held to be there."""
        cookies = self._let_in(who)
        ways = self.ask("GET", "/api/ways", Cookie=cookies)
        if ways.status == 200 and json.loads(ways.said)["password"]:
            return cookies
        body = {"login": self.person(who), "new": PASSWORD}
        chosen = self.ask("PUT", "/api/ways/password", body, Cookie=cookies)
        return self._let_in(who) if chosen.status == 200 else ""

    def _let_in(self, who: str) -> str:
        """The cookies that a link gives; empty: there is an order to erase them, by now."""
        link = self.locally("POST", f"/api/people/{self.person(who)}/link", {})
        signed_in = self.ask("POST", "/api/sign-in/code", {"code": link["code"]})
        return "; ".join(value.partition(";")[0] for value in signed_in.cookies)

    def _token(self) -> str:
        body = {
            "name": "thermostat",
            "groups": ["devices", "cameras", "running"],
            "reach": {"home": True},
            "end": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            "person": self.person("owner"),
        }
        return str(self.locally("POST", "/api/tokens", body)["secret"])


@contextlib.contextmanager
def inhabited(folder: Path) -> Iterator[Inhabited]:
    """The house in `folder`, with its owner, from a start to an end."""
    (folder / "portvakt.toml").write_text(_CONFIG)
    with Agent(folder / "portvakt.toml") as agent:
        house = Inhabited(agent, folder)
        now = datetime.now(UTC).isoformat()
        house.locally("POST", "/api/time", {"at": now})  # or what an erasure reaches could not be told from what is new
        house.person("owner")
        yield house
        assert not agent.lines_with("a bug"), agent.said
