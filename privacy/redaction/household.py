"""What the household itself knows of its people and things: found in any case, spelling and order."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from privacy.errors import RedactionRefused
from privacy.redaction.detectors.contact import canonical_phone
from privacy.redaction.detectors.network import canonical_ip
from privacy.redaction.engine import Detector, Finding, Match, literal
from privacy.redaction.labels import Label
from privacy.redaction.shadow import fold

Text = str | int | None


class KnownPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person of the household; every field is optional."""

    first: Text = None
    last: Text = None
    name: Text = None
    login: Text = None
    email: Text = None
    phone: Text = None
    fnr: Text = None
    bank: Text = None
    card: Text = None


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The household's own values; every key is optional. An unknown key is refused: it may be a slip that leaks."""

    people: Sequence[KnownPerson] = ()
    addresses: Sequence[Text] = ()
    ssids: Sequence[Text] = ()
    psks: Sequence[Text] = ()
    macs: Sequence[Text] = ()
    ipv4: Sequence[Text] = ()
    ipv6: Sequence[Text] = ()
    serials: Sequence[Text] = ()
    plates: Sequence[Text] = ()
    passwords: Sequence[Text] = ()
    pins: Sequence[Text] = ()
    gps: Sequence[tuple[float, float]] = ()

    @classmethod
    def read(cls, path: Path) -> "Registry":
        """Read a registry from a JSON file.

        Raises:
            RedactionRefused: it cannot be read or is no registry; the message never holds a value of it.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise RedactionRefused(f"cannot read the registry {path}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RedactionRefused(
                f"{path} is not a registry: {_first_line(error)}",
                hint=f"a JSON object with any of: {', '.join(cls.__struct_fields__)}",
            ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


_ALSO_WORDS = frozenset(
    b"are art ask bo dag do even falk gro jo leif liv mac mai mark max may my odd per roar rose sol stein storm ulv"
    b" var varg vidar will".split()
)
"""First names that are words: only with a capital, or beside the last name."""

_EDGE = rb"(?:^|[^0-9A-Za-z\xfe])"
_END = rb"(?:[^0-9A-Za-z\xfe]|$)"
_BETWEEN = rb"[^0-9A-Za-z\xfe]{0,3}"
_BETWEEN_DIGITS = rb"[ .\-()/]{0,2}"
_BETWEEN_PAIRS = rb"[:.\-_ ]{0,1}"
_SPELLED_OUT: tuple[dict[int, str], ...] = (
    {},
    str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "ä": "ae", "ö": "oe", "ü": "ue"}),
)
_SHORTEST_INSIDE = 6
"""Passwords and serial numbers at least so long are found inside longer words too."""


class Household:
    """Detectors for the values of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._patterns: defaultdict[Label, set[bytes]] = defaultdict(set)
        self._inside: defaultdict[Label, set[bytes]] = defaultdict(set)
        self._spellings: dict[tuple[Label, bytes], str] = {}
        for person in registry.people:
            self._add_person(person)
        self._add_things(registry)
        self._add_network(registry)
        for position in registry.gps:
            self._add_position(position)

    def detectors(self) -> Iterator[Detector]:
        """One detector a label, and one more for what is looked for inside words."""
        for label, patterns in self._patterns.items():
            pattern = _EDGE + rb"((?i:" + _any_of(patterns) + rb"))(?:'?s)?" + _END
            yield Detector(f"household-{label}", pattern, self._judge(label))
        for label, patterns in self._inside.items():
            yield Detector(f"household-{label}-inside", rb"(?i)(" + _any_of(patterns) + rb")", self._judge(label))

    def _judge(self, label: Label) -> "_Known":
        return _Known(label, self._spellings)

    def _add_person(self, person: KnownPerson) -> None:
        first, last = _text(person.first), _text(person.last)
        name = _text(person.name) or f"{first} {last}".strip()
        for part in {*first.split(), *last.split(), *name.split()}:
            self._add_name(part, capital_only=fold(part).lower() in _ALSO_WORDS and part not in last.split())
        for spelled in _orders(first, last, name):
            self._add_words(Label.NAME, spelled, name)
        for login in _given([person.login]):
            self._add_words(Label.LOGIN, login)
        for email in _given([person.email]):
            self._add_email(email)
        for phone in _given([person.phone]):
            self._add_phone(phone)
        for label, number in ((Label.NATIONAL_ID, person.fnr), (Label.ACCOUNT, person.bank), (Label.CARD, person.card)):
            for value in _given([number]):
                self._add_joined(label, value, value)

    def _add_things(self, registry: Registry) -> None:
        streets = [part for value in _given(registry.addresses) for part in value.split(",") if len(part.split()) > 1]
        for label, values in (
            (Label.ADDRESS, [*registry.addresses, *streets]),
            (Label.SSID, registry.ssids),
            (Label.PLATE, registry.plates),
        ):
            for value in _given(values):
                self._add_words(label, value)
        for label, values in (
            (Label.PASSWORD, [*registry.psks, *registry.passwords]),
            (Label.PIN, registry.pins),
            (Label.SERIAL, registry.serials),
        ):
            for value in _given(values):
                self._add_exact(label, value)

    def _add_network(self, registry: Registry) -> None:
        for value in _given(registry.macs):
            digits = _key(fold(value))
            pairs = [literal(digits[i : i + 2]) for i in range(0, len(digits), 2)]
            self._add(Label.MAC, _BETWEEN_PAIRS.join(pairs), digits, digits.decode("latin-1"))
        for value in _given([*registry.ipv4, *registry.ipv6]):
            self._add(Label.IP, literal(fold(value)), fold(value), canonical_ip(value) or value.lower())

    def _add_position(self, position: tuple[float, float]) -> None:
        for degrees in position:
            whole, _, decimals = str(abs(degrees)).partition(".")
            if len(decimals) > 1:
                self._patterns[Label.POSITION].add(rb"-?" + f"{whole}[.,]{decimals[:3]}[0-9]*".encode())

    def _add_name(self, name: str, *, capital_only: bool) -> None:
        if len(name) < 2:  # noqa: PLR2004 - an initial
            return
        for spelled in _spellings(name):
            pattern = literal(spelled)
            if capital_only:
                pattern = rb"(?-i:" + literal(spelled.capitalize()) + rb"|" + literal(spelled.upper()) + rb")"
            self._add(Label.NAME, pattern, spelled, name.casefold())

    def _add_words(self, label: Label, value: str, means: str | None = None) -> None:
        """`value` with anything short, or nothing, between its words and numbers."""
        for spelled in _spellings(value):
            words = re.findall(rb"[0-9]+|[A-Za-z\xfe]+", spelled)
            if words:
                self._add(label, _BETWEEN.join(map(literal, words)), spelled, (means or value).casefold())

    def _add_exact(self, label: Label, value: str) -> None:
        for spelled in _spellings(value):
            where = self._inside if len(spelled) >= _SHORTEST_INSIDE else self._patterns
            where[label].add(literal(spelled))
            self._spellings.setdefault((label, _key(spelled)), value.casefold())

    def _add_joined(self, label: Label, value: str, means: str) -> None:
        """Digits with anything that people put between them."""
        characters = [literal(bytes([c])) for c in _key(fold(value))]
        if characters:
            self._add(label, _BETWEEN_DIGITS.join(characters), fold(value), means)

    def _add_email(self, value: str) -> None:
        self._add(Label.EMAIL, literal(fold(value)), fold(value), fold(value).lower().decode("latin-1"))
        local = value.partition("@")[0]
        # Short ones are words; and a name has its own pseudonym already.
        if len(local) > 3 and (Label.NAME, _key(fold(local))) not in self._spellings:  # noqa: PLR2004
            self._add_words(Label.LOGIN, local)

    def _add_phone(self, value: str) -> None:
        canonical = canonical_phone(value)
        self._add_joined(Label.PHONE, value, canonical)
        national = canonical.removeprefix("47")
        if len(national) < len(canonical):
            abroad = rb"(?:(?:\+|00)?47" + _BETWEEN_DIGITS + rb")?"
            pattern = abroad + _BETWEEN_DIGITS.join(literal(digit.encode()) for digit in national)
            for prefix in ("", "47", "0047"):
                self._add(Label.PHONE, pattern, (prefix + national).encode(), canonical)

    def _add(self, label: Label, pattern: bytes, spelled: bytes, means: str) -> None:
        self._patterns[label].add(pattern)
        self._spellings.setdefault((label, _key(spelled)), means)


