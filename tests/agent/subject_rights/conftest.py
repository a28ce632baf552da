"""A house with real parts, whose people ask for what is kept of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.subject_rights.subject_house import SubjectHouse, lived_in


@pytest.fixture
async def house(tmp_path: Path, clock: Any) -> AsyncIterator[SubjectHouse]:
    async with lived_in(tmp_path, clock) as made:
        yield made
