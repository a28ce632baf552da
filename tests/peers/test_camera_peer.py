"""Debian's `motion` as a foreign camera: Basic, Digest as it sends it, a snapshot address, and its ways to fail.

`motion` opens no file of ours: it takes its pictures from an MJPEG stream that this test serves.
"""

import asyncio
import contextlib
import io
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from agent.config.model import Config, Gateway
from agent.demo.layout import kept_port
from agent.storage import open_storage
from camera.capture import Camera, Darkroom, capture
from camera.decoder import Decoder
from camera.errors import FetchFailed, NotAPicture
from camera.http_snapshot import HttpSnapshot, open_session
from camera.login import Login
from camera.vault.viewing import Snapshot
from drivers.simulated.front_door import jpeg
from privacy.clock import SystemClock
from privacy.store import Disk

pytestmark = pytest.mark.peer

LOGIN = Login("kari", "hemmelig")
WIDTH, HEIGHT = 1280, 720
CONFIGURATION = """
daemon off
log_file {folder}/motion.log
log_level 5
target_dir {folder}
netcam_url {source}
width {width}
height {height}
framerate 5
picture_output off
movie_output off
webcontrol_port 0
stream_port {port}
stream_localhost on
stream_auth_method {method}
stream_authentication {user}:{password}
"""


@contextlib.asynccontextmanager
async def mjpeg() -> AsyncIterator[str]:
    """A stream of pictures that change, at five a second."""
    talks: set[asyncio.Task[None] | None] = set()

    async def stream(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        at = datetime(2024, 6, 1, 12, tzinfo=UTC)
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        try:
            while True:
                picture = jpeg(at)
                writer.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
                writer.write(picture + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.2)
                at += timedelta(seconds=0.2)
        except (OSError, asyncio.CancelledError):
            pass  # motion hung up, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream.mjpg"
    for task in filter(None, talks):
        task.cancel()
    await asyncio.gather(*filter(None, talks), return_exceptions=True)


@dataclass
class Motion:
    """The running program."""

    url: str
    scheme: str
    """Of its login: `Basic` or `Digest`."""
    configuration: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it has a picture to show."""
        program = shutil.which("motion")
        assert program, "motion is not installed: .setup/install-system test"
        self.process = await asyncio.create_subprocess_exec(
            *(program, "-n", "-c", str(self.configuration)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(30), open_session() as session:
            while True:
                with contextlib.suppress(FetchFailed):
                    await HttpSnapshot(session, self.url, LOGIN).fetch()
                    return
                await asyncio.sleep(0.2)

    async def kill(self) -> None:
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@pytest.fixture(params=["Basic", "Digest"])
async def motion(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Motion]:
    folder = tmp_path / "motion"
    folder.mkdir()
    configuration = folder / "motion.conf"
    with kept_port() as port:
        async with mjpeg() as source:
            configuration.write_text(
                CONFIGURATION.format(
                    folder=folder,
                    source=source,
                    port=port,
                    method={"Basic": 1, "Digest": 2}[request.param],
                    width=WIDTH,
                    height=HEIGHT,
                    user=LOGIN.user,
                    password=LOGIN.password,
                ),
                "utf-8",
            )
            running = Motion(f"http://127.0.0.1:{port}/0/current", request.param, configuration)
            try:
                await running.start()
                yield running
            finally:
                await running.kill()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


async def test_a_picture_of_a_foreign_camera(motion: Motion, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with session.get(motion.url) as refused:
        assert refused.status == 401
        challenge = refused.headers["WWW-Authenticate"]
        assert challenge.startswith(motion.scheme)
        if motion.scheme == "Digest":
            assert "algorithm=md5" in challenge, "this is what others stumble over"
    storage = open_storage(Config(version=1, gateway=Gateway(id="gw-1", state_dir=tmp_path / "state")), SystemClock())
    taken: list[Snapshot] = []
    three = asyncio.Event()

    def on_snapshot(snapshot: Snapshot) -> None:
        taken.append(snapshot)
        if len(taken) == 3:
            three.set()

    camera = Camera("front", "Front door", motion.url, LOGIN, interval_seconds=0.3)
    fetch = HttpSnapshot(session, camera.url, camera.login).fetch
    async with Decoder() as decoder, asyncio.timeout(30):
        with contextlib.closing(Disk()) as disk:
            darkroom = Darkroom(decoder, storage.vault, disk, storage.time)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(capture(camera, fetch, darkroom, on_snapshot))
                await three.wait()
                task.cancel()
    images = {storage.vault.image(shot.id) for shot in taken}
    assert None not in images
    assert len(images) == 3, "the picture moves"
    assert Image.open(io.BytesIO(images.pop() or b"")).size == (WIDTH, HEIGHT)


async def test_a_wrong_password(motion: Motion, session: aiohttp.ClientSession) -> None:
    with pytest.raises(FetchFailed, match=r"refused the login \(HTTP 401\)"):
        await HttpSnapshot(session, motion.url, Login("kari", "feil")).fetch()
    assert await HttpSnapshot(session, motion.url, LOGIN).fetch()


async def test_a_page_where_a_picture_should_be(motion: Motion, session: aiohttp.ClientSession) -> None:
    # motion answers for a camera that it does not have with 200 and a page of text.
    fetched = await HttpSnapshot(session, motion.url.replace("/0/", "/7/"), LOGIN).fetch()
    async with Decoder() as decoder:
        with pytest.raises(NotAPicture, match="no JPEG"):
            await decoder.decode(fetched)


async def test_a_stream_where_a_picture_should_be(motion: Motion, session: aiohttp.ClientSession) -> None:
    stream = HttpSnapshot(session, motion.url.replace("current", "stream"), LOGIN, deadline=1)
    with pytest.raises(FetchFailed, match="not of a stream"):
        await stream.fetch()


async def test_frozen_killed_and_back(motion: Motion, session: aiohttp.ClientSession) -> None:
    camera = HttpSnapshot(session, motion.url, LOGIN)
    assert motion.process
    await camera.fetch()
    motion.process.send_signal(signal.SIGSTOP)
    with pytest.raises(FetchFailed, match="did not deliver within 1 s"):
        await HttpSnapshot(session, motion.url, LOGIN, deadline=1).fetch()
    motion.process.send_signal(signal.SIGCONT)
    assert await camera.fetch()
    await motion.kill()
    with pytest.raises(FetchFailed, match=r"unreachable|broke off"):
        await camera.fetch()
    await motion.start()
    assert await camera.fetch(), "with the nonces of a process that is gone"
