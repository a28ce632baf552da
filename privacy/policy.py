"""How long each record class lives, and why: read from `privacy/policies/`, validated, never written here.

Each vendor's system on a gateway gives a date for a record, and so may the site; the earliest wins.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from privacy.errors import PrivacyError
from privacy.records import RecordClass

Basis = Literal["consent", "contract", "employment", "vital interest", "legal duty", "legitimate interest", "as inside"]
SITE: Final = "site"
"""Stands for a system where a site shortened a limit."""
FOLDER: Final[Traversable] = files("privacy") / "policies"
_BASE: Final = "record_classes"
_FEWEST_MONTHS: Final = 4
"""A month counts as 30 days. From four on, that is never longer than any calendar months in a row; fewer may be: from
December to February there are three of 90 days, from February to April of 89."""
_TIME: Final = re.compile(r"([1-9][0-9]{0,2}) (minute|hour|day|month|year)s?")
_UNITS: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),  # no calendar year is shorter
}
Shape = TypeVar("Shape")
Word = TypeVar("Word", bound=StrEnum)


class Event(StrEnum):
    """What a limit counts from."""

    CAPTURED = "captured"
    """When it was captured or written; of a picture, when the first of its hour was."""
    LAST_USED = "last_used"
    OUT_OF_USE = "out_of_use"
    """What it belongs to has gone: a camera, a device, a person's relation to the home."""
    CONSENT_WITHDRAWN = "consent_withdrawn"
    """Where consent was the ground on which it was kept."""
    ACKNOWLEDGED = "acknowledged"
    """The backend has said that it has it."""
    SUPERSEDED = "superseded"
    """A newer one is known."""
    ALARM_CLOSED = "alarm_closed"
    ROUTING_OFF = "routing_off"
    """Alarms no longer go to the nearest responder."""
    PERSON_GONE = "person_gone"
    """The record of the person concerned was erased."""
    READY = "ready"
    BROWSER_CLOSED = "browser_closed"
    """Unless its person asked to stay signed in."""
    INSTALLERS_LAST_USE = "installers_last_use"
    """The last use of an installer's session."""


