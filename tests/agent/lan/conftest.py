"""A gateway on the LAN, which here is loopback."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.config.model import Lan as LanConfig
from agent.lan.lan import Lan, open_authority
from privacy.authority import Authority
from privacy.moment import Moment
from privacy.seal import Keys
from privacy.store import Disk


class Known:
    """Time that is known, and moved by hand."""

    known = True

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def moment(self) -> Moment:
        raise AssertionError("asked for where time is not known")


@pytest.fixture
def time() -> Known:
    return Known()


@pytest.fixture
def disk() -> Iterator[Disk]:
    one = Disk()
    yield one
    one.close()


@pytest.fixture
def authority(tmp_path: Path, time: Known) -> Authority:
    return open_authority(tmp_path, Keys(bytes(32)), time)


@pytest.fixture
async def lan(authority: Authority, disk: Disk) -> AsyncIterator[Lan]:
    one = Lan(LanConfig(port=0, addresses=("127.0.0.1",)), authority, disk, os.urandom)
    yield one
    one.close()
