"""Which addresses are told, and what becomes of a network that refuses; what others see of it is in tests/peers."""

from collections.abc import Callable
from types import SimpleNamespace

import ifaddr
import pytest
from zeroconf import NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from drivers import advertisement
from drivers.advertisement import Advertised, advertised, chosen, own_addresses
from drivers.errors import LinkLost

WHAT = Advertised("_portvakt._tcp.local.", ("Gateway-0001", "Gateway-0002"), "gateway-00010002.local", 8443, {})


def test_loopback_and_addresses_that_need_a_scope_are_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    ips = ["127.0.0.1", "192.168.1.9", "169.254.3.4", ("::1", 0, 0), ("fe80::1", 0, 2), ("fd00::2", 0, 0), "10.0.0.7"]
    adapters = [SimpleNamespace(ips=[SimpleNamespace(ip=ip) for ip in ips]), SimpleNamespace(ips=[])]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    assert own_addresses() == ("10.0.0.7", "169.254.3.4", "192.168.1.9", "fd00::2")
    assert chosen(None) == own_addresses()
    assert chosen(["192.168.1.9", "127.0.0.1", "192.168.1.10"]) == ("192.168.1.9",)


class Asked:
    """Nobody answers."""

    error: Exception | None = None

    def __init__(self, name: str) -> None:
        assert name == "gateway-00010002.local."

    async def async_request(self, *_: object) -> bool:
        if self.error:
            raise self.error
        return False

    def parsed_addresses(self) -> list[str]:
        return []


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what registering an instance raises."""
    monkeypatch.setattr(advertisement, "AddressResolver", Asked)
    monkeypatch.setattr(Asked, "error", None)

    def answers(**errors: Exception) -> None:
        async def done() -> None:
            pass

        async def register(_zeroconf: AsyncZeroconf, info: AsyncServiceInfo) -> object:
            if error := errors.get(info.name.partition(".")[0].replace("-", "_")):
                raise error
            return done()

        monkeypatch.setattr(AsyncZeroconf, "async_register_service", register)

    return answers


async def test_the_next_instance_where_the_first_is_taken(network: Callable[..., None]) -> None:
    network(Gateway_0001=NonUniqueNameException())
    async with advertised(WHAT, ["127.0.0.1"], insist=False) as standing:
        assert (standing.instance, standing.contested) == ("Gateway-0002", False)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({"Gateway_0001": NonUniqueNameException(), "Gateway_0002": NonUniqueNameException()}, "have all of the names"),
        ({"Gateway_0001": OSError("gone")}, "cannot be spoken: gone"),
    ],
)
async def test_what_cannot_be_registered(network: Callable[..., None], errors: dict[str, Exception], said: str) -> None:
    network(**errors)
    with pytest.raises(LinkLost, match=said):
        async with advertised(WHAT, ["127.0.0.1"], insist=True):
            pass


async def test_a_network_that_goes_while_we_ask(network: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "error", OSError("gone"))
    with pytest.raises(LinkLost, match="cannot be spoken: gone"):
        async with advertised(WHAT, ["127.0.0.1"], insist=True):
            pass


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(LinkLost):
        async with advertised(WHAT, ["192.0.2.200"], insist=True):
            pass