_WORDS: Final = {
    Event.CAPTURED: "it was captured",
    Event.LAST_USED: "its last use",
    Event.OUT_OF_USE: "it goes out of use",
    Event.CONSENT_WITHDRAWN: "consent is withdrawn",
    Event.ACKNOWLEDGED: "the backend has it",
    Event.SUPERSEDED: "a newer one is known",
    Event.ALARM_CLOSED: "the alarm is closed",
    Event.ROUTING_OFF: "nearest-responder routing goes off",
    Event.PERSON_GONE: "the person's own record goes",
    Event.READY: "it is ready",
    Event.BROWSER_CLOSED: "the browser is closed",
    Event.INSTALLERS_LAST_USE: "an installer's last use",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """What one system says of one class: `time` after the event `after`, a record goes."""

    system: str
    """`smart_home` and its like, or `SITE`."""
    after: Event
    time: timedelta
    said: str
    """The time in words, as the policy's file has it."""

    def __str__(self) -> str:
        return f"{self.said} after {_WORDS[self.after]} ({self.system})"


@dataclass(frozen=True, slots=True)
class Due:
    """When a record goes, and by which limit."""

    at: datetime
    limit: Limit


@dataclass(frozen=True, slots=True)
class Policy:
    """One record class's purpose, legal bases and limits: of each event, the shortest that any system here says.

    A basis is there where any system here has it; only `consent` can be withdrawn.
    """

    record_class: RecordClass
    purpose: str
    bases: tuple[Basis, ...]
    limits: tuple[Limit, ...]
    people: tuple[str, ...]
    """Whom it is about: categories of data subjects."""
    data: tuple[str, ...]
    """What of them is in it: categories of personal data."""

    @property
    def basis(self) -> str:
        """The legal bases in words."""
        return " / ".join(self.bases)

    @property
    def limit(self) -> timedelta | None:
        """How long a record lives from its capture at the most, whatever else happens; None: while in use."""
        return next((limit.time for limit in self.limits if limit.after is Event.CAPTURED), None)

    def limit_after(self, event: Event) -> timedelta | None:
        """How long after `event` a record lives at the most; None: that limits nothing."""
        return next((limit.time for limit in self.limits if limit.after is event), None)

    def due(self, captured: datetime, events: Mapping[Event, datetime] | None = None) -> Due | None:
        """When a record goes; None while none of what its limits wait for has happened.

        Args:
            captured: when it was captured or written, aware.
            events: what has happened to it since, and when, aware. Limits that wait for other events do not count.
        """
        happened = {**(events or {}), Event.CAPTURED: captured}
        dates = [Due(happened[limit.after] + limit.time, limit) for limit in self.limits if limit.after in happened]
        return min(dates, key=lambda due: due.at, default=None)


_Word = Annotated[str, msgspec.Meta(min_length=1)]
_Words = Annotated[tuple[_Word, ...], msgspec.Meta(min_length=1)]


class _ClassRow(msgspec.Struct, forbid_unknown_fields=True):
    """A class in `record_classes.toml`."""

    purpose: Annotated[str, msgspec.Meta(min_length=1)]
    basis: Annotated[tuple[Basis, ...], msgspec.Meta(min_length=1)]
    people: _Words
    data: _Words
    limits: dict[str, str]
    ceiling: bool = True


class _Difference(msgspec.Struct, forbid_unknown_fields=True):
    """A class in a system's file."""

    limits: dict[str, str] = {}
    basis: tuple[Basis, ...] = ()
    """Empty: as in the base."""


class _SystemFile(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    about: Annotated[str, msgspec.Meta(min_length=1)]
    classes: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Base:
    """A class as it is for every system that says nothing else."""

    row: _ClassRow
    limits: Mapping[Event, Limit]

    @property
    def basis(self) -> str:
        return " / ".join(self.row.basis)


@dataclass(frozen=True, slots=True)
class _Said:
    """What one system says of one class: its own words, and the base's where it has none."""

    bases: tuple[Basis, ...]
    limits: Mapping[Event, Limit]


def known_systems(folder: Traversable = FOLDER) -> tuple[str, ...]:
    """The vendors' systems that have a policy."""
    names = [entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return tuple(sorted(name for name in names if name != _BASE))


def policies(
    systems: Sequence[str] = ("smart_home",),
    shortened: Mapping[RecordClass, timedelta] | None = None,
    folder: Traversable = FOLDER,
) -> dict[RecordClass, Policy]:
    """The policy of every record class.

    Args:
        systems: the vendors' systems on this gateway, one at least.
        shortened: what a site asks for. It counts from the event that the class's own limit in numbers counts from;
            where the class has none ("while in use"), from capture.
        folder: where the data files are.

    Raises:
        PrivacyError: a data file is wrong, a system is unknown, or a site tried to lengthen a limit.
    """
    if not systems:
        raise PrivacyError(
            "no system is named for this gateway", hint=f"name one of {', '.join(known_systems(folder))}"
        )
    bases = _bases(folder)
    said = [_said_by(system, bases, folder) for system in systems]
    combined = {}
    for class_, base in bases.items():
        every = [limit for system in said for limit in system[class_].limits.values()]
        grounds = tuple(basis for basis in base.row.basis if any(basis in system[class_].bases for system in said))
        policy = Policy(class_, base.row.purpose, grounds, _shortest(every), base.row.people, base.row.data)
        asked = (shortened or {}).get(class_)
        combined[class_] = policy if asked is None else _shortened(policy, every, asked)
    return combined


def _shortest(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """Of each event, the shortest; of equal ones, the first."""
    shortest: dict[Event, Limit] = {}
    for limit in limits:
        known = shortest.get(limit.after)
        if known is None or limit.time < known.time:
            shortest[limit.after] = limit
    return tuple(shortest.values())


def _shortened(policy: Policy, every: Sequence[Limit], asked: timedelta) -> Policy:
    name = policy.record_class
    if asked <= timedelta(0):
        raise PrivacyError(f"{name}: a site cannot keep it for {_words(asked)}", hint="a limit is longer than nothing")
    events = dict.fromkeys(limit.after for limit in every if limit.time) or {Event.CAPTURED: None}
    known = [limit for limit in policy.limits if limit.after in events]
    if known and asked > max(limit.time for limit in known):
        raise PrivacyError(
            f"{name} goes {' or '.join(map(str, known))}: a site can shorten that, never lengthen it to"
            f" {_words(asked)}",
            hint="ask for less, or leave it out",
        )
    site = [Limit(SITE, event, asked, _words(asked)) for event in events]
    return replace(policy, limits=_shortest([*policy.limits, *site]))


def _bases(folder: Traversable) -> dict[RecordClass, _Base]:
    bases = {}
    for name, value in _toml(folder, _BASE).items():
        where, class_ = f"{_BASE}.toml: {name}", _named(f"{_BASE}.toml", RecordClass, "record class", name)
        row = _shaped(
            value,
            _ClassRow,
            where,
            "a class has `purpose`, `basis`, `people`, `data` and `limits`, and may have `ceiling`",
        )
        limits = _limits(where, row.limits, _BASE)
        if not limits:
            raise PrivacyError(f"{where} has no limit", hint='such as limits = { captured = "7 days" }')
        if "consent" in row.basis and Event.CONSENT_WITHDRAWN not in limits:
            raise PrivacyError(
                f"{where} rests on consent, and does not say when it goes once that is withdrawn",
                hint='add consent_withdrawn = "at once" to its limits',
            )
        bases[class_] = _Base(row, limits)
    if missing := set(RecordClass) - bases.keys():
        raise PrivacyError(
            f"{_BASE}.toml: no policy for {', '.join(sorted(missing))}", hint="every record class needs one"
        )
    return bases


def _said_by(system: str, bases: Mapping[RecordClass, _Base], folder: Traversable) -> dict[RecordClass, _Said]:
    """Every basis and limit of one system: its own, and those of the base where it says nothing."""
    if system not in known_systems(folder):
        raise PrivacyError(
            f"there is no policy of a system {system!r}", hint=f"known: {', '.join(known_systems(folder))}"
        )
    said = {
        class_: _Said(base.row.basis, {event: replace(limit, system=system) for event, limit in base.limits.items()})
        for class_, base in bases.items()
    }
    file = _shaped(_toml(folder, system), _SystemFile, f"{system}.toml", "it has `name`, `about` and `classes`")
    for name, value in file.classes.items():
        where, class_ = f"{system}.toml: {name}", _named(f"{system}.toml", RecordClass, "record class", name)
        row = _shaped(value, _Difference, where, "a class has `limits` here, and may have `basis`")
        base = bases[class_]
        own = _limits(where, row.limits, system)
        for event, limit in own.items():
            longest = base.limits.get(event)
            if longest is not None and base.row.ceiling and limit.time > longest.time:
                raise PrivacyError(
                    f"{where}: {event} = {limit.said!r} is longer than the {longest.said!r} of {_BASE}.toml",
                    hint=f"say {longest.said!r} or less; only what has `ceiling = false` there may be longer",
                )
        if foreign := [basis for basis in row.basis if basis not in base.row.basis]:
            raise PrivacyError(
                f"{where} rests on {' / '.join(foreign)}, and in {_BASE}.toml on {base.basis}",
                hint="a system may leave out a basis, and add none",
            )
        said[class_] = _Said(row.basis or base.row.basis, {**said[class_].limits, **own})
    return said


def _limits(where: str, limits: Mapping[str, str], system: str) -> dict[Event, Limit]:
    read = {}
    for name, said in limits.items():
        event = _named(where, Event, "event", name)
        read[event] = Limit(system, event, _time(f"{where}: {name}", said), said)
    return read


def _time(where: str, said: str) -> timedelta:
    if said == "at once":
        return timedelta(0)
    match = _TIME.fullmatch(said)
    if not match:
        raise PrivacyError(
            f"{where} = {said!r} is no limit", hint='such as "at once", "72 hours", "7 days", "6 months" or "3 years"'
        )
    if match[2] == "month" and int(match[1]) < _FEWEST_MONTHS:
        raise PrivacyError(
            f"{where} = {said!r}: so few months can be shorter than 30 days each",
            hint='say it in days, such as "28 days"',
        )
    return int(match[1]) * _UNITS[match[2]]


def _named(where: str, words: type[Word], what: str, name: str) -> Word:
    try:
        return words(name)
    except ValueError as error:
        raise PrivacyError(f"{where}: there is no {what} {name!r}", hint=f"one of {', '.join(words)}") from error


def _toml(folder: Traversable, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOML's and Unicode's errors are ValueErrors
        raise PrivacyError(f"{name}.toml cannot be read: {error}", hint="install Portvakt again") from error


def _shaped(value: object, shape: type[Shape], where: str, right: str) -> Shape:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise PrivacyError(f"{where}: {error}", hint=right) from error


def _words(time: timedelta) -> str:
    seconds = time.total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} seconds"
