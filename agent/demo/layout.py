"""The demo's folder: ports, secrets and the agent's configuration. All of it is gone when the demo ends."""

import getpass
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from agent.errors import ConfigInvalid

LAMP_CODE = "031-45-154"
"""Printed on the terminal, as it would be printed on a real lamp."""
GATEWAY = "gw-demo"
PAGE_PORT = 8480

_CONFIG = Template("""\
# Made by `portvakt demo`.
version = 1

[gateway]
id = "$gateway"
state_dir = "state"

[api]
port = $page_port
socket = "api.sock"

[discovery]
interfaces = ["127.0.0.1"]

[cloud]
host = "127.0.0.1"
port = $broker_port
order_keys_file = "backend/order_keys.json"

[household]
registry_file = "household.json"

[[serial]]
port = "heat-pump.tty"

[[serial.unit]]
address = 1
id = "heat-pump"
name = "Heat pump"
map = "demo_heat_pump"

[[camera]]
id = "front-door"
name = "Front door"
url = "http://127.0.0.1:$camera_port/snapshot.jpg"
username = "portvakt"
password_file = "camera-password"
interval_seconds = $interval
keep_seconds = $keep
""")

# What the household's own registry would know; the log flow shows that none of it leaves.
_REGISTRY = """{
  "people": [{"first": "Kari", "last": "Nordmann", "email": "kari@example.com", "phone": "+47 900 00 000"}],
  "addresses": ["Storgata 1, 0155 Oslo"]
}
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is."""

    root: Path
    page_port: int
    broker_port: int
    camera_port: int
    lamp_port: int
    camera_password: str

    @property
    def config(self) -> Path:
        return self.root / "portvakt.toml"

    @property
    def socket(self) -> Path:
        return self.root / "api.sock"

    @property
    def registry(self) -> Path:
        return self.root / "household.json"

    @property
    def backend(self) -> Path:
        return self.root / "backend"


@contextmanager
def lay_out(root: Path, *, page_port: int | None, interval: float, keep: float) -> Iterator[Layout]:
    """Write the files, and choose ports, which nobody else is given while this is entered.

    Args:
        root: an empty folder that only this user can enter.
        page_port: where the page shall be; None takes 8480, or any free port where that is taken, and 0 a free one.
        interval: seconds between two pictures.
        keep: seconds that a picture lives: shortened, so that one can watch it go.

    Raises:
        ConfigInvalid: `page_port` is in use.
    """
    with _page_port(page_port) as page, kept_port() as broker, kept_port() as camera, kept_port() as lamp:
        layout = Layout(
            root=root,
            page_port=page,
            broker_port=broker,
            camera_port=camera,
            lamp_port=lamp,
            camera_password=secrets.token_urlsafe(12),
        )
        _write_files(layout, interval, keep)
        yield layout


def _write_files(layout: Layout, interval: float, keep: float) -> None:
    _write(
        layout.config,
        _CONFIG.substitute(
            gateway=GATEWAY,
            page_port=layout.page_port,
            broker_port=layout.broker_port,
            camera_port=layout.camera_port,
            interval=interval,
            keep=keep,
        ),
    )
    _write(layout.registry, _REGISTRY)
    _write(layout.root / "camera-password", layout.camera_password + "\n")
    _write(
        layout.root / "mosquitto.conf",
        f"listener {layout.broker_port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence true\n"
        # Started by root it would become another user, who cannot write here, and whom the kernel does not end with us.
        f"persistence_location {layout.root}/broker/\nlog_dest stderr\nlog_type error\nuser {getpass.getuser()}\n",
    )
    for name in ("broker", "lamp", "logs"):
        (layout.root / name).mkdir(mode=0o700)


@contextmanager
def kept_port(wanted: int = 0) -> Iterator[int]:
    """The TCP port `wanted` on loopback, or any that is free, for a program that is told of it.

    It is bound and nobody listens: a connection to it is refused, and the kernel gives it to nobody who asks for any
    port. A program that sets SO_REUSEADDR, as servers do, can listen on it, and again when it was killed.

    Raises:
        OSError: `wanted` is in use, or not for us.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", wanted))
        port: int = kept.getsockname()[1]
        yield port


@contextmanager
def usual_page_port() -> Iterator[int | None]:
    """What `lay_out` shall take where nobody asked for a port: None, and 0 while another demo has the usual one.

    A demo that starts beside us does not listen there yet, so the port itself does not tell.
    """
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0portvakt-demo-{PAGE_PORT}")  # abstract: ends with us, and reaches as far as a port does
        except OSError:
            yield 0
        else:
            yield None


@contextmanager
def _page_port(wanted: int | None) -> Iterator[int]:
    with ExitStack() as kept:
        try:
            port = kept.enter_context(kept_port(PAGE_PORT if wanted is None else wanted))
        except OSError as error:
            if wanted is not None:
                raise ConfigInvalid(f"port {wanted} on 127.0.0.1: {error.strerror}", hint="choose another") from error
            port = kept.enter_context(kept_port())
        yield port


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
