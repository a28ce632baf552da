"""A broker, and at its two ends a gateway and the cloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.mosquitto.broker import Broker, mosquitto
from tests.peers.mosquitto.cloud import Cloud
from tests.peers.mosquitto.gateway import GATEWAY, House


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def cloud(tmp_path: Path, broker: Broker) -> Cloud:
    return Cloud(tmp_path / "cloud", broker.settings("backend"))


@pytest.fixture
def house(tmp_path: Path, broker: Broker, cloud: Cloud) -> House:
    return House(tmp_path / "house", cloud.issuers, broker.settings(GATEWAY))
