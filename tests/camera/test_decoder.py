"""The decoder: good pictures, bad pictures, and a worker that fails in every way."""

import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from camera.decoder import ENVIRONMENT, Decoder
from camera.errors import DecoderFailed, NotAPicture
from camera.picture import Mask

Make = Callable[..., bytes]

PRELUDE = """
import os, sys, time
from camera.worker.protocol import *
say = lambda answer: os.write(1, frame(answer))
"""


def worker(script: str) -> tuple[str, ...]:
    """A worker that does `script` instead."""
    return (sys.executable, "-I", "-B", "-c", PRELUDE + script)


def pixels(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image.convert("L")


def brightness(image: Image.Image, x: int, y: int) -> float:
    value = image.getpixel((x, y))
    assert isinstance(value, int | float)
    return value


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_picture(make_jpeg: Make) -> None:
    async with Decoder() as decoder:
        picture = await decoder.decode(make_jpeg((1280, 720)))
        assert (picture.width, picture.height) == (1280, 720)
        assert pixels(picture.image).size == (1280, 720)
        assert pixels(picture.thumbnail).size == (320, 180)
        assert "image" not in repr(picture)
        small = await decoder.decode(make_jpeg((200, 100)))
        assert pixels(small.thumbnail).size == (200, 100)


async def test_one_worker_serves_many_at_once(make_jpeg: Make) -> None:
    sizes = [(100 + step, 50) for step in range(12)]
    async with Decoder() as decoder:
        pictures = await asyncio.gather(*(decoder.decode(make_jpeg(size)) for size in sizes))
        pid = decoder.pid
        await decoder.decode(make_jpeg())
        assert decoder.pid == pid
    assert [picture.width for picture in pictures] == [width for width, _ in sizes]
    assert pid
    assert gone(pid)


async def test_what_the_camera_wrote_into_the_file_is_gone(make_jpeg: Make) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Kari Nordmann, Storgata 1"
    jpeg = make_jpeg(exif=exif, comment=b"serial 4711")
    assert b"Kari Nordmann" in jpeg
    async with Decoder() as decoder:
        picture = await decoder.decode(jpeg)
    for part in (picture.image, picture.thumbnail):
        assert b"Kari" not in part
        assert b"4711" not in part
        assert b"Exif" not in part


async def test_masks_are_black_in_picture_and_thumbnail(make_jpeg: Make) -> None:
    masks = (Mask(0.25, 0.5, 0.25, 0.5), Mask(0.9, 0.0, 0.1, 0.1))
    async with Decoder() as decoder:
        picture = await decoder.decode(make_jpeg((640, 480), "white"), masks)
    for jpeg in (picture.image, picture.thumbnail):
        image = pixels(jpeg)
        width, height = image.size
        for x, y in ((0.26, 0.52), (0.48, 0.98), (0.95, 0.05)):
            assert brightness(image, int(x * width), int(y * height)) < 20
        for x, y in ((0.22, 0.6), (0.53, 0.6), (0.3, 0.45), (0.85, 0.05)):
            assert brightness(image, int(x * width), int(y * height)) > 235


async def test_masks_lie_on_the_upright_picture(make_jpeg: Make) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    async with Decoder() as decoder:
        picture = await decoder.decode(make_jpeg((640, 480), exif=exif), (Mask(0, 0, 1, 0.25),))
    assert (picture.width, picture.height) == (480, 640)
    assert brightness(pixels(picture.image), 470, 10) < 20
    assert brightness(pixels(picture.image), 10, 630) > 235


@pytest.mark.parametrize(
    "mask", [(-0.1, 0, 0.5, 0.5), (0, 0, 0, 1), (0.6, 0, 0.5, 1), (0, float("nan"), 1, 1), (1.0, 0, 0.1, 0.1)]
)
def test_masks_that_are_none(mask: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="fractions"):
        Mask(*mask)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda _: b"", "no JPEG"),
        (lambda _: b"<html>camera is starting</html>\n" * 50, "no JPEG"),
        (lambda _: png(), "no JPEG"),
        (lambda jpeg: jpeg[: len(jpeg) // 2], "ends too early"),
        (lambda jpeg: jpeg[:-2], "ends too early"),
        (lambda jpeg: jpeg.replace(b"\xff\xdb", b"\xff\xfe"), "broken JPEG"),
        (lambda _: bytes(9 * 1024 * 1024), "more than a picture may have"),
    ],
    ids=["empty", "text", "PNG", "half", "no end", "no quantisation tables", "9 MiB"],
)
async def test_what_is_no_picture(make_jpeg: Make, spoil: Callable[[bytes], bytes], says: str) -> None:
    async with Decoder() as decoder:
        await decoder.decode(make_jpeg())
        pid = decoder.pid
        with pytest.raises(NotAPicture, match=says) as caught:
            await decoder.decode(spoil(make_jpeg()))
        assert "\n" not in str(caught.value)
        assert (await decoder.decode(make_jpeg())).width == 640
        assert decoder.pid == pid, "a bad picture costs the worker nothing"


