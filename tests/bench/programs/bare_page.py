"""The floor of the first page: aiohttp's own static files, and a WebSocket that says the same first words.

python bare_page.py FOLDER FILE TCP_PORT     FILE holds what the WebSocket says
"""

import sys
from pathlib import Path

from aiohttp import web

folder, first, port = Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8"), int(sys.argv[3])


async def page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(folder / "index.html")


async def listen(request: web.Request) -> web.WebSocketResponse:
    listener = web.WebSocketResponse(compress=False)
    await listener.prepare(request)
    await listener.send_str(first)
    async for _ in listener:
        pass
    return listener


app = web.Application()
app.add_routes([web.get("/", page), web.get("/api/ws", listen), web.static("/static", folder)])
web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)
