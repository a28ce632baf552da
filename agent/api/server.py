"""The local API: the page on loopback and on the LAN, and the same requests for the command line on a Unix socket."""

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from agent.api.asks import ENDS
from agent.api.assets import Assets
from agent.api.contract import House
from agent.api.discretion import WITHHOLDING
from agent.api.door import Door, only_when_claimed
from agent.api.feed import Feed
from agent.api.guard import Site, harden, same_origin
from agent.api.openapi import describe
from agent.api.permission import caller_of, identified, identify_local, permitted
from agent.api.problems import BODY_LIMIT, as_problems
from agent.api.rate import limited
from agent.api.routes import Routes
from agent.api.sight import Sight, SightOf
from agent.errors import ConfigInvalid
from privacy.clock import Clock

IDLE_SECONDS: Final = 75.0
"""How long a connection stays that asks nothing; aiohttp's own hour is a long time to hold a descriptor."""
STOP_SECONDS: Final = 2.0
"""How long a request that is being answered may still take when we stop."""


@dataclass(frozen=True, slots=True)
class OnLan:
    """The LAN, where phones are."""

    site: Site
    serve: Callable[[web.AppRunner], None]
    """Have connections from there served as well, from now on."""


@asynccontextmanager
async def serve(  # noqa: PLR0913 - where to serve, what, and to whom
    house: House,
    *,
    clock: Clock,
    door: Door,
    port: int,
    socket_path: Path | None,
    host: str = "127.0.0.1",
    lan: OnLan | None = None,
) -> AsyncIterator[str]:
    """Serve `house` until the context ends, and yield the address of the page, such as `http://127.0.0.1:8480`.

    `port` 0 takes a free one. `lan` is where phones reach it, over TLS. `socket_path` is for the command line: mode
    0600, replaced when it is stale, and removed at the end.

    Raises:
        ConfigInvalid: the port or the socket cannot be had, or `host` is not loopback.
    """

    def sight_of(request: web.Request) -> Sight:
        return Sight(house, door.permission, caller_of(request))

    async with AsyncExitStack() as stack:
        listening = stack.enter_context(_loopback(host, port))
        taken = listening.getsockname()[1]
        feed = Feed(sight_of, clock)
        door.follow_ends(feed.end)
        served = Served(house, feed, sight_of, door)
        app = network_application(served, same_origin(taken, lan.site if lan else None))
        runner = await stack.enter_async_context(_running(app, listening))
        if lan:
            lan.serve(runner)
        if socket_path is not None:
            local = stack.enter_context(_unix(socket_path))
            await stack.enter_async_context(_running(local_application(served), local))
        yield f"http://{f'[{host}]' if ':' in host else host}:{taken}"


@dataclass(frozen=True, slots=True)
class Served:
    """What the page and the command line share."""

    house: House
    feed: Feed
    sight_of: SightOf
    door: Door


def network_application(served: Served, *checks: Middleware) -> web.Application:
    """The page, for who signs in."""
    door, assets = served.door, Assets()
    app = _application(served, *checks, identified(door.identify), limited(), only_when_claimed(door.claimed))
    describe(app, local=False)
    app.add_routes(door.network_routes)
    app.router.add_get("/", assets.page)
    app.router.add_get("/static/{path:.+}", assets.static)
    return app


def local_application(served: Served) -> web.Application:
    """The command line, for who can use the socket."""
    app = _application(served, identified(identify_local))
    describe(app, local=True)
    app.add_routes(served.door.local_routes)
    return app


def _application(served: Served, *checks: Middleware) -> web.Application:
    middlewares = [as_problems, *checks, permitted(served.door.permission, served.house, served.door.witness)]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    app.add_routes(Routes(served.house, served.feed, served.sight_of).table())
    app.add_routes(served.door.routes)
    if served.door.ends:
        app[ENDS] = served.door.ends
    app.on_response_prepare.append(harden)
    app.on_shutdown.append(served.feed.close)
    return app


@asynccontextmanager
async def _running(app: web.Application, listening: socket.socket) -> AsyncIterator[web.AppRunner]:
    # Without an access log: a path names a device, and a time and a path together say who was at home.
    runner = web.AppRunner(
        app, access_log=None, logger=WITHHOLDING, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=STOP_SECONDS
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield runner
    finally:
        await runner.cleanup()


@contextmanager
def _loopback(host: str, port: int) -> Iterator[socket.socket]:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ConfigInvalid(f"{host} is not a numeric address", hint="use 127.0.0.1 or ::1") from error
    if not address.is_loopback:
        raise ConfigInvalid(
            f"the page cannot be served on {host}",
            hint="it stays on 127.0.0.1; for phones there is a section [lan] in the configuration",
        )
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET) as listening:  # noqa: PLR2004
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen()
        except (OSError, OverflowError) as error:
            raise ConfigInvalid(_why_not(error, host, port), hint="choose another port") from error
        yield listening


def _why_not(error: OSError | OverflowError, host: str, port: int) -> str:
    if isinstance(error, OverflowError):
        return f"{port} is not a port"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program"
    return f"port {port} on {host} cannot be used: {error.strerror}"


@contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            # On Linux the file takes its mode from the socket, so there is no moment in which others may connect.
            os.fchmod(listening.fileno(), 0o600)
            listening.bind(str(path))
            listening.listen()
        except OSError as error:
            # A path too long for a socket address has no errno.
            raise ConfigInvalid(
                f"the socket {path} cannot be made: {error.strerror or error}",
                hint="its folder must exist, be writable, and its path be shorter than 108 bytes",
            ) from error
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on; never anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigInvalid(f"{path} exists and is not a socket", hint="move it away, or choose another path")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise ConfigInvalid(f"the socket {path} cannot be used: {error.strerror or error}") from error
    raise ConfigInvalid(f"another agent runs on {path}", hint="stop it first, or choose another path")
