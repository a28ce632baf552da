"""How long each record class lives, and why: read from `privacy/policies/`, validated, never written here."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Literal

import msgspec

from privacy.errors import PrivacyError
from privacy.records import RecordClass

Basis = Literal["consent", "contract", "employment", "vital interest", "legal duty", "legitimate interest"]

_LIMIT = re.compile(r"([1-9][0-9]{0,3})([hdmy])")
_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "m": timedelta(days=30),
    "y": timedelta(days=365),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One record class's purpose, legal basis, and limit (None: while in use)."""

    record_class: RecordClass
    purpose: str
    basis: Basis
    limit: timedelta | None


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    purpose: str
    basis: Basis
    limit: str | None = None


def policies(shortened: Mapping[RecordClass, timedelta] | None = None) -> dict[RecordClass, Policy]:
    """The policy of every record class, with what a site has shortened.

    Raises:
        PrivacyError: the data file is wrong, or a site tried to lengthen a limit.
    """
    text = (files("privacy") / "policies" / "record_classes.toml").read_text(encoding="utf-8")
    return parse(text, shortened or {})


def parse(text: str, shortened: Mapping[RecordClass, timedelta]) -> dict[RecordClass, Policy]:
    """Parse the data file; every class must stand in it, and nothing else."""
    try:
        rows = msgspec.convert(tomllib.loads(text), dict[RecordClass, _Row])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PrivacyError(f"the policies cannot be used: {error}") from error
    if missing := set(RecordClass) - rows.keys():
        raise PrivacyError(f"no policy for {', '.join(sorted(missing))}")
    return {class_: _policy(class_, row, shortened.get(class_)) for class_, row in rows.items()}


def _policy(class_: RecordClass, row: _Row, shortened: timedelta | None) -> Policy:
    limit = None
    if row.limit is not None:
        if not (match := _LIMIT.fullmatch(row.limit)):
            raise PrivacyError(
                f"{class_}: {row.limit!r} is no limit", hint='a limit looks like "72h", "7d", "6m" or "3y"'
            )
        limit = int(match[1]) * _UNITS[match[2]]
    if shortened is not None:
        if shortened <= timedelta(0) or (limit is not None and shortened > limit):
            raise PrivacyError(f"{class_}: a site can shorten the limit of {row.limit}, never lengthen it")
        limit = shortened
    return Policy(class_, row.purpose, row.basis, limit)
