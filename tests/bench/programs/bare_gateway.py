"""The floor of a command: aiohttp and pymodbus with nothing around them, and a page of one button.

POST /command writes a register of the heat pump, reads it back and tells every WebSocket what it read.

    python bare_gateway.py SERIAL_PORT TCP_PORT
"""

import asyncio
import contextlib
import json
import sys

from aiohttp import web
from pymodbus.client import AsyncModbusSerialClient

PAGE = """<!doctype html><title>bare</title>
<article><div class="setting"><button role="switch" aria-checked="false">Power</button></div></article>
<script>
  const button = document.querySelector("button");
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = ({ data }) => {
    const { address, value } = JSON.parse(data);
    if (address === 0) button.ariaChecked = value ? "true" : "false";
  };
  button.onclick = () => fetch("/command", {
    method: "POST", body: JSON.stringify({ address: 0, value: button.ariaChecked === "true" ? 0 : 1 }),
  });
</script>"""


async def serve(serial_port: str, tcp_port: int) -> None:
    client = AsyncModbusSerialClient(serial_port, baudrate=9600)
    await client.connect()
    listeners: set[web.WebSocketResponse] = set()

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def command(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        await client.write_register(asked["address"], asked["value"], device_id=1)
        kept = (await client.read_holding_registers(asked["address"], count=1, device_id=1)).registers[0]
        for listener in tuple(listeners):
            await listener.send_str(json.dumps({"address": asked["address"], "value": kept}))
        return web.json_response({"fate": "done"})

    async def listen(request: web.Request) -> web.WebSocketResponse:
        listener = web.WebSocketResponse(compress=False)
        await listener.prepare(request)
        listeners.add(listener)
        with contextlib.suppress(ConnectionError):
            async for _ in listener:
                pass
        listeners.discard(listener)
        return listener

    app = web.Application()
    app.add_routes([web.get("/", page), web.post("/command", command), web.get("/ws", listen)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", tcp_port).start()
    await asyncio.Event().wait()


asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
