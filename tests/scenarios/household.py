"""A household: what it would not want to read in a log, a configuration with all of it, and the house itself."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.scenarios.cloud import GATEWAY, Cloud
from tests.scenarios.programs import Agent

PASSWORD = "Sommer-2019&hemmelig"
REGISTRY = {
    "people": [{"first": "Kari", "last": "Nordmann", "email": "kari@nordmann.example", "phone": "+47 900 12 345"}],
    "addresses": ["Storgata 17, 0155 Oslo"],
    "ssids": ["Hytta5G"],
    "pins": ["4711-0815"],
}
SECRETS = [
    PASSWORD,
    quote(PASSWORD, safe=""),
    base64.b64encode(f"kari:{PASSWORD}".encode()).decode(),
    "kari:",  # the login of an address
    "Nordmann",
    "kari@nordmann.example",
    "900 12 345",
    "Storgata 17",
    "Hytta5G",
    "4711-0815",
]


@dataclass(frozen=True)
class House:
    """An agent, in its folder, and the cloud that it is linked to."""

    folder: Path
    agent: Agent
    cloud: Cloud


def told(text: str) -> list[str]:
    """The secrets that stand in `text`."""
    return [secret for secret in SECRETS if secret.lower() in text.lower()]


def config(folder: Path, *sections: str, port: int = 0, broker_port: int | None = None) -> Path:
    """Write `folder`/portvakt.toml with `sections` added, and the files it names."""
    for name, text in (("household.json", json.dumps(REGISTRY)), ("camera-password", PASSWORD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    cloud = f"""
        [cloud]
        host = "127.0.0.1"
        port = {broker_port}
        order_keys_file = "backend/order_keys.json"
    """
    file = folder / "portvakt.toml"
    file.write_text(
        f"""
        version = 1
        [gateway]
        id = "{GATEWAY}"
        state_dir = "state"
        [api]
        port = {port}
        socket = "api.sock"
        [discovery]
        interfaces = []
        [household]
        registry_file = "household.json"
        {cloud if broker_port else ""}
        """
        + "".join(sections)
    )
    return file


def serial(port: Path, id_: str) -> str:
    """A serial port with a heat pump on it."""
    return f"""
        [[serial]]
        port = "{port}"
        [[serial.unit]]
        address = 1
        id = "{id_}"
        name = "{id_.title()}"
        map = "demo_heat_pump"
    """


def camera(url: str, id_: str, *, interval: float = 0.5) -> str:
    """A camera with the household's password."""
    return f"""
        [[camera]]
        id = "{id_}"
        name = "{id_.title()}"
        url = "{url}"
        username = "kari"
        password_file = "camera-password"
        interval_seconds = {interval}
    """
