"""Pictures and a session for the tests of this folder."""

import io
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from PIL import Image

from camera.http_snapshot import open_session


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """Size and colour in, a JPEG out; further arguments are Pillow's."""

    def make(size: tuple[int, int] = (640, 480), colour: str = "white", **save: object) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", size, colour).save(out, "JPEG", **save)
        return out.getvalue()

    return make


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened
