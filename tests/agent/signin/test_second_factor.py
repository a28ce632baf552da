"""Six digits, as an authenticator makes them."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.signin.second_factor import STEP, new_secret, step_of, uri

NOON = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
SECRET = new_secret(lambda length: bytes(range(length)))
NOW = int(NOON.timestamp()) // STEP


def digits(beside: int = 0) -> str:
    """What an authenticator shows that many steps from noon."""
    return pyotp.TOTP(SECRET).at(NOON, counter_offset=beside)


def test_it_is_the_standards() -> None:
    # RFC 6238, appendix B: the last six of the eight digits.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, shown in [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")]:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        assert step_of(secret, shown, at) == seconds // STEP


def test_a_secret_has_160_bits_and_an_authenticator_can_read_it() -> None:
    assert len(SECRET) == 32
    parts = urlsplit(uri(SECRET, "kari@example.org", "Portvakt Hytta"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Portvakt Hytta:kari@example.org"
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["Portvakt Hytta"]}


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_telephones_clock_may_be_a_step_off(beside: int) -> None:
    assert step_of(SECRET, digits(beside), NOON) == NOW + beside


@pytest.mark.parametrize("beside", [-2, 2, 120, -2880])
def test_it_may_not_be_more(beside: int) -> None:
    assert step_of(SECRET, digits(beside), NOON) is None


def test_a_code_is_taken_once_and_none_before_it() -> None:
    used = step_of(SECRET, digits(), NOON)
    assert used == NOW
    assert step_of(SECRET, digits(), NOON, used) is None
    assert step_of(SECRET, digits(-1), NOON, used) is None
    assert step_of(SECRET, digits(1), NOON, used) == NOW + 1


def test_it_may_be_typed_in_groups() -> None:
    code = digits()
    assert step_of(SECRET, f" {code[:3]} {code[3:]} ", NOON) == NOW


@given(st.text(max_size=64))
def test_nothing_else_is_taken(typed: str) -> None:
    shown = {digits(beside) for beside in (-1, 0, 1)}
    assert (step_of(SECRET, typed, NOON) is None) is ("".join(typed.split()) not in shown)


def test_a_clock_that_starts_in_1970_refuses_and_does_not_fail() -> None:
    assert step_of(SECRET, digits(), datetime(1970, 1, 1, tzinfo=UTC)) is None
