"""A front door for each test that wants one."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.signin.front_door import Browser, FrontDoor, browsing


@pytest.fixture
async def door(tmp_path: Path, clock: Any) -> AsyncIterator[FrontDoor]:
    made = FrontDoor(tmp_path, clock)
    await made.start()
    yield made
    made.close()


@pytest.fixture
async def browser(door: FrontDoor) -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers that come to it over plain HTTP."""
    async with door.served() as url, browsing(url) as make:
        yield make
