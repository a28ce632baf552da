"""What signing in is made of, handed from one of its desks to the next; and what it tells others."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent.api.contract import PersonBody, PersonView
from agent.people.register import PersonRegister
from agent.rights.household import Household
from agent.signin.brake import Brake
from agent.signin.button import Button
from agent.signin.claim import Claim
from agent.signin.contract import Way
from agent.signin.credentials import Credentials
from agent.signin.passkeys import Passkeys
from agent.signin.passwords import PasswordQueue, Passwords
from agent.signin.sessions import Sessions
from privacy.clock import Clock
from privacy.entries import Entry
from privacy.hold import Role
from privacy.seal import RandomBytes
from privacy.store import Disk

What = Literal[
    "claim",
    "sign_in",
    "sign_out",
    "end_session",
    "show_presence",
    "set_password",
    "add_passkey",
    "remove_passkey",
    "set_second_factor",
    "remove_second_factor",
    "make_recovery_codes",
    "make_link",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that the person concerned is told of. Of a login that nobody has there is nobody to tell."""

    at: datetime
    what: What
    person: str
    """Whom it concerns."""
    by: str
    """Who did it: the same, or another; of what was refused, whoever it was that came as them."""
    code: str = ""
    """Why it was refused; empty: it was done."""
    way: Way | None = None


Note = Callable[[Happened], Awaitable[None]]
"""Write something into the log of what was done; returns when it is durable."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Made once by the composition root."""

    gateway: str
    """The id, for who has signed in."""
    credentials: Credentials
    sessions: Sessions
    people: PersonRegister
    add_person: Callable[[PersonBody, str], Awaitable[PersonView]]
    household: Callable[[], Household]
    """As it is now, the person included whom `add_person` has just added."""
    claim: Claim
    button: Button
    passwords: Passwords
    queue: PasswordQueue
    brake: Brake
    passkeys: Passkeys
    disk: Disk
    clock: Clock
    certain: Clock
    """What a code ends by; see `agent.timewatch.CertainClock`."""
    random_bytes: RandomBytes
    record: Callable[[Entry], None]
    note: Note
    address: Callable[[], str]
    """Of the page, as people reach it: `https://…` where there is one, without a slash at the end."""


def roles_of(household: Household, person: str, at: datetime) -> tuple[Role, ...] | None:
    """What somebody is to the home, sorted; nothing: they have left. None: nobody knows them (any more).

    What has not begun by the clock counts: a clock that was set back ends no session.
    """
    known = household.people.get(person)
    if known is None:
        return None
    return tuple(sorted({one.role for one in known.memberships if not one.ended(at)}))


def owned(household: Household, at: datetime) -> bool:
    """Whether the gateway belongs to somebody now; as `roles_of`."""
    return any(Role.OWNER in (roles_of(household, person, at) or ()) for person in household.people)
