"""Another person's data in an export: who somebody else is, is not told; only that it was somebody, and in what role.

The rule. What concerns several people is exported to each of them, as it was: a picture shows whom it shows. But no
other person's id, name, address or number leaves with it. In their place stands a word such as `other-resident-1`, the
same for the same person all through one export; of whom nobody knows any more, `other-person`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

SECRETS: Final = frozenset(
    {"password", "secret", "second", "seed", "totp", "recovery", "codes", "pin", "key", "private_key", "token_sha256"}
)
"""Members that never leave, whichever store they came from: an export is for reading, and opens nothing."""
_SOMEBODY: Final = "other-person"
_AN_ID: Final = r"p[0-9a-f]{16}"
"""As the register of people makes them: of somebody who is not in it any more."""
_SHORTEST: Final = 3
"""Letters of a part of a name that is looked for by itself, as in `Olas lampe`."""
_NUMBER_DIGITS: Final = 8
"""Of a Norwegian telephone number, which people also write without the country."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person, and the words by which they are known."""

    id: str
    role: str
    names: tuple[str, ...] = ()
    """What they are called; parts of it count, too."""
    contacts: tuple[str, ...] = ()

    def words(self) -> set[str]:
        """All of that, in small letters."""
        names = {name.casefold() for name in self.names}
        parts = {part for name in names for part in re.split(r"[\s-]+", name) if len(part) >= _SHORTEST}
        contacts = {contact.casefold() for contact in self.contacts}
        local = {each[-_NUMBER_DIGITS:] for each in contacts if each.startswith("+47")}
        return {self.id.casefold(), *names, *parts, *contacts, *local} - {""}


class Others:
    """Everybody but those whose export it is."""

    def __init__(self, own: Iterable[Someone], others: Iterable[Someone]) -> None:
        own = tuple(own)
        self._own_ids = {person.id.casefold() for person in own}
        self._own = {word for person in own for word in person.words()}
        self._alias: dict[str, str] = {}
        """By word, in small letters."""
        self._ids: set[str] = set()
        counts: dict[str, int] = {}
        for person in others:
            counts[person.role] = counts.get(person.role, 0) + 1
            alias = f"other-{person.role}-{counts[person.role]}"
            self._ids.add(person.id.casefold())
            # A family name that is one's own as well tells nothing; whose it is besides, nobody learns.
            for word in sorted(person.words() - self._own):
                self._alias.setdefault(word, alias)
        self._pattern = self._compiled()

    def learn(self, subjects: Iterable[str]) -> int:
        """Whom a record concerns, by id; returns how many of them are others."""
        others = [id_ for id_ in subjects if id_.casefold() not in self._own_ids]
        new = [id_ for id_ in others if id_.casefold() not in self._alias]
        if new:
            self._ids |= {id_.casefold() for id_ in new}
            self._alias |= {id_.casefold(): _SOMEBODY for id_ in new}
            self._pattern = self._compiled()
        return len(others)

    def hidden(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """`value`, of JSON, without others and without secrets."""
        match value:
            case str():
                return self._pattern.sub(self._in_place, value)
            case list():
                return [self.hidden(each) for each in value]
            case dict():
                # Names of members are this program's words, unless one is an id: somebody may be called Data.
                return {self._member(name): self.hidden(each) for name, each in value.items() if name not in SECRETS}
            case _:
                return value

    def _member(self, name: str) -> str:
        return self._alias.get(name.casefold(), name) if name.casefold() in self._ids else name

    def _in_place(self, found: re.Match[str]) -> str:
        word = found["word"].casefold()
        return found[0] if word in self._own_ids else self._alias.get(word, _SOMEBODY)

    def _compiled(self) -> re.Pattern[str]:
        # The longest first: a name before its parts.
        words = sorted(map(re.escape, self._alias), key=len, reverse=True)
        # Norwegian and English genitives: Olas, Ola's.
        return re.compile(rf"(?<!\w)(?P<word>{'|'.join([*words, _AN_ID])})(?:['\u2019]?s)?(?!\w)", re.IGNORECASE)
