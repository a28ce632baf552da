"""The house in which people consent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from privacy.store import Disk
from tests.agent.consent.consent_house import ConsentHouse


@pytest.fixture
async def house(tmp_path: Path, ground: Any, disk: Disk, clock: Any) -> AsyncIterator[ConsentHouse]:
    made = ConsentHouse(tmp_path, ground, disk, clock)
    yield made
    await disk.run(made.vault.close)