async def test_a_decompression_bomb(make_jpeg: Make) -> None:
    bomb = bytearray(make_jpeg((16, 16)))
    header = bomb.index(b"\xff\xc0")
    bomb[header + 5 : header + 9] = b"\xff\xff\xff\xff"  # 65,535 x 65,535
    async with Decoder() as decoder:
        with pytest.raises(NotAPicture, match="more than 40 megapixels"):
            await decoder.decode(bytes(bomb))


async def test_forty_megapixels(make_jpeg: Make) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    async with Decoder(deadline=60) as decoder:
        picture = await decoder.decode(make_jpeg((8000, 5000), exif=exif))
        assert picture.height == 8000


async def test_a_worker_that_hangs_is_killed_and_replaced(make_jpeg: Make) -> None:
    async with Decoder(deadline=2) as decoder:
        await decoder.decode(make_jpeg())
        first = decoder.pid
        assert first
        os.kill(first, signal.SIGSTOP)
        with pytest.raises(DecoderFailed, match=r"longer than 2 s and was killed"):
            await decoder.decode(make_jpeg())
        assert (await decoder.decode(make_jpeg((320, 200)))).width == 320
        assert decoder.pid != first
        async with asyncio.timeout(10):
            while not gone(first):
                await asyncio.sleep(0.01)


async def test_a_worker_that_was_killed_is_replaced(make_jpeg: Make) -> None:
    async with Decoder() as decoder:
        await decoder.decode(make_jpeg())
        first = decoder.pid
        assert first
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while not gone(first):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert (await decoder.decode(make_jpeg())).width == 640


async def test_a_cancelled_decode_leaves_nothing_to_the_next(make_jpeg: Make) -> None:
    async with Decoder() as decoder:
        await decoder.decode(make_jpeg())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await decoder.decode(make_jpeg((3000, 2000)))
        assert (await decoder.decode(make_jpeg((320, 200)))).width == 320


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("sys.exit(3)", "died"),
        ("say(Ready()); os.read(0, 100); sys.exit(0)", "died"),
        ("say(Ready()); os.read(0, 100); os.write(1, b'\\0\\0\\0\\4text')", "rubbish"),
        ("say(Ready()); os.read(0, 100); os.write(1, b'\\xff\\xff\\xff\\xff')", "rubbish"),
        ("say(Ready()); os.read(0, 100); os.write(1, b'\\0\\0\\0\\x0ahalf'); sys.exit()", "died"),
        ("say(Ready()); os.read(0, 100); say(Ready())", "out of turn"),
        ("say(Refusal('no_jpeg'))", "out of turn"),
        ("while True: os.write(1, bytes([1, 0, 0, 0]) * 100_000)", "died|rubbish"),
        ("time.sleep(60)", "longer than"),
    ],
)
async def test_a_worker_gone_mad(make_jpeg: Make, script: str, says: str) -> None:
    async with Decoder(command=worker(script), start_deadline=30 if "sleep" not in script else 0.5) as decoder:
        with pytest.raises(DecoderFailed, match=says) as caught:
            await decoder.decode(make_jpeg())
        assert "\n" not in str(caught.value)


