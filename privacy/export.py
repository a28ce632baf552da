"""A person's export: a ZIP archive of all that the stores keep of them, made as a stream.

`index.html` is for people, in their language; `<class>.json` for programs, with `schema/` beside them; `pictures/`
has the JPEGs as they were captured; `manifest.json` says what is where, why it is kept, and what was left out.

Memory: one record, and for each file of the archive a line and a ZIP directory entry (under 2 kB together, which
`tests/privacy/test_export.py` watches); never what the files hold. Nothing is written to a medium.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from privacy.errors import PrivacyError
from privacy.export_manifest import (
    NOT_HERE,
    ClassLine,
    Kept,
    Manifest,
    Omitted,
    Record,
    RecordsHead,
    schemas,
)
from privacy.export_others import Others
from privacy.export_page import ROWS, Pages, picture_page
from privacy.export_scope import Contents, ContentsSoFar
from privacy.export_words import words_of
from privacy.export_zip import AS_IT_IS, Entry, ZipStream
from privacy.exports import Language
from privacy.hold import overlap
from privacy.policy import Policy
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_folder import HeldBy
from privacy.store import Barrier, Store

SECRET: Final = frozenset({RecordClass.CAMERA_LOGIN})
"""Classes that are secrets and nothing else."""
NOT_EXPORTED: Final = SECRET | {RecordClass.EXPORT, RecordClass.BACKUP}
"""Those, and what is only another copy."""
CHUNK: Final = 256 * 1024
"""Bytes that are handed out at a time, or one record more."""
A_TURN: Final = 64
"""Records after which others get their turn on the disk's thread."""
LEGAL_MONTH: Final = timedelta(days=28)
"""GDPR, article 12(3), gives a month; this is the shortest that there is."""
_EVER: Final = datetime.max.replace(tzinfo=UTC)


class ExportStopped(PrivacyError):
    """An order to erase came that may reach what is exported. What was handed out so far is no archive."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What exports are made from."""

    stores: Callable[[], Sequence[Store]]
    policies: Mapping[RecordClass, Policy]
    barrier: Barrier
    held: HeldBy
    others: Callable[[Scope], Others]
    """Everybody whom an export of a scope is not about. Called on the `Disk` thread."""
    gateway: str
    software: str


