"""Where the API listens: loopback and a private socket, and what happens when these cannot be had."""

import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.api.server import serve
from agent.errors import AgentError
from privacy.clock import SystemClock
from tests.agent.open_door import open_door

House = Any


async def test_port_in_use_is_one_clear_line(api_house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AgentError, match=rf"^port {port} on 127\.0\.0\.1 is in use.*choose another port"):
            async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=port, socket_path=None):
                pass


async def test_a_port_that_is_none(api_house: House) -> None:
    with pytest.raises(AgentError, match="70000 is not a port"):
        async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=70000, socket_path=None):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])  # noqa: S104 - is refused
async def test_loopback_only(api_house: House, host: str) -> None:
    with pytest.raises(AgentError, match=r"127\.0\.0\.1"):
        async with serve(
            api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None, host=host
        ):
            pass


async def test_the_command_line_asks_over_the_socket(api_house: House, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with aiohttp.ClientSession("http://agent", connector=aiohttp.UnixConnector(str(path))) as cli:
            async with cli.get("/api/state") as response:
                assert (await response.json())["gateway"] == "Gateway-4f2a"
            async with cli.post("/api/erase", json={"scope": {"everything": True}}) as response:
                assert response.status == 202
            async with cli.get("/") as response:
                assert response.status == 404
    assert api_house.asked[0][-1] == "local-owner"
    assert not path.exists()


async def test_a_stale_socket_is_replaced(api_house: House, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with (
        serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path),
        aiohttp.ClientSession("http://agent", connector=aiohttp.UnixConnector(str(path))) as cli,
        cli.get("/api/health") as response,
    ):
        assert response.status == 200


async def test_the_socket_of_another_agent_is_left_alone(api_house: House, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
        with pytest.raises(AgentError, match="another agent runs on"):
            async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
                pass
        assert path.is_socket()


async def test_a_file_in_the_way_is_left_alone(api_house: House, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("somebody's notes")
    with pytest.raises(AgentError, match="exists and is not a socket"):
        async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
            pass
    assert path.read_text() == "somebody's notes"


@pytest.mark.parametrize("name", ["missing/agent.sock", "x" * 120])
async def test_a_socket_that_cannot_be_made(api_house: House, tmp_path: Path, name: str) -> None:
    with pytest.raises(AgentError, match=r"socket .* cannot be"):
        async with serve(
            api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=tmp_path / name
        ):
            pass


async def test_the_port_is_free_again_at_once(api_house: House) -> None:
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
        port = int(url.rpartition(":")[2])
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=port, socket_path=None) as url:
        assert url == f"http://127.0.0.1:{port}"


async def test_no_request_is_logged(api_house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with (
        serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url,
        aiohttp.ClientSession(url) as session,
        session.get("/api/snapshots/s0/image"),
    ):
        pass
    assert "s0" not in caplog.text
