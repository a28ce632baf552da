"""The backend's command line, as processes."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.peers.mosquitto.broker import Broker, until
from tests.peers.mosquitto.gateway import GATEWAY, House, running

pytestmark = pytest.mark.peer


async def test_the_backend_by_its_command_line(tmp_path: Path, broker: Broker) -> None:
    folder, port = str(tmp_path / "cloud"), str(broker.port)
    program = [sys.executable, "-c", "from agent.backend.cli import app; app()"]

    async def backend(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(*program, *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode()

    house = House(tmp_path / "house", json.loads(await backend("keys", "--dir", folder)), broker.settings(GATEWAY))
    serving = await asyncio.create_subprocess_exec(
        *program, "serve", "--dir", folder, "--port", port, stdout=asyncio.subprocess.PIPE
    )
    assert serving.stdout
    assert json.loads(await serving.stdout.readline()) == {"event": "ready"}
    try:
        async with running(*house.services):
            scope = '{"cameras": ["front"]}'
            order = await backend(
                "order", "--dir", folder, "--gateway", GATEWAY, "--epoch", "1", "--scope", scope, "--port", port
            )
            await until(lambda: len([receipt for receipt in house.journal.receipts() if receipt.acknowledged]) == 2)
            rows = json.loads(await backend("receipts", "--dir", folder, "--order", order.strip(), "--json"))
            assert [(row["kind"], row["valid"], row["erased"]) for row in rows] == [
                ("erased", True, 3),
                ("verified", True, 3),
            ]
            house.write("a line")
            await until(lambda: not house.spool)
    finally:
        serving.terminate()
        output, _ = await serving.communicate()
    assert serving.returncode == 0
    assert {"hello", "receipt", "log"} <= {json.loads(line)["event"] for line in output.splitlines()}
