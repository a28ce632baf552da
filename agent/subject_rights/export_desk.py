"""Exports: asked for, made in the background, fetched, and gone after a day."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Final

import msgspec

from agent.errors import Refused
from agent.subject_rights.contract import ExportBody, ExportView
from privacy import entries
from privacy.clock import Clock
from privacy.export import LEGAL_MONTH, Archive, ExportStopped, Source
from privacy.exports import PART, Exports, Failure, Head, Language, files
from privacy.records import Scope
from privacy.seal import RandomBytes
from privacy.store import Disk
from privacy.uuid7 import uuid7

log = logging.getLogger(__name__)

PROMISED: Final = timedelta(minutes=1)
"""How soon an export is to be ready; the law gives a month."""
PAUSE: Final = timedelta(minutes=10)
"""Between two runs of expiry: what falls due before the next goes now."""
MOST_STREAMS: Final = 2
"""Exports that are made and sent at the same time: each reads all there is of somebody."""


class ExportDesk:
    """What the API asks about exports. Who may ask it is not decided here.

    Args:
        language: what a person reads, by their id; called on the `Disk` thread.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        exports: Exports,
        source: Source,
        language: Callable[[str], Language],
        disk: Disk,
        clock: Clock,
        random_bytes: RandomBytes,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._exports = exports
        self._source = source
        self._language = language
        self._disk = disk
        self._clock = clock
        self._random_bytes = random_bytes
        self._record = record
        self._wake = asyncio.Event()
        self._streams = 0

    async def ask(self, body: ExportBody, actor: str) -> ExportView:
        """Have an export made; what the same person had asked for before is gone.

        Raises:
            Refused: `one_person`, `bad_range`; `ordered`: an order to erase reaches them; `disk_short`.
            StoreBroken: the medium refused.
        """
        scope = scope_of(body, actor)
        head = await self._disk.run(self._begun, scope, body.language)
        self._record(entries.ExportAsked(at=head.asked, subject=head.person, actor=actor))
        self._wake.set()
        return self._view(head)

    async def of(self, person: str) -> tuple[ExportView, ...]:
        """What `person` has asked for."""
        return tuple(map(self._view, await self._disk.run(self._exports.of, person)))

    async def head(self, person: str, export: str) -> Head:
        """The export of `person` with that id, which is ready.

        Raises:
            Refused: `unknown_export`, `not_ready`.
        """
        for head in await self._disk.run(self._exports.of, person):
            if head.id == export:
                if head.ready is None:
                    hint = "wait a little" if head.failed is None else "ask for another"
                    raise Refused("not_ready", "this export is not ready", hint=hint)
                return head
        raise _unknown()

    async def read(self, head: Head) -> AsyncGenerator[bytes, None]:
        """The bytes of an export that is ready.

        Raises:
            ExportStopped: it went while it was read; what came so far is no archive.
        """
        for number in range(files(head)):
            data = await self._disk.run(self._exports.file, head, number)
            if data is None:
                raise ExportStopped("the export has gone", hint="ask for another")
            yield data

    async def drop(self, person: str, export: str) -> None:
        """The export goes at once.

        Raises:
            Refused: `unknown_export`.
        """
        if not await self._disk.run(self._dropped, person, export):
            raise _unknown()

    async def stream(self, body: ExportBody, actor: str) -> AsyncGenerator[bytes, None]:
        """An export that is made while it is read, and kept nowhere.

        Raises:
            Refused: `one_person`, `bad_range`, `busy`.
            ExportStopped: an order to erase came meanwhile; what came so far is no archive.
        """
        scope = scope_of(body, actor)
        if self._streams >= MOST_STREAMS:
            raise Refused("busy", "other exports are being made", hint="try again in a minute")
        self._streams += 1
        try:
            asked = self._clock.now()
            language = body.language or await self._read_by(scope.subjects[0])
            self._record(entries.ExportAsked(at=asked, subject=scope.subjects[0], actor=actor))
            archive = Archive(self._source, scope, language, asked, asked)
            async with aclosing(self._pulled(archive.chunks())) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._streams -= 1

    async def _read_by(self, person: str) -> Language:
        return await self._disk.run(self._language, person)

    async def run(self) -> None:
        """Make what was asked for, and keep the limit; for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            self._wake.clear()
            if gone := await self._disk.run(self._exports.expire, PAUSE):
                log.info("%d pieces of exports have reached their limit", gone)
            for head in await self._disk.run(self._exports.unmade):
                await self._make(head)
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE.total_seconds()):
                    await self._wake.wait()  # `wait_for` of 3.11 loses an end that comes with the wake

    async def _make(self, head: Head) -> None:
        try:
            made = await self._made(head)
        except ExportStopped:
            made = await self._failed(head, "ordered")
        except _Short:
            made = await self._failed(head, "disk_short")
        outcome = made.failed or "ready"
        self._record(entries.ExportSettled(at=self._clock.now(), subject=head.person, outcome=outcome, bytes=made.size))

    async def _made(self, head: Head) -> Head:
        """Keep its parts, and then what is to be known of it."""
        archive = Archive(self._source, head.scope, head.language, head.asked, self._clock.now())
        sha256, size, parts, waiting = hashlib.sha256(), 0, 0, bytearray()
        async with aclosing(self._pulled(archive.chunks())) as chunks:
            async for chunk in chunks:
                sha256.update(chunk)
                size += len(chunk)
                waiting += chunk
                while len(waiting) >= PART:
                    await self._disk.run(self._kept, head, parts, bytes(waiting[:PART]))
                    del waiting[:PART]
                    parts += 1
        await self._disk.run(self._kept, head, parts, bytes(waiting))
        made = msgspec.structs.replace(
            head,
            ready=self._clock.now(),
            size=size,
            sha256=sha256.hexdigest(),
            parts=parts + 1,
            contents=archive.contents(),
        )
        await self._disk.run(self._settled, archive, made)
        return made

    async def _failed(self, head: Head, why: Failure) -> Head:
        failed = msgspec.structs.replace(head, failed=why)
        await self._disk.run(self._exports.settle, failed)
        return failed

    async def _pulled(self, chunks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Pieces that are made on the `Disk` thread, one at a time, so that others get their turn in between."""
        while (chunk := await self._disk.run(next, chunks, None)) is not None:
            if chunk:
                yield chunk

    # -- on the `Disk` thread

    def _begun(self, scope: Scope, language: Language | None) -> Head:
        [person] = scope.subjects
        if self._exports.short_of(PART):
            raise Refused(
                "disk_short",
                "there is no room to keep an export until it is fetched",
                hint="get it at once instead: POST /api/exports/stream, or portvakt export",
            )
        asked = self._clock.now()
        head = Head(
            id=uuid7(asked, self._random_bytes),
            person=person,
            asked=asked,
            scope=scope,
            language=language or self._language(person),
        )
        if not self._exports.begin(head):
            hint = "wait until it is done; see `portvakt audit show`"
            raise Refused("ordered", "an order to erase reaches this person", hint=hint)
        return head

    def _kept(self, head: Head, number: int, data: bytes) -> None:
        if self._exports.short_of(len(data)):
            raise _Short
        if not self._exports.add(head, number, data):
            raise ExportStopped("the export has gone", hint="ask for another")

    def _settled(self, archive: Archive, made: Head) -> None:
        # In one turn: an order that comes later finds what is in it.
        archive.require_standstill()
        self._exports.settle(made)

    def _dropped(self, person: str, export: str) -> int:
        known = {head.id for head in self._exports.of(person)}
        return self._exports.drop(person, export) if export in known else 0

    def _view(self, head: Head) -> ExportView:
        limit = self._exports.limit or timedelta()
        return ExportView(
            id=head.id,
            person=head.person,
            scope=head.scope,
            state="failed" if head.failed else "ready" if head.ready else "making",
            failure=head.failed,
            asked=head.asked,
            promised=head.asked + PROMISED,
            legal_deadline=head.asked + LEGAL_MONTH,
            ready=head.ready,
            gone=head.asked + limit,
            size=head.size,
            sha256=head.sha256,
        )


class _Short(Exception):
    """There is no room for another part."""


def scope_of(body: ExportBody, actor: str) -> Scope:
    """What is exported: of one person, by default of whoever asks.

    Raises:
        Refused: `one_person`, `bad_range`.
    """
    scope = body.scope or Scope()
    if len(scope.subjects) > 1 or scope.everything:
        raise Refused("one_person", "an export is of one person", hint="ask for one each")
    if scope.backwards:
        raise Refused("bad_range", "what is exported ends before it begins", hint="say from when, and up to when")
    return msgspec.structs.replace(scope, subjects=scope.subjects or (actor,))


def _unknown() -> Refused:
    return Refused("unknown_export", "there is no such export", hint="it may have gone at its time; ask for another")
