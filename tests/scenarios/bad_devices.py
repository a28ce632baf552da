"""Cameras and a serial device as they should not be."""

import contextlib
import os
import threading
import time
import tty
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from drivers.simulated.front_door import jpeg
from privacy.clock import SystemClock


class BadCameras(ThreadingHTTPServer):
    """One server, whose paths are cameras: text, hang, drip, login, redirect, cut."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, secrets: list[str]) -> None:
        """`secrets` stand in everything that it says, so that whoever quotes it gives them away."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secrets = " ".join(secrets)
        self.closing = threading.Event()
        self.picture = jpeg(SystemClock().now())
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, camera: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{camera}/Hytta5G/snapshot.jpg"

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: BadCameras

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):
            match self.path.split("/")[1]:
                case "text":
                    self._send(f"Not a picture. {self.server.secrets}\n".encode() * 50)
                case "cut":
                    self._send(self.server.picture[: len(self.server.picture) // 2])
                case "hang":
                    self.server.closing.wait()
                case "drip":
                    self._head(10_000)
                    while not self.server.closing.wait(0.5):
                        self.wfile.write(b"\xff")
                case "login":
                    self.send_response(401, self.server.secrets)
                    self.send_header("WWW-Authenticate", f'Basic realm="{self.server.secrets}"')
                    self.end_headers()
                case "redirect":
                    self.send_response(302)
                    self.send_header("Location", f"http://kari:{self.server.secrets.split()[0]}@127.0.0.2/snapshot.jpg")
                    self.end_headers()

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, body: bytes) -> None:
        self._head(len(body))
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nobody reads it."""


@contextlib.contextmanager
def noisy_line(link: Path) -> Iterator[None]:
    """A serial port at `link` with something on it that answers every question with noise."""
    near, far = os.openpty()
    tty.setraw(far)
    os.set_blocking(near, False)
    link.symlink_to(os.ttyname(far))
    closing = threading.Event()
    noise = Random(7)

    def answer() -> None:
        while not closing.is_set():
            with contextlib.suppress(BlockingIOError):
                if os.read(near, 256):
                    os.write(near, noise.randbytes(23))
            time.sleep(0.01)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()
        link.unlink()  # the number may be another terminal's soon
        os.close(near)
        os.close(far)
