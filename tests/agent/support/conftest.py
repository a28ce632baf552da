"""A house that lets support in."""

from pathlib import Path

import pytest

from privacy.store import Disk
from tests.agent.support.support_house import SupportHouse


@pytest.fixture
async def house(tmp_path: Path, disk: Disk) -> SupportHouse:
    return await SupportHouse(tmp_path, disk).move_in()
