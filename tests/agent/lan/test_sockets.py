"""The sockets on the LAN."""

import errno
import socket
from collections.abc import Callable

import pytest

from agent.errors import ConfigInvalid
from agent.lan import sockets
from agent.lan.sockets import listen


def closed(listening: list[socket.socket]) -> list[tuple[str, int]]:
    names = [one.getsockname()[:2] for one in listening]
    for one in listening:
        one.close()
    return names


def test_all_addresses_of_both_kinds_on_one_port() -> None:
    (first, port), (second, same) = closed(listen(None, 0))
    assert (first, second, same) == ("0.0.0.0", "::", port)  # noqa: S104 - what is asked for


def test_the_addresses_that_are_given_and_no_other() -> None:
    (first, _), (second, _) = closed(listen(["127.0.0.2", "127.0.0.2", "::1"], 0))
    assert (first, second) == ("127.0.0.2", "::1")


@pytest.mark.parametrize("address", ["192.0.2.77", "2001:db8::77"])
def test_an_address_that_this_machine_may_get_later(address: str) -> None:
    assert closed(listen([address], 0))[0][0] == address


def test_a_port_that_is_taken_is_named_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigInvalid, match=rf"port {port} on 127\.0\.0\.3 is in use"):
            listen(["127.0.0.2", "127.0.0.3"], port)
        closed(listen(["127.0.0.2"], port))


@pytest.mark.parametrize(("addresses", "good"), [(None, True), (["::1"], False)])
def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch, addresses: list[str] | None, *, good: bool) -> None:
    real = sockets._bound

    def bound(address: str, port: int) -> socket.socket:
        if ":" in address:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(address, port)

    monkeypatch.setattr(sockets, "_bound", bound)
    if good:
        assert len(closed(listen(addresses, 0))) == 1
    else:
        with pytest.raises(ConfigInvalid, match="cannot be used: Address family"):
            listen(addresses, 0)


def test_another_reason_is_said_on_all_addresses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(sockets, "_bound", refuse)
    with pytest.raises(ConfigInvalid, match=r"port 443 on 0\.0\.0\.0 cannot be used: Permission denied"):
        listen(None, 443)


def test_what_cannot_listen_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse: Callable[..., None] = lambda *_: (_ for _ in ()).throw(OSError(errno.EADDRINUSE, "in use"))  # noqa: E731
    monkeypatch.setattr(socket.socket, "listen", refuse)
    with pytest.raises(ConfigInvalid):  # and a socket that stays open is a warning, which is an error
        listen(["127.0.0.1"], 0)
