"""The brake on guessing."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.signin.brake import FORGOTTEN, FREE, LONGEST, MOST, Brake


@pytest.fixture
def brake(clock: Any) -> Brake:
    return Brake(clock)


def guess(brake: Brake, times: int, login: str = "kari", browser: str | None = None) -> None:
    for _ in range(times):
        brake.failed(login, browser)


def test_fingers_slip(brake: Brake) -> None:
    guess(brake, FREE - 1)
    assert brake.check("kari") == 0
    guess(brake, 1)
    assert brake.check("kari") == 1


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(brake: Brake) -> None:
    guess(brake, FREE)
    waits = []
    for _ in range(13):
        waits.append(brake.check("kari"))
        guess(brake, 1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    guess(brake, 10_000)
    assert brake.check("kari") == LONGEST


def test_who_waits_may_try_again(brake: Brake, clock: Any) -> None:
    guess(brake, FREE + 3)
    clock.move(seconds=7)
    assert brake.check("kari") == pytest.approx(1)
    clock.move(seconds=1)
    assert brake.check("kari") == 0


def test_setting_the_clock_releases_nobody(brake: Brake, clock: Any) -> None:
    guess(brake, FREE + 5)
    clock.time = clock.time.replace(year=2036)
    assert brake.check("kari") == 32


def test_of_a_thousand_at_once_five_are_looked_at(brake: Brake) -> None:
    assert sum(not brake.attempt("kari") for _ in range(1000)) == FREE
    assert brake.attempt("kari") == 1


def test_strangers_do_not_slow_down_a_known_browser(brake: Brake) -> None:
    guess(brake, 1000)
    assert brake.check("kari", "her telephone") == 0
    guess(brake, FREE, browser="her telephone")
    assert brake.check("kari", "her telephone") == 1
    assert brake.check("kari", "her tablet") == 0
    assert brake.check("ola", "her telephone") == 0, "what somebody guesses there at another's is counted apart"


def test_signing_in_at_a_known_browser_gives_a_stranger_no_new_tries(brake: Brake) -> None:
    guess(brake, FREE + 4)
    guess(brake, FREE, browser="her telephone")
    brake.succeeded("kari", "her telephone")
    assert brake.check("kari", "her telephone") == 0
    assert brake.check("kari") == 16
    brake.succeeded("kari")
    assert brake.check("kari") == 0
    brake.succeeded("nobody")


def test_a_try_that_nobody_looked_at_does_not_count(brake: Brake) -> None:
    for _ in range(1000):
        assert brake.attempt("kari") == 0
        brake.withdraw("kari")
    brake.withdraw("kari")
    assert brake._buckets == {}
    guess(brake, FREE - 1)
    assert brake.check("kari") == 0


def test_a_try_that_nobody_looked_at_does_not_make_anybody_wait_again(brake: Brake, clock: Any) -> None:
    guess(brake, FREE + 20)
    clock.move(seconds=LONGEST)
    assert brake.attempt("kari") == 0
    assert brake.check("kari") == LONGEST
    brake.withdraw("kari")
    assert brake.check("kari") == 0


def test_logins_that_nobody_has_are_counted_alike(brake: Brake) -> None:
    for login in ("kari", "nobody at all"):
        guess(brake, FREE + 2, login)
    assert brake.check("kari") == brake.check("nobody at all") == 4


def test_a_day_later_it_is_forgotten(brake: Brake, clock: Any) -> None:
    guess(brake, 100)
    clock.move(seconds=FORGOTTEN)
    guess(brake, 1)
    assert brake.check("kari") == LONGEST, "not before"
    clock.move(seconds=FORGOTTEN + 1)
    guess(brake, 1)
    assert brake.check("kari") == 0


def test_memory_is_bounded_and_invented_logins_release_nobody(brake: Brake, clock: Any) -> None:
    guess(brake, FREE + 4)
    for number in range(MOST + 500):
        clock.move(seconds=0.001)
        guess(brake, 1 + number % 2, f"invented {number}")
    assert len(brake._buckets) == MOST
    assert brake.check("kari") > 0
    clock.move(seconds=60)
    guess(brake, 1)
    assert brake.check("kari") == 32, "and it is counted on"


def test_tries_that_nobody_looked_at_drive_nobody_out(brake: Brake) -> None:
    for number in range(MOST):
        guess(brake, 1, f"real {number}")
    for number in range(1000):
        brake.attempt(f"flood {number}")
        brake.withdraw(f"flood {number}")
    assert len(brake._buckets) == MOST - 1


def test_no_login_lies_there_in_the_clear(brake: Brake) -> None:
    guess(brake, 1, "kari@example.org", "browser-canary")
    held = repr([(key, vars_) for key, vars_ in brake._buckets.items()])
    assert "kari" not in held
    assert "canary" not in held


ANY = st.text(st.characters())
"""Lone surrogates too."""


@given(login=ANY, browser=st.none() | ANY)
def test_anything_may_be_a_login(login: str, browser: str | None) -> None:
    brake = Brake(StandingClock())
    assert brake.attempt(login, browser) == 0
    brake.succeeded(login, browser)
    assert sys.getsizeof(brake._buckets) < 1000


class StandingClock:
    def now(self) -> Any:
        raise AssertionError("wall time is nobody's business here")

    def monotonic(self) -> float:
        return 1.0