class Archive:
    """One export of `scope`. Every method blocks: call it on the `Disk` thread."""

    def __init__(self, source: Source, scope: Scope, language: Language, asked: datetime, made: datetime) -> None:
        self._source = source
        self._scope = scope
        self._language = language
        self._asked = asked
        self._made = made
        self._zip = ZipStream(made)
        self._contents = ContentsSoFar()
        self._known: set[tuple[Scope, datetime]] = set()
        """What orders reached when this was begun."""
        self._lines: list[ClassLine] = []
        self._newest: dict[RecordClass, deque[Record]] = {}
        self._pictures: list[bytes] = []
        """`Record` of each picture, encoded: there may be many."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the archive; an empty one where somebody else may have a turn.

        Pull one at least every minute: what makes sure that nothing erased leaves remembers orders for two.

        Raises:
            ExportStopped: an order came. Nobody may be told that what they have is an export.
            StoreBroken: the medium refused.
        """
        self._known = set(self._source.barrier.raised())
        for _ in self._steps():
            self.require_standstill()
            if self._zip.waiting >= CHUNK:
                yield self._zip.take()
            else:
                yield b""
        yield self._zip.take()

    def require_standstill(self) -> None:
        """That no order has come since this was begun which may reach what is in it.

        Raises:
            ExportStopped: one has.
        """
        new = set(self._source.barrier.raised()) - self._known
        if any(overlap(ordered, self._scope) for ordered, _reach in new):
            raise ExportStopped(
                "an order to erase came while this was exported", hint="ask again once it has its receipts"
            )

    def contents(self) -> tuple[Contents, ...]:
        """What is in it, once all was handed out."""
        return self._contents.all()

    def _steps(self) -> Iterator[None]:
        """Do all of it, and stop after each little piece of it."""
        others = self._source.others(self._scope)
        for class_ in self._classes():
            stores = [store for store in self._source.stores() if class_ in store.classes]
            scope = msgspec.structs.replace(self._scope, classes=(class_,))
            counts: Counter[str] = Counter()
            for store in stores:
                yield from self._count(store, scope, counts)
            make = self._make_pictures if class_ is RecordClass.SNAPSHOT else self._make_records
            yield from make(class_, stores, scope, others, counts)
        for path, schema in schemas().items():
            self._zip.put(path, schema)
        manifest = self._manifest()
        yield from self._make_pages(manifest)
        # Last: it has a line for each of the others.
        whole = msgspec.structs.replace(manifest, files=tuple(self._zip.files))
        self._zip.put("manifest.json", msgspec.json.format(msgspec.json.encode(whole), indent=2))
        self._zip.close()
        yield

    def _classes(self) -> list[RecordClass]:
        """Of what there is, by name."""
        kept = {class_ for store in self._source.stores() for class_ in store.classes} - NOT_EXPORTED
        return sorted(kept.intersection(self._scope.classes) if self._scope.classes else kept)

    def _count(self, store: Store, scope: Scope, counts: Counter[str]) -> Iterator[None]:
        """How many records there are, and how many of them nobody may see, and why."""
        for number, item in enumerate(store.find(scope, _EVER)):
            counts["kept"] += 1
            if self._source.held(item):
                counts["held"] += 1
            elif not self._source.barrier.admits(item):
                counts["ordered"] += 1
            if number % A_TURN == 0:
                yield

    def _make_records(
        self, class_: RecordClass, stores: Sequence[Store], scope: Scope, others: Others, counts: Counter[str]
    ) -> Iterator[None]:
        path = f"{class_}.json"
        newest = self._newest[class_] = deque(maxlen=ROWS)
        with self._records_file(path, class_) as entry:
            for number, (store, item, payload) in enumerate(_exported(stores, scope)):
                data = _read(payload)
                if data is None:
                    continue  # of another version: it may be anything, and is counted as not shown
                record = self._record(store, item, others, counts)
                record = msgspec.structs.replace(record, data=others.hidden(data))
                entry.write(b"," * bool(newest) + b"\n" + msgspec.json.encode(record))
                newest.append(record)
                if number % A_TURN == 0 or len(payload) > CHUNK or self._zip.waiting >= CHUNK:
                    yield
        self._line(class_, path, counts)
        yield

    def _make_pictures(
        self, class_: RecordClass, stores: Sequence[Store], scope: Scope, others: Others, counts: Counter[str]
    ) -> Iterator[None]:
        for store, item, image in _exported(stores, scope):
            at = f"-{item.at.astimezone(UTC):%Y%m%dT%H%M%SZ}" if item.at else ""
            camera = (item.camera or "camera").replace(":", "_")
            path = f"pictures/{len(self._pictures) + 1:06d}-{camera}{at}.jpg"
            self._zip.put(path, image, AS_IT_IS)
            record = msgspec.structs.replace(self._record(store, item, others, counts), file=path)
            self._pictures.append(msgspec.json.encode(record))
            yield
        path = f"{class_}.json"
        with self._records_file(path, class_) as entry:
            for number, encoded in enumerate(self._pictures):
                entry.write(b"," * bool(number) + b"\n" + encoded)
                if number % A_TURN == 0:
                    yield
        self._line(class_, path, counts)
        yield

    @contextmanager
    def _records_file(self, path: str, class_: RecordClass) -> Iterator[Entry]:
        """A file of records, of which the head is written, and then the end."""
        head = msgspec.json.encode(RecordsHead(kept=Kept.by(self._source.policies[class_])))
        with self._zip.entry(path) as entry:
            entry.write(head[:-1] + b',"records":[')
            yield entry
            entry.write(b"\n]}\n")

    def _record(self, store: str, item: Item, others: Others, counts: Counter[str]) -> Record:
        self._contents.add(item)
        counts["here"] += 1
        counts["undated"] += item.at is None
        besides = others.learn(item.subjects)
        # After `learn`: the id of a record may begin with that of somebody else.
        return Record(
            id=others.hidden(item.id),
            store=store,
            at=item.at,
            camera=item.camera,
            device=item.device,
            others=besides,
        )

    def _line(self, class_: RecordClass, path: str, counts: Counter[str]) -> None:
        unseen = counts["kept"] - counts["here"] - counts["held"] - counts["ordered"]
        self._lines.append(
            ClassLine(
                kept=Kept.by(self._source.policies[class_]),
                count=counts["here"],
                undated=counts["undated"],
                omitted=Omitted(held=counts["held"], ordered=counts["ordered"], unshown=max(unseen, 0)),
                file=path,
            )
        )

    def _manifest(self) -> Manifest:
        return Manifest(
            gateway=self._source.gateway,
            software=self._source.software,
            scope=self._scope,
            language=self._language,
            asked=self._asked,
            made=self._made,
            legal_deadline=self._asked + LEGAL_MONTH,
            classes=tuple(self._lines),
            not_here=NOT_HERE,
            files=(),
        )

    def _make_pages(self, manifest: Manifest) -> Iterator[None]:
        pages = Pages(words_of(self._language), self._language, self._source.policies)
        total = -(-len(self._pictures) // ROWS)
        for number in range(1, total):
            self._write(picture_page(number), pages.pictures(self._page(number), number, total))
            yield
        self._write("index.html", pages.index(manifest, self._newest, self._page(0), total))
        yield

    def _page(self, number: int) -> list[Record]:
        """The pictures of page `number`, from 0."""
        return [msgspec.json.decode(each, type=Record) for each in self._pictures[number * ROWS : (number + 1) * ROWS]]

    def _write(self, path: str, texts: Iterator[str]) -> None:
        with self._zip.entry(path) as entry:
            for text in texts:
                entry.write(text.encode())


def _exported(stores: Sequence[Store], scope: Scope) -> Iterator[tuple[str, Item, bytes]]:
    """What these stores let out, with the store's name."""
    return ((store.name, item, payload) for store in stores for item, payload in store.export(scope))


def _read(payload: bytes) -> object:
    """What a store lets out of a record, as JSON; None where it is not readable."""
    try:
        return msgspec.json.decode(payload) or None
    except ValueError:  # msgspec's errors and Unicode's
        pass
    try:
        text = payload.decode()
    except ValueError:
        return None
    return {"line": text} if text.isprintable() else None
