"""A gateway at work, and its registers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.config.model import Cloud, Controller
from privacy.signing import SigningKey
from tests.agent.processing.working_house import WorkingHouse, working

KARI = Controller(name="Kari Nordmann", contact="kari@example.org")


@pytest.fixture
async def house(tmp_path: Path, clock: Any) -> AsyncIterator[WorkingHouse]:
    async with working(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def cloud_house(tmp_path: Path, clock: Any) -> AsyncIterator[WorkingHouse]:
    """With a controller, and a broker that nobody connects to."""
    keys = tmp_path / "orders.json"
    key = {**SigningKey.generate().public_jwk(), "issuer": "backend"}
    keys.write_bytes(msgspec.json.encode({"keys": [key]}))
    cloud = Cloud(host="broker.example.net", order_keys_file=keys)
    async with working(tmp_path, clock, controller=KARI, cloud=cloud) as made:
        yield made
