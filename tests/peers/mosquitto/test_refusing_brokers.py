"""Brokers that cannot be used: one clear line each."""

import asyncio
import re
import socket
from pathlib import Path

import pytest

from agent.cloud.mqtt import Connection, Settings, connect
from agent.demo.layout import kept_port
from agent.errors import LinkDown
from tests.peers.mosquitto.broker import Broker, mosquitto, refusal

pytestmark = pytest.mark.peer


async def test_nothing_listens() -> None:
    with kept_port() as port:
        assert "nothing listens" in await refusal(Settings(host="127.0.0.1", port=port, client_id="gw-1"))


async def test_a_host_that_is_none() -> None:
    assert "no host name" in await refusal(Settings(host="a..b", port=1883, client_id="gw-1"))


@pytest.mark.parametrize(("answer", "line"), [(b"", "closed the connection"), (b"SSH-2.0-x\r\n", "lost|closed")])
async def test_something_that_is_no_broker(answer: bytes, line: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert re.search(line, await refusal(Settings(host="127.0.0.1", port=port, client_id="gw-1")))


async def test_a_broker_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(host="127.0.0.1", port=silent.getsockname()[1], client_id="gw-1", answer_seconds=0.3)
        assert "does not answer" in await refusal(settings)


async def test_a_wrong_password(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool = await asyncio.create_subprocess_exec("mosquitto_passwd", "-b", "-c", str(passwords), "gw-1", "right")
    assert await tool.wait() == 0
    passwords.chmod(0o600)
    with mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}") as broker:
        line = await refusal(broker.settings("gw-1", username="gw-1", password="canary-password"))
        assert line.startswith("the broker refused the connection")
        assert "canary" not in line
        assert "canary" not in repr(broker.settings("gw-1", password="canary-password"))
        async with connect(broker.settings("gw-1", username="gw-1", password="right")):
            pass


async def test_another_client_with_our_id(broker: Broker) -> None:
    async def wait_for_messages(connection: Connection) -> None:
        async for message in connection.messages():
            message.acknowledge()

    # This version of mosquitto closes without saying that the session was taken over.
    with pytest.raises(LinkDown, match="does nobody else use our id"):
        async with connect(broker.settings("gw-1")) as first, connect(broker.settings("gw-1")):
            await wait_for_messages(first)
