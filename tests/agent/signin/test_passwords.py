"""Passwords: which are good, how they are kept, and that a wrong one costs what a right one does."""

import asyncio
import os
import threading
import unicodedata
from collections.abc import Iterator
from typing import Any

import argon2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn import matching

from agent.errors import Refused
from agent.signin import passwords as module
from agent.signin.passwords import LONGEST, PI_4, SHORTEST, Cost, PasswordQueue, Passwords, check

CHEAP = Cost(passes=1, memory=8)
"""KiB: the least that Argon2 takes. What a hash costs is another test's business."""
GOOD = "korrekt hest batteri stift"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(os.urandom, CHEAP)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every verification compared with, in order."""
    seen: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, hash: str, password: str) -> bool:  # noqa: A002 - the library's name
        seen.append(hash)
        return bool(verify(self, hash, password))

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    return seen


def test_a_password_matches_itself_alone(passwords: Passwords) -> None:
    stored = passwords.hashed(GOOD)
    assert passwords.matches(stored, GOOD)
    assert not passwords.matches(stored, GOOD + " ")
    assert not passwords.matches(stored, "")
    assert GOOD not in stored


def test_salt_is_drawn_for_each(passwords: Passwords) -> None:
    assert passwords.hashed(GOOD) != passwords.hashed(GOOD)
    fixed = Passwords(lambda length: b"s" * length, CHEAP)
    assert fixed.hashed(GOOD) == fixed.hashed(GOOD)


def test_what_is_kept_is_argon2id_at_the_cost_of_a_pi() -> None:
    stored = Passwords(os.urandom).hashed(GOOD)
    assert stored.startswith("$argon2id$v=19$m=40960,t=2,p=1$")
    assert (PI_4.memory * 1024, PI_4.passes, PI_4.lanes) == (40 << 20, 2, 1)
    assert PI_4.memory <= 64 << 10


def test_who_does_not_exist_costs_what_a_wrong_password_does(passwords: Passwords, looks: list[str]) -> None:
    stored = passwords.hashed(GOOD)
    for kept in (stored, None, stored, None):
        looks.clear()
        assert not passwords.matches(kept, "wrong")
        assert len(looks) == 1, "one verification, neither more nor fewer"
        assert argon2.extract_parameters(looks[0]) == argon2.extract_parameters(stored), "at the same cost"


@pytest.mark.parametrize("stored", ["", "$2b$12$x", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$!", "æ"])
def test_what_is_no_hash_is_nobodys_password(passwords: Passwords, stored: str) -> None:
    assert not passwords.matches(stored, "")


def test_nothing_is_the_password_of_nobody(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not passwords.matches(None, "")
    monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *_: True)
    assert not passwords.matches(None, "even if somebody had guessed what it is a hash of")
    assert not passwords.matches("", "nor of an empty record")


def test_the_first_of_a_run_costs_no_more_than_the_next(passwords: Passwords, looks: list[str]) -> None:
    # The hash that nobody's password is compared with is made for whoever comes first, known or not.
    stored = Passwords(os.urandom, CHEAP).hashed(GOOD)
    passwords.matches(stored, "wrong")
    assert passwords._dummy
    dummy = passwords._dummy
    passwords.matches(None, "wrong")
    assert looks[-1] == passwords._dummy == dummy


def test_another_cost_asks_for_a_new_hash(passwords: Passwords) -> None:
    stored = passwords.hashed(GOOD)
    assert not passwords.needs_rehash(stored)
    dearer = Passwords(os.urandom, Cost(passes=2, memory=16))
    assert dearer.needs_rehash(stored)
    assert dearer.matches(stored, GOOD), "and it is the password still"
    assert not dearer.needs_rehash(dearer.hashed(GOOD))


def test_a_keyboard_does_not_matter(passwords: Passwords) -> None:
    typed = "Blåbærsyltetøy på Ærø"
    stored = passwords.hashed(unicodedata.normalize("NFD", typed))
    assert passwords.matches(stored, unicodedata.normalize("NFC", typed))


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_anything_may_be_typed(typed: str) -> None:
    passwords = Passwords(os.urandom, CHEAP)
    stored = passwords.hashed(typed)
    assert passwords.matches(stored, typed)
    assert not passwords.matches(stored, typed + "x")


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "Blåbærsyltetøy på brødskive",
        "q8#Lw!z2Vt@k",
        "x7" + "kanskje ikke så dumt likevel " * 6,
        "正確的馬電池釘書針一二三",
    ],
)
def test_a_good_one_is_taken_without_rules(password: str) -> None:
    check(password, ["Kari Nordmann", "kari@example.org", ""])


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "characters or more"),
        ("kort", "characters or more"),
        ("x" * (SHORTEST - 1), "characters or more"),
        ("æ" * (LONGEST // 2 + 1), "bytes at the most"),
        ("password12", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("qwertyuiop", "easy to guess"),
        ("1234567890" * 20, "easy to guess"),
        ("karinordmann", "easy to guess"),
        ("kari.nordmann@example.org", "easy to guess"),
        ("NORDMANN2024", "easy to guess"),
    ],
)
def test_a_bad_one_is_refused_with_what_would_help(password: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        check(password, ["Kari Nordmann", "kari.nordmann@example.org"])
    assert refused.value.code == "bad_password"
    assert said in str(refused.value)
    assert refused.value.hint
    assert not password or password not in str(refused.value)


def test_what_the_library_does_not_explain_has_a_hint_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"score": 0, "feedback": {"warning": "", "suggestions": []}}
    monkeypatch.setattr("zxcvbn.zxcvbn", lambda *_args, **_others: found)
    with pytest.raises(Refused) as refused:
        check(GOOD)
    assert refused.value.hint


def test_what_is_about_a_person_is_not_kept_by_the_library() -> None:
    check(GOOD, ["Kari Nordmann"])
    assert "user_inputs" not in matching.RANKED_DICTIONARIES


class Slow:
    """Stands for the hashing: each call waits until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.began: list[str] = []
        self.running = self.most = 0
        self._lock = threading.Lock()

    def matches(self, _stored: str | None, text: str) -> bool:
        with self._lock:
            self.began.append(text)
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.gate.acquire(timeout=20)
        with self._lock:
            self.running -= 1
        return text == "right"

    def let(self, number: int) -> None:
        self.gate.release(number)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def queue(slow: Slow) -> Iterator[PasswordQueue]:
    made = PasswordQueue(slow)  # type: ignore[arg-type]
    yield made
    slow.let(10_000)
    made.close()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_queue_says_what_passwords_say(passwords: Passwords) -> None:
    queue = PasswordQueue(passwords)
    stored = await queue.hashed(GOOD)
    assert await queue.verify(stored, GOOD)
    assert not await queue.verify(None, GOOD)
    await queue.check(GOOD, ["Kari"])
    with pytest.raises(Refused):
        await queue.check("kort")
    assert await queue.verify(stored, GOOD), "a refusal gives its turn on"
    queue.close()


