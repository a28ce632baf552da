"""A network camera, simulated: one JPEG over HTTP behind no login, Basic or Digest.

A program that also runs by hand:

    python -m drivers.simulated.camera --port 8080 --auth digest --user door --password-file /run/secrets/door
"""

import argparse
import asyncio
import hmac
import secrets
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from drivers.simulated.digest import Algorithm, DigestGate
from drivers.simulated.front_door import jpeg

PATH: Final = "/snapshot.jpg"

Gate = Callable[[str, str, str | None], str | None]
"""Method, request target and `Authorization` header in; the `WWW-Authenticate` header of a refusal out, or None."""


def open_gate(_method: str, _target: str, _authorization: str | None) -> None:
    """Lets everybody in."""


def basic_gate(user: str, password: str) -> Gate:
    """RFC 7617."""
    right = aiohttp.encode_basic_auth(user, password, "utf-8").encode()

    def gate(_method: str, _target: str, authorization: str | None) -> str | None:
        given = (authorization or "").encode()
        return None if hmac.compare_digest(right, given) else 'Basic realm="camera", charset="UTF-8"'

    return gate


def application(gate: Gate, picture: Callable[[], bytes]) -> web.Application:
    """The camera's web server."""

    async def snapshot(request: web.Request) -> web.Response:
        if challenge := gate(request.method, request.raw_path, request.headers.get("Authorization")):
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        # Drawn beside the event loop: a frame takes some 30 ms.
        body = await asyncio.to_thread(picture)
        return web.Response(body=body, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    app = web.Application()
    app.router.add_get(PATH, snapshot)
    return app


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m drivers.simulated.camera", description="A simulated network camera."
    )
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one (default)")
    parser.add_argument(
        "--auth", choices=("none", "basic", "digest"), default="digest", help="login (default %(default)s)"
    )
    parser.add_argument(
        "--algorithm", choices=("MD5", "SHA-256"), default="SHA-256", help="of Digest (default %(default)s)"
    )
    parser.add_argument("--user", default="camera", help="user name (default %(default)s)")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the password")
    parsed = parser.parse_args(given)
    if parsed.auth != "none" and not parsed.password_file:
        parser.error("--auth basic and digest need --password-file")
    return parsed


def make_gate(auth: str, user: str, password: str, algorithm: Algorithm) -> Gate:
    """The gate of that kind. Needs a running event loop."""
    if auth == "none":
        return open_gate
    if auth == "basic":
        return basic_gate(user, password)
    loop = asyncio.get_running_loop()
    return DigestGate(user, password, algorithm, loop.time, lambda: secrets.token_hex(16)).refusal


def picture_now() -> bytes:
    """The view at this moment."""
    return jpeg(datetime.now().astimezone())  # noqa: TID251 - a camera has a clock of its own


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; prints the address as soon as pictures can be had.

    Raises:
        OSError: the password cannot be read, or the address is taken.
    """
    password = ""
    if options.password_file:
        password = options.password_file.read_text("utf-8").partition("\n")[0]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gate = make_gate(options.auth, options.user, password, options.algorithm)
    runner = web.AppRunner(application(gate, picture_now), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        # SO_REUSEADDR, aiohttp's default on Linux, lets a killed camera come back to its port at once.
        await web.TCPSite(runner, options.address, options.port).start()
        host, port = runner.addresses[0][:2]
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}", flush=True)  # noqa: T201 - the program's one line
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run the program; returns its exit status."""
    options = arguments()
    try:
        asyncio.run(serve(options))
    except OSError as error:
        sys.stderr.write(f"the simulated camera cannot start: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
