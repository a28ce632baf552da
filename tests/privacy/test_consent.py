"""May it be collected? The one function, whole."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.consent import No, Yes, ground, may_collect, things
from privacy.consent_text import CLASSES, Kind
from privacy.policy import known_systems, policies

BOTH = ("consent", "contract")
PEOPLE = ("anna", "kari", "ola")
some = st.sets(st.sampled_from(PEOPLE))
kinds = st.sampled_from(Kind)


@given(people=some, consented=st.sets(st.tuples(st.sampled_from(PEOPLE), kinds)), known=some, kind=kinds)
def test_what_is_about_people_needs_the_consent_of_each_of_them(
    people: set[str], consented: set[tuple[str, Kind]], known: set[str], kind: Kind
) -> None:
    allowed = may_collect(kind, people, consented, BOTH, known)
    if not people:
        assert allowed == Yes("contract")
    elif all((person, kind) in consented and person in known for person in people):
        assert allowed == Yes("consent")
    else:
        assert isinstance(allowed, No)


@given(people=some, consented=st.sets(st.tuples(st.sampled_from(PEOPLE), kinds)), kind=kinds)
def test_one_who_withdraws_stops_it_whatever_the_others_say(
    people: set[str], consented: set[tuple[str, Kind]], kind: Kind
) -> None:
    for person in people:
        assert isinstance(may_collect(kind, people, consented - {(person, kind)}, BOTH, PEOPLE), No)


@given(people=some, kind=kinds)
def test_what_rests_on_another_ground_asks_nobody(people: set[str], kind: Kind) -> None:
    assert may_collect(kind, people, (), ("contract", "vital interest"), ()) == Yes("contract")
    assert may_collect(kind, people, (), ("legal duty",), ()) == Yes("legal duty")


def test_where_consent_is_the_only_ground_somebody_has_to_be_named() -> None:
    denied = may_collect(Kind.PRESENCE, (), {("kari", Kind.PRESENCE)}, ("consent",), PEOPLE)
    assert denied == No("nobody_named", "consent to who is at home is asked of people, and nobody is named")


def test_nobody_can_consent_for_whom_nobody_knows() -> None:
    consents = {(person, Kind.CAMERA) for person in PEOPLE}
    denied = may_collect(Kind.CAMERA, PEOPLE, consents, BOTH, ("kari",))
    assert isinstance(denied, No)
    assert denied.code == "unknown_person"
    assert "anna, ola, whom nobody knows here" in denied.why


def test_the_reason_names_nobody_in_the_home() -> None:
    denied = may_collect(Kind.CAMERA, PEOPLE, {("kari", Kind.CAMERA)}, BOTH, PEOPLE)
    assert isinstance(denied, No)
    assert denied.code == "not_consented"
    assert not any(person in denied.why for person in PEOPLE)


def test_consent_to_one_kind_is_none_to_another() -> None:
    for given_, asked in product(Kind, Kind):
        allowed = may_collect(asked, ("kari",), {("kari", given_)}, BOTH, PEOPLE)
        assert isinstance(allowed, Yes) == (given_ is asked)


@pytest.mark.parametrize(
    ("bases", "people", "expected"),
    [
        (("consent", "contract"), ("kari",), "consent"),
        (("contract", "consent"), ("kari",), "consent"),
        (("consent", "contract"), (), "contract"),
        (("consent",), (), "consent"),
        (("contract",), ("kari",), "contract"),
        (("employment", "vital interest"), (), "employment"),
    ],
)
def test_the_ground(bases: tuple[str, ...], people: tuple[str, ...], expected: str) -> None:
    assert ground(bases, people) == expected  # type: ignore[arg-type] # bases, as the policy has them


def test_on_every_gateway_each_kind_has_a_ground() -> None:
    for number in range(1, len(known_systems()) + 1):
        for systems in combinations(known_systems(), number):
            rules = policies(systems)
            grounds = {kind: ground(rules[CLASSES[kind]].bases, ("kari",)) for kind in Kind}
            assert grounds == {
                Kind.CAMERA: "consent",
                Kind.PRESENCE: "consent",
                Kind.POSITION: "consent",
                Kind.HISTORY: "contract",
            }


def test_each_kind_has_its_words() -> None:
    assert len({things(kind) for kind in Kind}) == len(Kind) == len(set(CLASSES.values()))
