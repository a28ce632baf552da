"""What people are asked before something about them is collected: texts as data, in numbered versions.

One file a kind of collecting, `privacy/consent_texts/<kind>.toml`:

    basis        the ground that its words speak of: "consent", or another, where nobody is asked
    counts_from  consent to this version or a later one counts; to an earlier one it has to be asked for anew
    versions     upwards from 1, the last one is shown: `number`, and in `nb` and `en` a `Text` each
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Final, Literal, get_args

import msgspec

from privacy.errors import PrivacyError
from privacy.policy import Basis, Policy
from privacy.records import RecordClass
from privacy.seal import sha256_hex

FOLDER: Final[Traversable] = files("privacy") / "consent_texts"
Language = Literal["nb", "en"]
"""Bokmål and English (RFC 5646)."""
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Kind(StrEnum):
    """A kind of collecting that people are asked about, or told of."""

    CAMERA = "camera"
    PRESENCE = "presence"
    POSITION = "position"
    """Of a responder. A wearer's rests on their contract and their life, and is no consent's to allow."""
    HISTORY = "history"


CLASSES: Final[Mapping[Kind, RecordClass]] = {
    Kind.CAMERA: RecordClass.SNAPSHOT,
    Kind.PRESENCE: RecordClass.PRESENCE,
    Kind.POSITION: RecordClass.LOCATION,
    Kind.HISTORY: RecordClass.SENSOR_HISTORY,
}
"""What each kind collects, and what goes once consent to it is withdrawn."""

_Words = Annotated[str, msgspec.Meta(min_length=3, max_length=400, pattern=r"^[^\x00-\x1f<>]+$(?!\n)")]
"""Plain and short, on one line: nobody reads more."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version in one language."""

    title: _Words
    what: _Words
    why: _Words
    how_long: _Words
    withdraw: _Words


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version, in both languages."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    nb: Text
    en: Text

    def text(self, language: Language) -> Text:
        return self.nb if language == "nb" else self.en


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    basis: Basis
    counts_from: Annotated[int, msgspec.Meta(ge=1)]
    versions: Annotated[tuple[Version, ...], msgspec.Meta(min_length=1)]


class Texts(msgspec.Struct, frozen=True):
    """Every version of one kind."""

    kind: Kind
    basis: Basis
    counts_from: int
    versions: tuple[Version, ...]

    @property
    def newest(self) -> Version:
        """What people are shown."""
        return self.versions[-1]

    def sha256(self, number: int, language: Language) -> str | None:
        """The hash that a consent to that version in that language records; None where there is no such version.

        SHA-256, in hex, of the JSON array of kind, number, language, and the text's five parts in their order.
        """
        for version in self.versions:
            if version.number == number:
                text = version.text(language)
                parts = [text.title, text.what, text.why, text.how_long, text.withdraw]
                return sha256_hex(msgspec.json.encode([self.kind, number, language, *parts]))
        return None

    def counts(self, number: int, language: Language, sha256: str) -> bool:
        """Whether consent to that version counts: it need not be asked for anew, and the words are the same still."""
        return number >= self.counts_from and self.sha256(number, language) == sha256


def texts(policies: Mapping[RecordClass, Policy], folder: Traversable = FOLDER) -> dict[Kind, Texts]:
    """Every text, checked.

    Args:
        policies: of the systems on this gateway; a text may not speak of another ground than they do.
        folder: where the data files are.

    Raises:
        PrivacyError: a file is wrong; the message names it.
    """
    read = {kind: _read(kind, folder) for kind in Kind}
    for kind, of_kind in read.items():
        bases = policies[CLASSES[kind]].bases
        if of_kind.basis not in bases or (of_kind.basis == "consent") != ("consent" in bases):
            raise PrivacyError(
                f"{kind}.toml speaks of {of_kind.basis}, and {CLASSES[kind]} rests on {' / '.join(bases)}",
                hint="the words that people read and the policy must say the same",
            )
    return read


def _read(kind: Kind, folder: Traversable) -> Texts:
    where = f"{kind}.toml"
    try:
        file = msgspec.convert(tomllib.loads((folder / where).read_text(encoding="utf-8")), _File)
    except msgspec.ValidationError as error:
        raise PrivacyError(f"{where}: {error}", hint="privacy/consent_text.py says what it has") from error
    except (OSError, ValueError) as error:  # TOML's and Unicode's errors are ValueErrors
        raise PrivacyError(f"{where} cannot be read: {error}", hint="install Portvakt again") from error
    numbers = [version.number for version in file.versions]
    if numbers != list(range(1, len(numbers) + 1)):
        raise PrivacyError(f"{where}: its versions are {numbers}", hint="number them 1, 2, 3 …, and remove none")
    if file.counts_from > numbers[-1]:
        raise PrivacyError(f"{where}: counts_from names no version", hint=f"at most {numbers[-1]}")
    return Texts(kind, file.basis, file.counts_from, file.versions)
