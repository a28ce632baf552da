"""The words of an export's readable pages, in the person's language."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from privacy.exports import Language
from privacy.policy import Basis, Event, Limit
from privacy.records import RecordClass

FOLDER: Final[Traversable] = files("privacy") / "export_texts"


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one language has. Each is a text; some have places in braces."""

    title: str
    intro: str
    gateway: str
    asked: str
    made: str
    deadline: str
    scope: str
    contents: str
    kind: str
    purpose: str
    basis: str
    limit: str
    count: str
    omitted: str
    file: str
    none: str
    held: str
    ordered: str
    unshown: str
    undated: str
    time: str
    place: str
    what: str
    others: str
    newest: str
    pictures: str
    picture: str
    page: str
    not_here: str
    rights: str
    rights_text: str
    yes: str
    no: str
    objection_refused: str
    objection_granted: str
    not_here_why: Mapping[str, str]
    classes: Mapping[RecordClass, str]
    purposes: Mapping[RecordClass, str]
    bases: Mapping[Basis, str]
    events: Mapping[Event, str]
    times: Mapping[str, str]
    members: Mapping[str, str]
    """Of records, as people read them; of others, the program's own name."""

    def limit_in_words(self, limit: Limit) -> str:
        """`7 days after it was captured`."""
        return self.events[limit.after].format(time=self._time(limit.said))

    def _time(self, said: str) -> str:
        """A time of the policy, such as `72 hours`; of `7 days` and its like."""
        number, _, unit = said.partition(" ")
        known = self.times.get(said) or self.times.get(unit.removesuffix("s"))
        return known.format(n=number) if known else said


@cache
def words_of(language: Language) -> Words:
    """All words of a language."""
    return msgspec.convert(tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8")), Words)
