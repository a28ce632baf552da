"""The simulated camera, as a program, under our own fetching."""

import asyncio
import contextlib
import io
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
from PIL import Image, ImageStat

from camera.errors import FetchFailed
from camera.http_snapshot import HttpSnapshot
from camera.login import Login
from drivers.simulated.digest import NONCE_SECONDS, DigestGate
from drivers.simulated.front_door import daylight, jpeg

PROGRAM = (sys.executable, "-m", "drivers.simulated.camera")


@contextlib.asynccontextmanager
async def camera(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The running program, and the address it printed."""
    process = await asyncio.create_subprocess_exec(*PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            yield process, (await process.stdout.readline()).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    (tmp_path / "password").write_text("hemmelig ø:@\n", "utf-8")
    return str(tmp_path / "password")


LOGIN = Login("door", "hemmelig ø:@")


@pytest.mark.parametrize(
    "auth", [("none",), ("basic",), ("digest", "--algorithm", "MD5"), ("digest", "--algorithm", "SHA-256")]
)
async def test_serves_pictures(session: aiohttp.ClientSession, password_file: str, auth: tuple[str, ...]) -> None:
    async with camera("--auth", *auth, "--user", "door", "--password-file", password_file) as (process, url):
        fetched = await HttpSnapshot(session, url, LOGIN).fetch()
        assert Image.open(io.BytesIO(fetched)).size == (1280, 720)
        if auth != ("none",):
            with pytest.raises(FetchFailed, match="refused the login"):
                await HttpSnapshot(session, url, Login("door", "wrong")).fetch()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_comes_back_to_its_port_after_a_kill(session: aiohttp.ClientSession) -> None:
    async with camera("--auth", "none") as (_, url):
        fetcher = HttpSnapshot(session, url)
        await fetcher.fetch()
    with pytest.raises(FetchFailed):
        await fetcher.fetch()
    port = url.rpartition(":")[2].partition("/")[0]
    async with camera("--auth", "none", "--port", port) as (_, again):
        assert again == url
        assert await fetcher.fetch()


async def test_a_new_process_with_new_nonces_does_not_lock_us_out(
    session: aiohttp.ClientSession, password_file: str
) -> None:
    arguments = ("--user", "door", "--password-file", password_file)
    async with camera(*arguments) as (_, url):
        fetcher = HttpSnapshot(session, url, LOGIN)
        await fetcher.fetch()
    async with camera(*arguments, "--port", url.rpartition(":")[2].partition("/")[0]):
        assert await fetcher.fetch()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--help",), 0, "--password-file"),
        (("--auth", "digest"), 2, "need --password-file"),
        (("--password-file", "/nonexistent"), 1, "cannot start: No such file"),
    ],
)
def test_command_line(arguments: tuple[str, ...], status: int, says: str) -> None:
    done = subprocess.run((*PROGRAM, *arguments), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == status
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_digest_answer_counts_once() -> None:
    now = 0.0
    gate = DigestGate("door", "secret", "MD5", lambda: now, lambda: "abc")
    challenge = gate.refusal("GET", "/snapshot.jpg", None)
    assert challenge
    assert "stale" not in challenge
    proof = gate._response(
        "GET", {"uri": "/x", "nonce": "abc", "nc": "00000001", "cnonce": "c", "qop": "auth"}
    ).decode()
    header = 'Digest username="door", realm="camera", nonce="abc", uri="/x", nc=00000001, cnonce="c", qop=auth'
    answer = f'{header}, response="{proof}"'
    assert gate.refusal("GET", "/y", answer), "bound to its address"
    assert gate.refusal("POST", "/x", answer), "and to its method"
    gate.refusal("GET", "/x", None)  # the nonce is there again, uncounted
    assert gate.refusal("GET", "/x", answer) is None
    replayed = gate.refusal("GET", "/x", answer)
    assert replayed
    assert "stale=true" in replayed
    now = NONCE_SECONDS + 1
    assert gate.refusal("GET", "/x", answer)


def test_the_view_changes_with_time() -> None:
    night, noon = datetime(2024, 6, 1, 2), datetime(2024, 6, 1, 12)  # noqa: DTZ001 - local to the camera
    assert daylight(night) == 0
    assert daylight(noon) == 1
    assert jpeg(noon) != jpeg(noon.replace(second=1))
    dark, light = (ImageStat.Stat(Image.open(io.BytesIO(jpeg(at))).convert("L")).mean[0] for at in (night, noon))
    assert dark < light / 2
