"""A mosquitto of our own, to start, kill and ask what it says."""

import asyncio
import contextlib
import getpass
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cloud import topics
from agent.cloud.mqtt import Connection, Message, Settings, connect
from agent.cloud.topics import Topics
from agent.demo.layout import kept_port
from agent.errors import LinkDown

PATIENCE = 20.0
"""Seconds that anything may take here before it counts as never."""


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


class Broker:
    """A mosquitto of our own on the loopback port `port`."""

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        self.port = port
        folder.mkdir()
        self._conf = folder / "mosquitto.conf"
        access = lines or ("allow_anonymous true",)
        conf = [f"listener {self.port} 127.0.0.1", *access, f"user {getpass.getuser()}", "set_tcp_nodelay true"]
        # Saved after every change, so that a killed broker has its sessions again.
        conf += [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        ]
        self._conf.write_text("\n".join(conf) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            assert self._process.poll() is None, "mosquitto ended at once"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.1):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
        pytest.fail("mosquitto does not listen")

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def settings(self, client_id: str, **changed: Any) -> Settings:
        return replace(Settings(host="127.0.0.1", port=self.port, client_id=client_id), **changed)


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Broker]:
    with kept_port() as port:
        broker = Broker(folder, port, *lines)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


@asynccontextmanager
async def listening(broker: Broker, *channels: str) -> AsyncIterator[tuple[Connection, list[Message]]]:
    """Somebody at the broker who only listens, and the messages so far."""
    seen: list[Message] = []

    async def listen(connection: Connection) -> None:
        async for message in connection.messages():
            seen.append(message)
            message.acknowledge()

    async with connect(broker.settings("listener", session_seconds=0)) as connection:
        await connection.subscribe([topics.of_any_gateway(channel) for channel in channels])
        async with asyncio.TaskGroup() as group:
            listener = group.create_task(listen(connection))
            yield connection, seen
            listener.cancel()


async def refusal(settings: Settings) -> str:
    with pytest.raises(LinkDown) as refused:
        async with asyncio.timeout(PATIENCE), connect(settings) as connection:
            await connection.publish(Topics("gw-2").of(topics.HELLO), b"{}")
    line = str(refused.value)
    assert "\n" not in line
    assert refused.value.hint
    return line
