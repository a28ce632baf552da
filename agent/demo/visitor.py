"""A visitor to the demo's house: sees and does what the page does, over the same API, through the Unix socket."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from agent.demo.layout import Layout
from agent.errors import NotRunning

TRY_AGAIN_SECONDS = 0.05


class Visitor:
    """Holds one client session."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def __aenter__(self) -> Self:
        # The page's own address: what answers here answers in a browser.
        self._session = aiohttp.ClientSession(
            base_url=f"http://127.0.0.1:{self._layout.page_port}",
            headers={"Origin": f"http://127.0.0.1:{self._layout.page_port}"},
            timeout=aiohttp.ClientTimeout(total=20),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def wait_until_ready(self, seconds: float) -> None:
        """Until the page answers, every device but the lamp is reached, the camera delivers and the link stands.

        Raises:
            NotRunning: it took longer; what is missing is named.
        """
        missing = "the agent"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        missing = _missing(await self.state())
                    except (aiohttp.ClientError, TimeoutError):
                        missing = "the agent"
                    if not missing:
                        return
                    await asyncio.sleep(TRY_AGAIN_SECONDS)
        except TimeoutError as error:
            raise NotRunning(
                f"the house is not ready after {seconds:.0f} s: {missing} is missing",
                hint=f"its logs are in {self._layout.root}/logs while it runs",
            ) from error

    async def state(self) -> dict[str, Any]:
        """The whole state."""
        async with self._session.get("/api/state") as response:
            response.raise_for_status()
            value: dict[str, Any] = msgspec.json.decode(await response.read())
            return value

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """Ask for something; what comes back is its answer, or a problem with a `code`."""
        headers = {"Content-Type": "application/json"}
        async with self._session.post(path, data=msgspec.json.encode(body), headers=headers) as response:
            value: dict[str, Any] = msgspec.json.decode(await response.read())
            return value

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        async with self._session.get(path) as response:
            return response.status, await response.read()

    async def see(self, wanted: Callable[[dict[str, Any]], bool], seconds: float) -> bool:
        """Follow the house over the WebSocket until `wanted` is true of its state; False after `seconds`."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds), self._session.ws_connect("/api/ws") as feed:
                async for message in feed:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    said = msgspec.json.decode(message.data)
                    if said["type"] == "state":
                        state = said["state"]
                    elif said["type"] == "change":
                        state[said["section"]] = said["value"]
                    if wanted(state):
                        return True
        except (TimeoutError, aiohttp.ClientError):
            pass
        return False


def _missing(state: dict[str, Any]) -> str:
    if not state["link"]["connected"]:
        return "the broker"
    for device in state["devices"]:
        if not device["reachable"]:
            return str(device["name"])
    for camera in state["cameras"]:
        if not camera["pictures"]:
            return str(camera["name"])
    return ""
