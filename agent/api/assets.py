"""The page's own files, read once at start: what is not in this table cannot be asked for, whatever the path says."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import hdrs, web

from agent.errors import Refused

_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    content_type: str
    etag: str


class Assets:
    """The files below `agent/api/web`."""

    def __init__(self) -> None:
        self._files: dict[str, _Asset] = {}
        self._read(resources.files("agent.api") / "web", "")

    def _read(self, folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                self._read(entry, f"{prefix}{entry.name}/")
            elif content_type := _TYPES.get(entry.name.rpartition(".")[2]):
                content = entry.read_bytes()
                self._files[prefix + entry.name] = _Asset(
                    content, content_type, hashlib.sha256(content).hexdigest()[:32]
                )

    async def page(self, request: web.Request) -> web.Response:
        return self._answer(request, "index.html")

    async def static(self, request: web.Request) -> web.Response:
        return self._answer(request, request.match_info["path"])

    def _answer(self, request: web.Request, path: str) -> web.Response:
        asset = self._files.get(path)
        if asset is None:
            raise Refused("unknown_path", "nothing is served at this path")
        # Always asked for again, so that an update of the gateway is an update of the page; 304 makes that cheap.
        headers = {hdrs.CACHE_CONTROL: "no-cache", hdrs.ETAG: f'"{asset.etag}"'}
        if any(tag.value in {asset.etag, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.content, content_type=asset.content_type, charset="utf-8", headers=headers)
