"""When the house stands. Asks with nothing but a socket: an HTTP library would be loaded while every program starts."""

import asyncio
from typing import Any

import msgspec

from agent.demo.layout import Layout
from agent.errors import NotRunning

TRY_AGAIN_SECONDS = 0.05


async def wait_until_ready(layout: Layout, seconds: float) -> None:
    """Until the page answers, every device but the lamp is reached, the camera delivers and the link stands.

    Raises:
        NotRunning: it took longer; what is missing is named.
    """
    missing = "the agent"
    try:
        async with asyncio.timeout(seconds):
            while True:
                missing = await _missing(layout)
                if not missing:
                    return
                await asyncio.sleep(TRY_AGAIN_SECONDS)
    except TimeoutError as error:
        raise NotRunning(
            f"the house is not ready after {seconds:.0f} s: {missing} is missing",
            hint=f"its logs are in {layout.root}/logs while it runs",
        ) from error


async def _missing(layout: Layout) -> str:
    try:
        state = await _state(layout)
    except (OSError, msgspec.DecodeError):
        return "the agent"
    if not state["link"]["connected"]:
        return "the broker"
    for device in state["devices"]:
        if not device["reachable"]:
            return str(device["name"])
    for camera in state["cameras"]:
        if not camera["pictures"]:
            return str(camera["name"])
    return ""


async def _state(layout: Layout) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(layout.socket)
    try:
        # HTTP/1.0: no chunks, and the answer ends with the connection.
        writer.write(b"GET /api/state HTTP/1.0\r\nHost: localhost\r\n\r\n")
        _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    state: dict[str, Any] = msgspec.json.decode(body)
    return state