async def test_no_worker_to_start(make_jpeg: Make) -> None:
    async with Decoder(command=("/nonexistent/python",)) as decoder:
        with pytest.raises(DecoderFailed, match="cannot be started: No such file"):
            await decoder.decode(make_jpeg())


async def test_what_a_worker_complains_of_is_bounded(make_jpeg: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    script = "os.write(2, b'\\x1b[31mred\\xff' + b'x' * 50_000 + b'\\nsecond'); time.sleep(0.2); sys.exit(1)"
    async with Decoder(command=worker(script)) as decoder:
        with pytest.raises(DecoderFailed):
            await decoder.decode(make_jpeg())
    (line,) = [record.getMessage() for record in caplog.records if record.name == "camera.decoder"]
    assert line.startswith("decoding worker: .[31mred.xxx")
    assert len(line) < 200
    assert line.isascii()
    assert line.isprintable()
    assert "(50016 bytes)" in line


async def test_the_worker_inherits_nothing(make_jpeg: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTVAKT_PASSWORD", "canary")
    script = (
        "import json\nsay(CannotStart(json.dumps([dict(os.environ), os.listdir('/proc/self/fd'), os.getcwd()]), ''))"
    )
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with Decoder(command=worker(script)) as decoder:
            with pytest.raises(DecoderFailed) as caught:
                await decoder.decode(make_jpeg())
    environment, descriptors, folder = json.loads(str(caught.value).partition("will not decode: ")[2])
    assert "canary" not in environment.values()
    assert set(environment) <= {*ENVIRONMENT, "LC_CTYPE"}
    assert set(descriptors) == {"0", "1", "2", "3"}, "3 is the listing itself"
    assert folder == "/"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (
            "import pyseccomp\ndef load(_): raise OSError(22, 'Invalid')\npyseccomp.SyscallFilter.load = load",
            "lock itself in",
        ),
        (
            "import resource\ndef setrlimit(*a): raise ValueError('not allowed')\nresource.setrlimit = setrlimit",
            "lock itself in",
        ),
        ("sys.modules['pyseccomp'] = None", "a library is missing"),
        ("sys.modules['cv2'] = None", "a library is missing"),
    ],
    ids=["no seccomp", "no limits", "no pyseccomp", "no OpenCV"],
)
async def test_without_its_prison_the_worker_refuses(make_jpeg: Make, broken: str, says: str) -> None:
    script = f"{broken}\nfrom camera.worker.__main__ import main\nsys.exit(main())"
    async with Decoder(command=worker(script)) as decoder:
        with pytest.raises(DecoderFailed, match=says) as caught:
            await decoder.decode(make_jpeg())
        assert caught.value.hint


def test_the_agent_does_not_import_opencv() -> None:
    script = (
        "import sys, camera.capture, camera.decoder, camera.expiry, camera.http_snapshot, camera.vault.vault;"
        "sys.exit(bool({'cv2', 'numpy', 'pyseccomp'} & sys.modules.keys()))"
    )
    assert subprocess.run((sys.executable, "-c", script), check=False, timeout=60).returncode == 0


def test_a_worker_does_not_outlive_the_agent(make_jpeg: Make, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(make_jpeg())
    script = (
        "import asyncio, sys, pathlib\nfrom camera.decoder import Decoder\n"
        "async def main():\n"
        "    async with Decoder() as decoder:\n"
        f"        await decoder.decode(pathlib.Path({str(tmp_path / 'picture.jpg')!r}).read_bytes())\n"
        "        print(decoder.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        pid = int(agent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)  # as good as hanging: it will not see its stdin end
        agent.kill()
        agent.wait()
    deadline = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(pid)
