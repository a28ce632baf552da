"""Whose login it is: a user name, an e-mail address or a telephone number. On the `Disk` thread, but `login_of`."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final

from agent.errors import Refused
from agent.people import contact
from agent.people.register import Person, PersonRegister
from agent.signin.credentials import Credential, Credentials, login_key

_NUMBER: Final = re.compile(r"[+(\d][\d\s()./-]{4,40}")
_USER_NAME: Final = re.compile(r"(?=.*[^\W\d_])[\w.-]{3,32}")
"""With a letter in it, and without what an address has: it is neither."""


async def login_of(typed: str) -> str:
    """`typed` in the one form in which it is counted and compared. One number in two writings is one login."""
    key = login_key(typed)
    if not _NUMBER.fullmatch(key):
        return key
    try:
        # In a thread: the library's tables are read by the first who needs them.
        return await asyncio.to_thread(contact.phone, key)
    except Refused:
        return key


def user_name(typed: str) -> str:
    """`typed` as a user name.

    Raises:
        Refused: `bad_login`.
    """
    key = login_key(typed)
    if not _USER_NAME.fullmatch(key):
        raise Refused(
            "bad_login",
            "a user name has 3 to 32 letters, digits, dots, hyphens or underscores, and a letter among them",
            hint="or leave it empty, and sign in with an e-mail address or a telephone number",
        )
    return key


class Lookup:
    """Looks at everybody, always, so that nobody learns from the time it takes whether there is one."""

    def __init__(self, people: PersonRegister, credentials: Credentials) -> None:
        self._people = people
        self._credentials = credentials

    def by_login(self, login: str) -> Credential | None:
        """How the person signs in who has that login (`login_of`); None: nobody who is known here.

        Where several people have one address, it is that of the first of them who can sign in.
        """
        everybody = self._people.unreached()
        known = {person.id for person in everybody}
        reached = [person.id for person in sorted(everybody, key=lambda one: one.at) if login in _addresses(person)]
        # Where nobody has it, it is looked for all the same.
        able = [one for one in map(self._credentials.of, reached or [""]) if one and one.password]
        found = self._credentials.by_login(login, able[0].person if able else None)
        return found if found and found.person in known else None

    def named(self, login: str, name: str) -> Person | None:
        """The one person who has that login (`login_of`), or else is called that; None: nobody, or several.

        Anybody may be called like another: who has a login of their own is not shut out by that.
        """
        people = self._people.unreached()
        found = self._credentials.by_login(login)
        called = name.casefold().split()
        reached = [one for one in people if login in _addresses(one) or (found and found.person == one.id)]
        meant = reached or [one for one in people if one.name.casefold().split() == called]
        return meant[0] if len(meant) == 1 else None

    def clashes(self, login: str, person: Person) -> bool:
        """Whether another could be meant by `login`, or by what `person` signs in with where that is empty."""
        if login:
            found = self._credentials.by_login(login)
            return found is not None and found.person != person.id
        owned = [self.by_login(address) for address in _addresses(person)]
        return bool(owned) and all(one is not None and one.person != person.id for one in owned)

    def person(self, id_: str) -> Person | None:
        """Somebody whom no order reaches."""
        return next((person for person in self._people.unreached() if person.id == id_), None)


def _addresses(person: Person) -> Iterable[str]:
    return [login_key(address) for address in (person.email, person.phone) if address]
