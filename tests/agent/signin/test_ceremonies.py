"""Questions to passkeys, and where a browser has any."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import Refused
from agent.signin.ceremonies import LIVES, Ceremonies, Site

HERE = Site("portvakt.local", "https://portvakt.local")


@pytest.fixture
def ceremonies(clock: Any) -> Ceremonies:
    drawn = iter(range(1, 1_000_000))
    return Ceremonies(clock, lambda length: next(drawn).to_bytes(length, "big"))


@pytest.mark.parametrize(
    ("address", "rp_id", "origin"),
    [
        ("https://portvakt.local", "portvakt.local", "https://portvakt.local"),
        ("https://Portvakt.local:443/#in=x", "portvakt.local", "https://portvakt.local"),
        ("https://portvakt.local:8443/", "portvakt.local", "https://portvakt.local:8443"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("http://localhost:80", "localhost", "http://localhost"),
    ],
)
def test_a_site_is_as_a_browser_says(address: str, rp_id: str, origin: str) -> None:
    assert Site.of(address) == Site(rp_id, origin)


@pytest.mark.parametrize(
    "address",
    [
        "http://portvakt.local",
        "https://192.0.2.7",
        "https://[2001:db8::7]:443",
        "http://127.0.0.1:8080",
        "https://",
        "ftp://localhost",
        "",
        "https://[",
        "https://portvakt.local:99999",
    ],
)
def test_there_are_no_passkeys_without_a_name_or_https(address: str) -> None:
    with pytest.raises(Refused) as refused:
        Site.of(address)
    assert refused.value.code == "no_passkeys_here"


def test_a_question_is_known_again_by_its_id(ceremonies: Ceremonies) -> None:
    asked = ceremonies.ask("presence", HERE, "kari")
    assert ceremonies.resumed(asked.id, "presence", HERE, "kari") == asked
    assert asked.challenge.hex() not in repr(asked)


def test_each_question_has_a_challenge_of_its_own(ceremonies: Ceremonies) -> None:
    asked = ceremonies.ask("sign-in", HERE)
    others = [
        ceremonies.ask("sign-in", HERE),
        ceremonies.resumed(asked.id, "register", HERE),
        ceremonies.resumed(asked.id, "sign-in", HERE, "kari"),
        ceremonies.resumed(asked.id, "sign-in", Site("localhost", HERE.origin)),
        ceremonies.resumed(asked.id, "sign-in", Site(HERE.rp_id, "https://portvakt.local:444")),
    ]
    challenges = {asked.challenge, *(other.challenge for other in others)}
    assert len(challenges) == 6
    assert {len(challenge) for challenge in challenges} == {32}


def test_another_run_knows_none_of_them(clock: Any) -> None:
    first, second = (Ceremonies(clock, lambda length, fill=fill: bytes([fill]) * length) for fill in (1, 2))
    asked = first.ask("sign-in", HERE)
    assert second.resumed(asked.id, "sign-in", HERE).challenge != asked.challenge


def test_asking_for_thousands_makes_nobody_forget(ceremonies: Ceremonies) -> None:
    asked = ceremonies.ask("sign-in", HERE)
    for _ in range(5000):
        ceremonies.ask("sign-in", HERE)
    assert ceremonies.resumed(asked.id, "sign-in", HERE) == asked


def test_it_is_answered_once_even_by_two_at_the_same_time(ceremonies: Ceremonies) -> None:
    asked = ceremonies.ask("sign-in", HERE)
    ceremonies.answered(ceremonies.resumed(asked.id, "sign-in", HERE))
    with pytest.raises(Refused):
        ceremonies.answered(asked)
    with pytest.raises(Refused):
        ceremonies.resumed(asked.id, "sign-in", HERE)


def test_what_was_answered_is_kept_no_longer_than_it_could_be_answered(ceremonies: Ceremonies, clock: Any) -> None:
    for _ in range(100):
        clock.move(seconds=LIVES / 4)
        ceremonies.answered(ceremonies.ask("sign-in", HERE))
    assert len(ceremonies._answered) <= 5


def test_its_time_is_not_the_wall_clocks(ceremonies: Ceremonies, clock: Any) -> None:
    asked = ceremonies.ask("sign-in", HERE)
    clock.time = clock.time.replace(year=2031)
    assert ceremonies.resumed(asked.id, "sign-in", HERE) == asked
    clock.move(seconds=LIVES)
    with pytest.raises(Refused) as refused:
        ceremonies.resumed(asked.id, "sign-in", HERE)
    assert refused.value.code == "unknown_ceremony"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id_=st.text(max_size=60) | st.binary(max_size=30).map(bytes.hex))
def test_no_other_id_is_one(ceremonies: Ceremonies, id_: str) -> None:
    with pytest.raises(Refused) as refused:
        ceremonies.resumed(id_, "sign-in", HERE)
    assert refused.value.code == "unknown_ceremony"


def test_an_id_that_is_written_otherwise_or_lasts_longer_is_none(ceremonies: Ceremonies) -> None:
    asked = ceremonies.ask("sign-in", HERE)
    ceremonies.answered(asked)
    for id_ in (asked.id.upper(), f" {asked.id}", asked.id[:-16] + "f" * 16, asked.id[:-16]):
        with pytest.raises(Refused):
            ceremonies.resumed(id_, "sign-in", HERE)
