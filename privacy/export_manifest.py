"""What an export says of itself: its manifest, and the shape of each file of records."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from privacy.policy import Policy
from privacy.records import RecordClass, Scope

FORMAT: Final = 1
MANIFEST: Final = "urn:portvakt:export:1:manifest"
RECORDS: Final = "urn:portvakt:export:1:records"
"""Ids of the schemas, which lie in the export itself, under `schema/`."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record, as its store lets it leave."""

    id: str
    """In that store."""
    store: str
    at: datetime | None = None
    """When it was captured or written; absent: nobody can say."""
    camera: str | None = None
    device: str | None = None
    others: int = 0
    """How many other people it concerns."""
    file: str | None = None
    """Of a picture: where it is."""
    data: Any = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Why records of a class are kept, and how long at the most."""

    record_class: RecordClass
    purpose: str
    basis: tuple[str, ...]
    limits: tuple[str, ...]

    @classmethod
    def by(cls, policy: Policy) -> "Kept":
        """As the policy says."""
        return cls(
            record_class=policy.record_class,
            purpose=policy.purpose,
            basis=tuple(policy.bases),
            limits=tuple(map(str, policy.limits)),
        )


class RecordsHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of records begins with; `records` follows."""

    schema: str = msgspec.field(name="$schema", default=RECORDS)
    kept: Kept


class RecordsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of records of one class."""

    schema: str = msgspec.field(name="$schema", default=RECORDS)
    kept: Kept
    records: list[Record]


class Omitted(msgspec.Struct, frozen=True, kw_only=True):
    """How many records of a class are kept and not in the export, and why."""

    held: int = 0
    """Under a hold: kept, and shown to nobody."""
    ordered: int = 0
    """An order to erase reaches them."""
    unshown: int = 0
    """They cannot be opened, or nobody knows how old they are."""

    @property
    def count(self) -> int:
        return self.held + self.ordered + self.unshown


class ClassLine(msgspec.Struct, frozen=True, kw_only=True):
    """One class in the manifest."""

    kept: Kept
    count: int
    undated: int
    """Of these, how many nobody can date."""
    omitted: Omitted
    file: str | None
    """None: there is none of them."""


class FileLine(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    size: int
    sha256: str


class NotHere(msgspec.Struct, frozen=True, kw_only=True):
    """What no export holds, and why."""

    what: Literal["secrets", "others", "earlier_exports", "orders_and_receipts"]
    why: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`: all other files of the export, and what is in them."""

    schema: str = msgspec.field(name="$schema", default=MANIFEST)
    format: int = FORMAT
    gateway: str
    software: str
    scope: Scope
    language: str
    asked: datetime
    made: datetime
    legal_deadline: datetime
    """A month after it was asked for (GDPR, article 12)."""
    classes: tuple[ClassLine, ...]
    not_here: tuple[NotHere, ...]
    files: tuple[FileLine, ...]


NOT_HERE: Final = (
    NotHere(
        what="secrets",
        why="Passwords, codes, keys and what they are made of are not exported: an export is for reading, and opens "
        "nothing.",
    ),
    NotHere(
        what="others",
        why="Who else a record concerns is told by role alone. A picture shows whom it shows; a shared camera's "
        "pictures are here where they concern you: by an assignment, a tag or a claim.",
    ),
    NotHere(what="earlier_exports", why="An export holds no other export."),
    NotHere(
        what="orders_and_receipts",
        why="Orders to erase and their receipts are kept to show that it was done, and name nobody but by id.",
    ),
)


def schemas() -> dict[str, bytes]:
    """The JSON Schemas of an export, by path."""
    return {
        "schema/manifest.json": _schema(Manifest, MANIFEST),
        "schema/records.json": _schema(RecordsFile, RECORDS),
    }


def _schema(kind: type[msgspec.Struct], id_: str) -> bytes:
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id_, **msgspec.json.schema(kind)}
    return msgspec.json.format(msgspec.json.encode(made), indent=2)
