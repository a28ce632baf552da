import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from privacy.keyring import KeyRing
from privacy.orders import Claims, Form, Ground, sign_order
from privacy.records import Scope
from privacy.seal import Keys
from privacy.signing import SigningKey, Trust
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

GATEWAY = "gw-1/1"


class FixedClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def move(self, **step: float) -> None:
        self.time += timedelta(**step)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def keys() -> Keys:
    return Keys(bytes(range(32)))


@pytest.fixture
def slots() -> MemorySlots:
    return MemorySlots()


@pytest.fixture
def open_ring(tmp_path: Path, slots: MemorySlots) -> Callable[[], KeyRing]:
    """Opens the one key ring of this test, anew with each call."""
    return lambda: KeyRing.open(tmp_path / "keys", slots, os.urandom)


@pytest.fixture
def ring(open_ring: Callable[[], KeyRing]) -> KeyRing:
    return open_ring()


@pytest.fixture
def keeper(clock: FixedClock) -> TimeKeeper:
    """Knows the time of `clock`, in a boot of long ago."""
    keeper = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
    keeper.witness(clock.now(), Witness.PERSON)
    return keeper


@pytest.fixture(scope="session")
def issuer_key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def gateway_key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def trust(issuer_key: SigningKey) -> Trust:
    return Trust.from_jwks({"keys": [{**issuer_key.public_jwk(), "issuer": "cloud"}]})


@pytest.fixture
def order_text(issuer_key: SigningKey, clock: FixedClock) -> Callable[..., str]:
    """Makes the JWS of an order; any claim can be overridden."""
    numbers = itertools.count(1)

    def make(**claims: Any) -> str:
        number = next(numbers)
        now = int(clock.now().timestamp())
        fields: dict[str, Any] = {
            "iss": "cloud",
            "aud": GATEWAY,
            "jti": f"0197a000-0000-7000-8000-{number:012d}",
            "seq": number,
            "iat": now,
            "exp": now + 86_400,
            "form": Form.POINT,
            "ground": Ground.OWNERS_CHOICE,
            "scope": Scope(cameras=("front",)),
        }
        return sign_order(issuer_key, Claims(**{**fields, **claims}))

    return make
