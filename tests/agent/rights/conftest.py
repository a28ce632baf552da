"""The household of six."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agent.rights.six import Six


@pytest.fixture
async def six(tmp_path: Path) -> AsyncIterator[Six]:
    home = Six(tmp_path)
    yield await home.move_in()
    home.disk.close()
