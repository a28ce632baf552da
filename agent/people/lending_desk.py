"""What the two desks of lending share: in whose name, for how long, of which part of the home."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from agent.api.problems import NotPermitted
from agent.errors import Refused
from agent.people.household import HouseholdBook
from agent.rights.book import GrantBook
from agent.rights.decision import Denied
from agent.rights.grants import Actor, Reach
from agent.rights.household import Household, Person
from agent.rights.local import LOCAL_OWNER
from agent.rights.table import TABLE, Condition, Refusal
from privacy.clock import Clock
from privacy.hold import Role
from privacy.seal import RandomBytes
from privacy.store import Disk

LONGEST: Final = timedelta(days=366)
"""From start to end: a year, and what is needed for longer is lent anew."""
MOST_PLACES: Final = 100
_ID_BYTES: Final = 8


class LendingDesk:
    """The common ground of `GrantDesk` and `TokenDesk`."""

    def __init__(
        self, *, book: GrantBook, household: HouseholdBook, disk: Disk, clock: Clock, random_bytes: RandomBytes
    ) -> None:
        self._book = book
        self._household = household
        self._disk = disk
        self._clock = clock
        self._random_bytes = random_bytes

    def _new_id(self, letter: str) -> str:
        return f"{letter}{self._random_bytes(_ID_BYTES).hex()}"

    def _kept(self, put: Callable[[], bool]) -> None:
        """On the `Disk` thread."""
        if not put():
            hint = "wait until it is done; see `portvakt audit show`"
            raise Refused("ordered", "an order to erase reaches one of them", hint=hint)
        self._household.refresh()

    def _ended(self, id_: str) -> None:
        """On the `Disk` thread."""
        if not self._book.end(id_):
            raise Refused("held", "a hold keeps it", hint="see `portvakt holds`")
        self._household.refresh()


def in_name_of(household: Household, actor: Actor, named: str | None, at: datetime) -> str:
    """Who lends: who asks. The hand at the box stands for an owner: the one whom it names, or the only one.

    Raises:
        Refused: `no_giver`: there are several, or none; `not_an_owner`.
        NotPermitted: somebody else was named.
    """
    if actor != LOCAL_OWNER:
        if named not in {None, actor.person}:
            reason = TABLE.conditions[Condition.OWN]
            raise NotPermitted(reason.code, reason.why)
        return actor.person
    owners = sorted(id_ for id_, person in household.people.items() if person.owns(at))
    if named is not None:
        if named not in owners:
            raise Refused("not_an_owner", f"{named} does not own the home", hint="see `portvakt people list`")
        return named
    here = [id_ for id_ in owners if household.people[id_].lives_here(at)]
    for only in (here, owners):
        if len(only) == 1:
            return only[0]
    raise Refused("no_giver", f"the home has {len(owners) or 'no'} owners", hint="say in whose name, with --by ID")


def role_of(household: Household, person: str, at: datetime) -> Role:
    """What somebody is to the home now.

    Raises:
        Refused: `unknown_person`.
    """
    known: Person | None = household.people.get(person)
    roles = [membership.role for membership in known.memberships if membership.lasts(at)] if known else []
    if not roles:
        raise Refused("unknown_person", f"nobody here is {person}", hint="see `portvakt people list`")
    return roles[0]


def check_reach(household: Household, reach: Reach) -> None:
    """That there is what it names.

    Raises:
        Refused: `empty_scope`, `too_many`, `unknown_camera`, `unknown_room`.
    """
    places = (*reach.rooms, *reach.cameras, *reach.devices)
    if not (reach.home or places):
        raise Refused("empty_scope", "it reaches no part of the home", hint="name a camera or device, or the home")
    if len(places) > MOST_PLACES:
        raise Refused("too_many", f"it names more than {MOST_PLACES} places", hint="lend the home, or less")
    for camera in reach.cameras:
        if camera not in household.cameras:
            raise Refused("unknown_camera", f"there is no camera {camera}", hint="see `portvakt cameras list`")
    rooms = {*household.rooms, *household.devices.values(), *(one.room for one in household.cameras.values())}
    for room in reach.rooms:
        if room not in rooms:
            raise Refused("unknown_room", f"there is no room {room}", hint="name the cameras and devices in it")


def check_span(start: datetime, end: datetime) -> None:
    """That it lasts, and not for too long.

    Raises:
        Refused: `bad_range`.
    """
    if start >= end:
        raise Refused("bad_range", "it ends before it begins", hint="say until when, later than now")
    if end - start > LONGEST:
        raise Refused("bad_range", "it lasts for more than a year", hint="a year at most; lend it anew then")


def refused(denied: Denied) -> NotPermitted:
    return NotPermitted(denied.code, denied.why)


def giver_may_not() -> NotPermitted:
    return NotPermitted(Refusal.GIVER_MAY_NOT, TABLE.refusals[Refusal.GIVER_MAY_NOT])
