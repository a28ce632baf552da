"""What somebody sends stands in no log."""

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import pytest

from agent.api.discretion import WITHHOLDING
from agent.api.server import serve
from privacy.clock import SystemClock
from tests.agent.open_door import open_door

House = Any


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Name: Kari\x00Nordmann\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nKari Nordmann\r\n\r\n",
        b"\x16\x03\x01 Kari Nordmann\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: Kari\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_not_quoted(
    api_house: House, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    caplog.set_level(logging.INFO)
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert b" 400 " in answer
    assert not caplog.records


def test_an_error_of_ours_is_told_by_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    try:
        raise ValueError("Kari")  # noqa: TRY301 - as one that nobody expects
    except ValueError:
        WITHHOLDING.exception("Error handling request from %s", "192.0.2.7")
    WITHHOLDING.info("of nobody")
    assert [record.getMessage() for record in caplog.records] == [
        "a request could not be answered: ValueError",
        "of nobody",
    ]
    assert "Kari" not in caplog.text
