"""The sockets on the LAN."""

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Final

from agent.errors import ConfigInvalid

_IP_FREEBIND: Final = 15
"""ip(7): bind to an address that this machine may get later. At boot the network comes after us. For IPv6 too."""
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - the LAN is what this is for
_IPV6: Final = 6


def listen(addresses: Sequence[str] | None, port: int) -> list[socket.socket]:
    """Listening sockets on `addresses`, whether or not this machine has them yet; None: on all, of IPv4 and IPv6.

    `port` 0 takes one that is free, the same for all.

    Raises:
        ConfigInvalid: the port cannot be had.
    """
    with ExitStack() as undo:
        sockets: list[socket.socket] = []
        for address in dict.fromkeys(addresses if addresses is not None else _ANY):
            try:
                one = undo.enter_context(_bound(address, port))
            except OSError as error:
                if addresses is None and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                    continue  # a machine without IPv6
                raise ConfigInvalid(_why_not(error, address, port), hint="choose another lan.port") from error
            port = one.getsockname()[1]
            sockets.append(one)
        undo.pop_all()
        return sockets


def _bound(address: str, port: int) -> socket.socket:
    six = ip_address(address).version == _IPV6
    with ExitStack() as undo:
        one = undo.enter_context(socket.socket(socket.AF_INET6 if six else socket.AF_INET))
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if six:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address, port))
        one.listen()
        undo.pop_all()
        return one


def _why_not(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {address} is in use by another program"
    return f"port {port} on {address} cannot be used: {error.strerror}"
