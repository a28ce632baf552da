"""May something about people be collected? One pure function, asked by everybody who collects before it begins."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from privacy.consent_text import Kind
from privacy.policy import Basis


@dataclass(frozen=True, slots=True)
class Yes:
    """It may, on this ground."""

    basis: Basis


@dataclass(frozen=True, slots=True)
class No:
    """It may not, or no more."""

    code: str
    """Stable: `nobody_named`, `unknown_person`, `not_consented`."""
    why: str
    """For people; it says of nobody in the home whether they have consented."""


Verdict = Yes | No

_THINGS: Final[Mapping[Kind, str]] = {
    Kind.CAMERA: "camera pictures",
    Kind.PRESENCE: "who is at home",
    Kind.POSITION: "positions",
    Kind.HISTORY: "readings over time",
}


def things(kind: Kind) -> str:
    """What is collected, in words."""
    return _THINGS[kind]


def ground(bases: Sequence[Basis], people: Collection[str]) -> Basis:
    """On which of a class's grounds something is collected that concerns `people`, or nobody in particular.

    Where consent is among them, it is asked of whoever is named. What names nobody rests on the other ground, if there
    is one: so a camera that the whole house shares is not stopped by one of those who live there, and a camera that is
    somebody's own is stopped by them.
    """
    others = [basis for basis in bases if basis != "consent"]
    if "consent" in bases and (people or not others):
        return "consent"
    return others[0]


def may_collect(
    kind: Kind,
    people: Collection[str],
    consents: Collection[tuple[str, Kind]],
    bases: Sequence[Basis],
    known: Collection[str],
) -> Verdict:
    """Whether collecting of this kind may begin, and go on.

    Args:
        kind: what is collected.
        people: whom it concerns, by id: all of them must have consented, where consent is the ground.
        consents: who has consented to what, and has not withdrawn it.
        bases: the grounds of what is collected, by the policy; one at least.
        known: who is in the register of people. Nobody else could consent, nor withdraw what they consented to once;
            so for them nothing is collected.
    """
    basis = ground(bases, people)
    if basis != "consent":
        return Yes(basis)
    if not people:
        return No("nobody_named", f"consent to {things(kind)} is asked of people, and nobody is named")
    if strangers := sorted(set(people) - set(known)):
        return No(
            "unknown_person",
            f"it is assigned to {', '.join(strangers)}, whom nobody knows here, so nobody can consent to"
            f" {things(kind)} for them: see `portvakt people list`",
        )
    if any((person, kind) not in consents for person in people):
        return No("not_consented", f"it waits until everybody whom it is assigned to has consented to {things(kind)}")
    return Yes(basis)
