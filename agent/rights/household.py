"""A household as it is at one moment: all that a decision needs to know, in opaque ids, and nothing else."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from agent.rights.actions import Action
from agent.rights.grants import Grant, Token, named
from agent.rights.table import TABLE
from privacy.errors import PrivacyError
from privacy.hold import Role

INSTALLATION: Final = timedelta(hours=4)
"""How long a camera may be in the state of being installed: for as long it gives test pictures to who mounts it."""
DWELLS: Final = frozenset({Role.OWNER, Role.RESIDENT, Role.WEARER})
"""Who can live there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """That somebody is something to the home, from `since` up to `until`."""

    role: Role
    since: datetime
    until: datetime | None = None
    lives_here: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.lives_here and self.role not in DWELLS:
            raise PrivacyError(f"a {self.role} does not live here", hint="who does is a resident, too")

    def lasts(self, at: datetime) -> bool:
        return self.since <= at and not self.ended(at)

    def ended(self, at: datetime) -> bool:
        return self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a relation to the home, or who had one."""

    id: str
    memberships: tuple[Membership, ...]
    minor: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.memberships:
            raise PrivacyError("a person is something to the home, or was", hint="give them a role")
        if self.minor and any(membership.role is Role.OWNER for membership in self.memberships):
            raise PrivacyError("a minor does not own the home", hint="make them a resident")

    def lives_here(self, at: datetime) -> bool:
        return any(membership.lives_here and membership.lasts(at) for membership in self.memberships)

    def owns(self, at: datetime) -> bool:
        return any(membership.role is Role.OWNER and membership.lasts(at) for membership in self.memberships)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera: where it is, and whose alone it is."""

    id: str
    room: str | None = None
    people: frozenset[str] = frozenset()
    """To whom it is assigned; nobody: it is shared by those who live there."""
    since: datetime | None = None
    """When it came to be theirs, or shared: what it took before is seen by nobody who did not see it then."""
    installed_from: datetime | None = None
    """When somebody began to mount it; over after `INSTALLATION`."""

    def installing(self, at: datetime) -> bool:
        return self.installed_from is not None and self.installed_from <= at < self.installed_from + INSTALLATION


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportSession:
    """Support may look in, because somebody in the house let them."""

    person: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlarm:
    """An alarm that is not closed yet, and who was called to it."""

    wearer: str
    responders: frozenset[str]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sorted:
    """What follows from a household, so that a decision looks at little."""

    grants: Mapping[tuple[str, Action], tuple[Grant, ...]]
    camera_owners: frozenset[frozenset[str]]
    room_owners: frozenset[frozenset[str]]
    cameras_since: datetime | None
    turns: Sequence[datetime]
    """When somebody moves in or out, the earliest first; between two of them the same people live there."""
    dwellers: dict[int, frozenset[str]]
    """Filled when asked, by how many of the turns are past."""


@dataclass(frozen=True, kw_only=True)
class Household:
    """Everybody, their grants, and what is whose. Made anew when anything of it changes."""

    people: Mapping[str, Person]
    rooms: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Whose alone a room is; nobody's: shared."""
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    """All of them: one that is not here is seen by nobody."""
    devices: Mapping[str, str] = field(default_factory=dict)
    """The room of a device; one that is not here is in no particular room."""
    grants: tuple[Grant, ...] = ()
    tokens: Mapping[str, Token] = field(default_factory=dict)
    support: tuple[SupportSession, ...] = ()
    alarms: tuple[OpenAlarm, ...] = ()

    def __post_init__(self) -> None:
        """Sort what a decision needs."""
        grants: dict[tuple[str, Action], list[Grant]] = defaultdict(list)
        for grant in sorted(self.grants, key=lambda grant: grant.id):
            for action in named(grant, TABLE.groups):
                grants[grant.person, action].append(grant)
        owners = [self.owners_of_camera(camera) for camera in self.cameras.values()]
        shared = frozenset[str]()
        stays = [stay for person in self.people.values() for stay in person.memberships if stay.lives_here]
        turns = sorted({turn for stay in stays for turn in (stay.since, stay.until) if turn})
        self.__dict__["_sorted"] = _Sorted(
            grants={key: tuple(found) for key, found in grants.items()},
            camera_owners=frozenset(owners) - {shared},
            room_owners=frozenset(self.rooms.values()) - {shared},
            cameras_since=max((camera.since for camera in self.cameras.values() if camera.since), default=None),
            turns=turns,
            dwellers={},
        )

    def grants_of(self, person: str, action: Action) -> tuple[Grant, ...]:
        """By id, whatever the order in which they were given here."""
        return self._known.grants.get((person, action), ())

    @property
    def camera_owners(self) -> frozenset[frozenset[str]]:
        """Whose alone any camera is."""
        return self._known.camera_owners

    @property
    def room_owners(self) -> frozenset[frozenset[str]]:
        """Whose alone any room is."""
        return self._known.room_owners

    @property
    def cameras_since(self) -> datetime | None:
        """When the last of the cameras came to be whose it is."""
        return self._known.cameras_since

    def owners_of_camera(self, camera: Camera) -> frozenset[str]:
        """Whose alone it is; nobody's: shared."""
        return camera.people | self.owners_of_room(camera.room)

    def owners_of_room(self, room: str | None) -> frozenset[str]:
        """Whose alone it is; nobody's: shared."""
        return self.rooms.get(room, frozenset()) if room else frozenset()

    def dwellers(self, at: datetime) -> frozenset[str]:
        """Who lives there."""
        known = self._known
        span = bisect_right(known.turns, at)
        if span not in known.dwellers:
            known.dwellers[span] = frozenset(person.id for person in self.people.values() if person.lives_here(at))
        return known.dwellers[span]

    def settled(self, at: datetime) -> datetime | None:
        """Since when the same people live there; None: nobody ever moved in or out before `at`."""
        span = bisect_right(self._known.turns, at)
        return self._known.turns[span - 1] if span else None

    @property
    def _known(self) -> "_Sorted":
        known: _Sorted = self.__dict__["_sorted"]
        return known


def household(people: Iterable[Person], cameras: Iterable[Camera] = ()) -> Household:
    """A household of these people and cameras, and nothing else."""
    return Household(people={person.id: person for person in people}, cameras={camera.id: camera for camera in cameras})
