"""Programs' tokens, from making to their end, over the real registers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.people import token_desk
from agent.rights.actions import Action, Group
from agent.rights.decision import Allowed
from agent.rights.grants import Actor, Reach
from agent.rights.lending import PROGRAMS
from agent.rights.local import LOCAL_OWNER
from agent.rights.target import HOME, Target
from agent.rights.tokens import digest_of, looked_up, new_secret
from privacy.records import Scope
from tests.agent.rights.six import DAY, MONDAY, Six, refused

SWITCH, SEE, LOOK = Action.CONTROL_DEVICES, Action.READ_DEVICES, Action.VIEW_PICTURES


async def test_a_program_does_what_it_was_let_and_no_more(six: Six) -> None:
    made = await six.make("olga", SEE)
    actor = six.household.token_of(made.secret)
    assert actor == six.tokens.token_of(made.secret) == Actor(six.ids["olga"], made.token.id)
    assert isinstance(six.asked("olga", SEE, token=made.token.id), Allowed)
    assert six.why_not("olga", SWITCH, token=made.token.id) == "token_out_of_reach"
    assert six.why_not("olga", LOOK, token=made.token.id) == "programs_may_not"
    assert six.why_not("rune", SEE, token=made.token.id) == "unknown_token"
    six.clock.pass_(3 * DAY)
    assert six.why_not("olga", SEE, token=made.token.id) == "token_ended"
    assert six.book.expire(six.clock.now(), six.time.age) == 1


async def test_a_token_never_carries_more_than_its_person(six: Six) -> None:
    made = await six.make("gro", SEE)
    assert six.why_not("gro", SEE, token=made.token.id) == "not_granted"


async def test_the_secret_is_shown_once_and_lies_nowhere(six: Six) -> None:
    made = await six.make("olga", SEE)
    assert made.secret.startswith("pv_")
    six.open()
    assert six.household.token_of(made.secret) == Actor(six.ids["olga"], made.token.id)
    (record,) = six.book.all()
    assert made.secret not in repr(record) + str(record)
    exported = b"".join(data for _, data in six.book.export(Scope(everything=True)))
    assert b"Graphs" in exported
    assert made.secret[3:].encode() not in exported


@pytest.mark.parametrize("secret", ["", "pv_", "pv_" + "0" * 32, "x" * 4096, "pv_\udcff", "pv_" + "0" * 33])
async def test_any_other_text_is_nobodys(six: Six, secret: str) -> None:
    made = await six.make("olga", SEE)
    assert six.household.token_of(secret) is None
    assert six.household.token_of(made.secret.upper()) is None
    assert six.household.token_of(made.secret + " ") is None


async def test_one_ends_ones_own_and_the_box_everybodys(six: Six) -> None:
    first, second = await six.make("olga", SEE), await six.make("olga", SWITCH)
    runes = await six.make("rune", SEE)
    assert {one.id for one in await six.tokens.all(six.actor("olga"))} == {first.token.id, second.token.id}
    assert len(await six.tokens.all(LOCAL_OWNER)) == 3
    await refused(six.tokens.end(runes.token.id, six.actor("olga")), "unknown_token")
    await refused(six.tokens.end("t0", six.actor("olga")), "unknown_token")
    await refused(six.tokens.end(first.token.id, Actor(six.ids["olga"], first.token.id)), "unknown_token")
    await six.tokens.end(first.token.id, six.actor("olga"))
    assert six.household.token_of(first.secret) is None
    await six.tokens.end(runes.token.id, LOCAL_OWNER)
    assert [one.id for one in await six.tokens.all(LOCAL_OWNER)] == [second.token.id]


async def test_the_questions_of_an_end(six: Six) -> None:
    made = await six.make("gro", SEE)
    own = Target(subjects=(six.ids["gro"],))
    assert six.tokens.asks_to_end(made.token.id, six.ids["gro"]) == [(Action.OBJECT_OWN, own)]
    assert six.tokens.asks_to_end(made.token.id, six.ids["olga"]) == [(Action.MANAGE_GRANTS, HOME)]
    assert six.tokens.asks_to_end("t0", six.ids["gro"]) == [(Action.MANAGE_GRANTS, HOME)]


async def test_tokens_go_with_their_person_and_a_grant_beside_them_stays(six: Six) -> None:
    await six.make("gro", SEE)
    await six.give("olga", "ivar", SWITCH)
    await six.people.remove(six.ids["gro"], "local")
    assert [type(one).__name__ for one in six.book.all()] == ["Given"]
    assert await six.tokens.all(LOCAL_OWNER) == ()
    assert len(await six.grants.all(LOCAL_OWNER)) == 1


async def test_a_group_is_what_programs_may_do_of_it(six: Six) -> None:
    made = await six.make("", groups=(Group.DEVICES,), reach=Reach(devices=("lamp",)))
    assert (made.token.person, made.token.name) == (six.ids["olga"], "Graphs")
    assert set(made.token.actions) == {SWITCH, SEE, Action.READ_HISTORY} <= PROGRAMS
    await refused(six.make("olga", groups=(Group.CAMERAS,)), "nothing_lent")
    await refused(six.make("olga"), "nothing_lent")
    await refused(six.make("olga", LOOK), "programs_may_not")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": "<script>"}, "bad_name"),
        ({"name": "x" * 41}, "bad_name"),
        ({"reach": Reach()}, "empty_scope"),
        ({"end": MONDAY}, "bad_range"),
        ({"end": MONDAY + 400 * DAY}, "bad_range"),
        ({"person": "p0"}, "not_own"),
    ],
)
async def test_what_makes_no_sense_is_refused(six: Six, fields: dict[str, Any], code: str) -> None:
    await refused(six.make("olga", SEE, **fields), code)
    assert six.book.all() == []


async def test_there_is_an_end_to_how_many(six: Six, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_desk, "MOST_EACH", 1)
    await six.make("olga", SEE)
    await refused(six.make("olga", SEE), "too_many")
    monkeypatch.setattr(token_desk, "MOST_TOKENS", 1)
    await refused(six.make("rune", SEE), "too_many")


@given(st.binary(min_size=20, max_size=20))
def test_a_secret_has_160_bits_and_is_found_by_itself_alone(random: bytes) -> None:
    secret = new_secret(lambda _count: random)
    assert len(secret) == 35
    known = {digest_of(secret): "t1"}
    assert looked_up(secret, known) == "t1"
    other = new_secret(lambda _count: bytes([random[0] ^ 1]) + random[1:])
    assert looked_up(other, known) is None


def test_a_digest_that_was_put_there_opens_nothing_that_is_no_secret() -> None:
    assert looked_up("hunter2", {digest_of("hunter2"): "t1"}) is None


@given(st.text(max_size=60))
def test_any_text_may_be_sent_for_a_secret(text: str) -> None:
    assert looked_up(text, {}) is None
    assert looked_up(text, {digest_of("pv_" + "0" * 32): "t1"}) in {None, "t1"}