def _orders(first: str, last: str, name: str) -> Iterator[str]:
    """How people and programs write a whole name."""
    if len(name.split()) > 1:
        yield name
    if first and last:
        yield from (f"{first} {last}", f"{last} {first}", f"{first[0]} {last}", f"{last} {first[0]}")


class _Known:
    """The judge of the household's detectors: says which value a hit is."""

    def __init__(self, label: Label, spellings: dict[tuple[Label, bytes], str]) -> None:
        self._label = label
        self._spellings = spellings

    def __call__(self, match: Match, data: bytes) -> Finding:
        start, end = match.start(1), match.end(1)
        key = _key(data[start:end])
        return Finding(start, end, self._label, self._spellings.get((self._label, key)) or key.decode("latin-1"))


def _key(spelled: bytes) -> bytes:
    return re.sub(rb"[^0-9a-z\xfe]", b"", spelled.lower())


def _any_of(patterns: Iterable[bytes]) -> bytes:
    # RE2 takes the first alternative that fits; the longest first, so that a whole name goes before its parts.
    longest_first: list[bytes] = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))
    return b"|".join(longest_first)


def _spellings(value: str) -> set[bytes]:
    """Folded, with ø spelled out as oe, and as it looks after being read in the wrong encoding."""
    spelled = {fold(value.lower().translate(table)) for table in _SPELLED_OUT}
    if not value.isascii():
        for case in (value, value.lower(), value.upper()):
            for wrong in ("latin-1", "cp1252"):
                spelled.add(fold(case.encode().decode(wrong, "replace")).lower())
    return {s for s in spelled if s.strip()}


def _text(value: Text) -> str:
    return "" if value is None else str(value).strip()


def _given(values: Iterable[Text]) -> Iterator[str]:
    return (text for value in values if (text := _text(value)))