async def test_of_a_thousand_at_once_one_is_looked_at_and_sixteen_wait(
    queue: PasswordQueue, slow: Slow, until: Any
) -> None:
    tries = [asyncio.create_task(queue.verify(None, str(number))) for number in range(1000)]
    await until(lambda: slow.began)
    await settled()
    busy = [one for one in tries if one.done()]
    assert len(busy) == 1000 - 1 - PasswordQueue.WAITING
    assert {one.exception().code for one in busy} == {"busy"}  # type: ignore[union-attr]
    known = asyncio.create_task(queue.verify(None, "right", known=True))
    await settled()
    assert not known.done(), "somebody who is known still finds a place"
    slow.let(1)
    await until(lambda: len(slow.began) == 2)
    assert slow.began[1] == "right", "and it is the first"
    slow.let(100)
    assert await known
    assert not any(await asyncio.gather(*(one for one in tries if one not in busy)))
    assert slow.most == 1
    assert slow.began[2:] == sorted(slow.began[2:], key=int), "the others in turn"


async def test_known_ones_are_bounded_too(queue: PasswordQueue, slow: Slow, until: Any) -> None:
    tries = [asyncio.create_task(queue.verify(None, "x", known=True)) for _ in range(100)]
    await until(lambda: slow.began)
    await settled()
    assert sum(one.done() for one in tries) == 100 - 1 - PasswordQueue.WAITING
    slow.let(100)
    await asyncio.gather(*tries, return_exceptions=True)


async def test_the_loop_is_free_meanwhile(queue: PasswordQueue, slow: Slow, until: Any) -> None:
    one = asyncio.create_task(queue.verify(None, "x"))
    await until(lambda: slow.running)
    await settled()
    assert not one.done()
    slow.let(1)
    await one


async def test_who_gives_up_leaves_the_queue_in_order(queue: PasswordQueue, slow: Slow, until: Any) -> None:
    first, second, third, fourth = (asyncio.create_task(queue.verify(None, text)) for text in ("1", "2", "3", "right"))
    await until(lambda: slow.began)
    await settled()
    second.cancel()
    await settled()
    assert second.cancelled()
    slow.let(1)
    await first
    third.cancel()  # its turn has come, or is about to
    slow.let(10)
    assert await fourth
    assert queue._free == 1


async def test_who_gives_up_just_when_it_is_their_turn_passes_it_on(
    queue: PasswordQueue, slow: Slow, until: Any
) -> None:
    slow.let(10)
    queue._free = 0
    first, second = (asyncio.create_task(queue.verify(None, text)) for text in ("1", "right"))
    await settled()
    queue._pass_on()
    first.cancel()  # between the turn and the task that has it
    assert await second
    assert first.cancelled()
    assert slow.began == ["right"]
    assert queue._free == 1


async def test_a_turn_goes_past_who_has_just_given_up(queue: PasswordQueue, slow: Slow) -> None:
    slow.let(10)
    queue._free = 0
    first, second = (asyncio.create_task(queue.verify(None, text)) for text in ("1", "right"))
    await settled()
    first.cancel()
    queue._pass_on()  # before the task of the first has run
    assert await second
    assert queue._free == 1
    only = asyncio.create_task(queue.verify(None, "right"))
    assert await only
    assert slow.began == ["right", "right"]


async def test_a_place_that_nobody_wants_is_free_again(queue: PasswordQueue, slow: Slow) -> None:
    slow.let(10)
    queue._free = 0
    one = asyncio.create_task(queue.verify(None, "1"))
    await settled()
    one.cancel()
    queue._pass_on()
    await settled()
    assert queue._free == 1
    assert await queue.verify(None, "right")


async def test_two_at_once_where_there_are_cores(slow: Slow, until: Any) -> None:
    queue = PasswordQueue(slow, at_once=2)  # type: ignore[arg-type]
    tries = [asyncio.create_task(queue.verify(None, "x")) for _ in range(5)]
    await until(lambda: slow.running == 2)
    slow.let(5)
    await asyncio.gather(*tries)
    assert slow.most == 2
    queue.close()


def test_the_words_of_a_person_are_taken_apart() -> None:
    assert set(module._words(["Kari Nordmann", "", "kari@example.org"])) >= {"kari", "nordmann", "example", "org"}
