"""A visitor to the demo's house: signs in, sees and does what the page does, over the same API."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from agent.demo.layout import Layout
from agent.demo.readiness import wait_until_ready
from agent.demo.way_in import way_in
from agent.errors import NotRunning


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
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # the page has no name but its address
        )
        return self

    async def sign_in(self) -> dict[str, str]:
        """Go in as the owner of the house, as whoever opens the link that the demo prints; returns the cookies.

        Raises:
            NotRunning: the agent does not answer, or does not let us in.
        """
        answer = await self.post("/api/sign-in/code", {"code": (await way_in(self._layout)).code})
        if not answer.get("person"):
            raise NotRunning(f"the agent let nobody in: {answer.get('detail')}")
        return {cookie.key: cookie.value for cookie in self._session.cookie_jar}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def wait_until_ready(self, seconds: float) -> None:
        """As `agent.demo.readiness.wait_until_ready`; then we are signed in."""
        await wait_until_ready(self._layout, seconds)
        await self.sign_in()

    async def state(self) -> dict[str, Any]:
        """The whole state."""
        value: dict[str, Any] = msgspec.json.decode((await self.get("/api/state"))[1])
        return value

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """Ask for something; what comes back is its answer, or a problem with a `code`."""
        value: dict[str, Any] = msgspec.json.decode((await self._request("POST", path, msgspec.json.encode(body)))[1])
        return value

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        return await self._request("GET", path, None)

    async def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._session.request(method, path, data=body, headers=headers) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotRunning(
                f"the agent stopped answering: {error}", hint=f"look into {self._layout.root}/logs while the demo runs"
            ) from error

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
