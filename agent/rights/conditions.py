"""How each condition of the table is found out. Pure; nothing here allows anything by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.rights.actions import Group
from agent.rights.household import Household, Person
from agent.rights.table import Condition, Row
from agent.rights.target import Target
from privacy.hold import Role
from privacy.records import RecordClass

PERSONAL: Final = frozenset(
    {
        RecordClass.PRESENCE,
        RecordClass.PERSON,
        RecordClass.LOCATION,
        RecordClass.WEARER_POSITION,
        RecordClass.VISIT,
        RecordClass.ACTIVITY,
        RecordClass.CONSENT,
        RecordClass.WEB_SESSION,
        RecordClass.EXPORT,
    }
)
"""Each record of these is one person's: whoever names none of them means everybody's."""


@dataclass(frozen=True, slots=True)
class Case:
    """One question: may this person do this, to that, now?"""

    household: Household
    person: Person
    row: Row
    target: Target
    at: datetime

    @property
    def classes(self) -> tuple[RecordClass, ...]:
        """What kinds of record it is about; none: of all kinds, or of none."""
        return self.target.classes or self.row.classes

    @property
    def personal(self) -> bool:
        """Whether it is about records of which each is one person's, and names neither person nor place."""
        if self.target.subjects or self.target.placed:
            return False
        if self.classes:
            return not PERSONAL.isdisjoint(self.classes)
        return self.row.group in {Group.ERASING, Group.HOLDS}

    def concerned(self) -> frozenset[str]:
        """Everybody whom it concerns, as far as it can be known from here."""
        household, target = self.household, self.target
        if target.subjects:
            people = frozenset(target.subjects)
        elif self.personal:
            people = frozenset(household.people)
        else:
            owners = [self._owners_of_camera(camera) for camera in target.cameras]
            owners += [household.owners_of_room(room) for room in self._rooms()]
            people = frozenset[str]().union(*owners) if owners and all(owners) else household.dwellers(self.at)
        return people | frozenset(target.also)

    def owners(self) -> list[frozenset[str]]:
        """Of every place that it names, whose alone that is."""
        owners = [self._owners_of_camera(camera) for camera in self.target.cameras]
        return owners + [self.household.owners_of_room(room) for room in self._rooms()]

    def _owners_of_camera(self, camera: str) -> frozenset[str]:
        known = self.household.cameras.get(camera)
        return self.household.owners_of_camera(known) if known else frozenset()

    def _rooms(self) -> list[str | None]:
        return [*self.target.rooms, *(self.household.devices.get(device) for device in self.target.devices)]


def _alone(case: Case) -> bool:
    return case.household.dwellers(case.at) <= {case.person.id}


def _own(case: Case) -> bool:
    if case.target.subjects:
        return all(subject == case.person.id for subject in case.target.subjects)
    owners = case.owners()
    return bool(owners) and all(people == {case.person.id} for people in owners)


def _not_anothers(case: Case) -> bool:
    return not any(finds(case) for finds in _ANOTHERS)


def _of_another(case: Case) -> bool:
    subjects = set(case.target.subjects) - {case.person.id}
    return not subjects.isdisjoint(case.household.people)


def _of_everybody(case: Case) -> bool:
    return case.personal and len(case.household.people) > 1


def _of_a_wearer(case: Case) -> bool:
    if RecordClass.ALARM not in case.classes or case.target.subjects:
        return False
    others = (person for person in case.household.people.values() if person.id != case.person.id)
    return any(membership.role is Role.WEARER for person in others for membership in person.memberships)


def _in_a_place(case: Case) -> bool:
    return any(people and case.person.id not in people for people in case.owners())


def _in_some_place(case: Case) -> bool:
    """Who names no place means all: of cameras and rooms, by what it is about."""
    if case.target.placed or case.target.subjects:
        return False
    owners = frozenset[frozenset[str]]()
    if not case.classes or RecordClass.SNAPSHOT in case.classes:
        owners |= case.household.camera_owners
    if not case.classes or RecordClass.SENSOR_HISTORY in case.classes:
        owners |= case.household.room_owners
    return any(case.person.id not in people for people in owners)


_ANOTHERS: Final = (_of_another, _of_everybody, _of_a_wearer, _in_a_place, _in_some_place)
"""The ways in which something is another person's alone."""


def _no_account(case: Case) -> bool:
    subjects = case.target.subjects
    return bool(subjects) and case.household.people.keys().isdisjoint(subjects)


def _spares_owners(case: Case) -> bool:
    others = (case.household.people.get(subject) for subject in case.target.subjects if subject != case.person.id)
    return not any(person.owns(case.at) for person in others if person)


def _installing(case: Case) -> bool:
    known = [case.household.cameras.get(camera) for camera in case.target.cameras]
    shared = [camera for camera in known if camera and not case.household.owners_of_camera(camera)]
    return bool(known) and len(shared) == len(known) and all(camera.installing(case.at) for camera in shared)


def _alarm_open(case: Case) -> bool:
    called = {
        alarm.wearer for alarm in case.household.alarms if alarm.since <= case.at and case.person.id in alarm.responders
    }
    return bool(called) and called.issuperset(case.target.subjects) and not case.personal


def _session_open(case: Case) -> bool:
    return any(
        session.person == case.person.id and session.start <= case.at < session.end
        for session in case.household.support
    )


HOLDS: Final[Mapping[Condition, Callable[[Case], bool]]] = {
    Condition.LIVES_HERE: lambda case: case.person.lives_here(case.at),
    Condition.ALONE: _alone,
    Condition.VACANT: lambda case: not case.household.dwellers(case.at),
    Condition.ADULT: lambda case: not case.person.minor,
    Condition.OWN: _own,
    Condition.NOT_ANOTHERS: _not_anothers,
    Condition.NO_ACCOUNT: _no_account,
    Condition.SPARES_OWNERS: _spares_owners,
    Condition.INSTALLING: _installing,
    Condition.ALARM_OPEN: _alarm_open,
    Condition.SESSION_OPEN: _session_open,
}
"""Whether each holds."""
