"""Everybody whose ids, names and addresses must not leave in another person's export: all whom the register knows."""

from agent.people.register import Person, PersonRegister
from agent.signin.credentials import Credentials
from privacy.export_others import Others, Someone
from privacy.records import Scope


class KnownPeople:
    """Called on the `Disk` thread."""

    def __init__(self, register: PersonRegister, credentials: Credentials) -> None:
        self._register = register
        self._credentials = credentials

    def __call__(self, scope: Scope) -> Others:
        """Everybody whom an export of `scope` is not about; also who has left, and whom a hold hides."""
        logins = self._credentials.logins()
        people = [_someone(person, logins.get(person.id, "")) for person in self._register.unreached()]
        known = {person.id for person in people}
        own = [person for person in people if person.id in scope.subjects]
        own += [Someone(id_, "person") for id_ in scope.subjects if id_ not in known]
        return Others(own, [person for person in people if person.id not in scope.subjects])


def _someone(person: Person, login: str) -> Someone:
    contacts = tuple(filter(None, (person.email, person.phone, login)))
    return Someone(person.id, person.role, (person.name,), contacts)
