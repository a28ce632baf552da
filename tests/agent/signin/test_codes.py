"""Codes that are carried by hand: single-use ones, and recovery codes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.signin import codes, recovery_codes
from agent.signin.codes import ALPHABET, code_hash, find, folded, new_code, written


def test_a_code_is_120_random_bits_in_groups_of_four() -> None:
    code = new_code(lambda length: bytes(range(length)))
    assert code == "000G-40R4-0M30-E209-185G-R38E"
    assert len(folded(code)) * 5 == 120


@given(st.binary(min_size=5, max_size=20).filter(lambda data: len(data) % 5 == 0))
def test_every_bit_counts(data: bytes) -> None:
    number = 0
    for character in folded(written(data)):
        number = number * 32 + ALPHABET.index(character)
    assert number.to_bytes(len(data), "big") == data


@pytest.mark.parametrize(
    "typed",
    ["0123-ABCD-1100", "0123abcd1100", " o123 abcd iLO0 ", "O123\tABCD\u2011llo0", "0-1-2-3-A-B-C-D-1-1-0-0"],
)
def test_what_was_meant_is_read(typed: str) -> None:
    assert folded(typed) == "0123ABCD1100"
    assert code_hash(typed) == code_hash("0123ABCD1100")


@pytest.mark.parametrize("typed", ["", "-", "U123", "0123!", "æøå", "0" * 65, "\ud800", "0123\n4567"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert folded(typed) == ""
    assert code_hash(typed) == code_hash("")
    assert find([code_hash("0123")], typed) is None


@given(st.text())
def test_anything_may_be_typed(typed: str) -> None:
    assert set(folded(typed)) <= set(ALPHABET)


def test_all_that_are_kept_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        looks.append(one)
        return one == other

    monkeypatch.setattr(codes.hmac, "compare_digest", compare)
    kept = [code_hash(code) for code in ("AAAA", "BBBB", "CCCC")]
    for typed in ("AAAA", "CCCC", "DDDD"):
        looks.clear()
        find(kept, typed)
        assert looks == kept


def test_recovery_codes_are_ten_and_each_is_good_once() -> None:
    shown = recovery_codes.new_codes(os.urandom)
    assert len(set(shown)) == 10
    assert {len(folded(code)) * 5 for code in shown} == {80}
    left = recovery_codes.hashes_of(shown)
    assert not any(folded(code).encode() in hashed for code, hashed in zip(shown, left, strict=True))
    for number, code in enumerate(shown):
        after = recovery_codes.spent(left, code.lower().replace("-", " "))
        assert after is not None
        assert len(after) == 9 - number
        assert recovery_codes.spent(after, code) is None
        left = after
    assert left == ()
