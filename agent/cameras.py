"""The cameras of the house: one supervised loop each, one for expiry, and what people see of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

import aiohttp

from agent.api import contract
from agent.changes import Changes
from agent.consent.gates import Gate, Gates
from agent.errors import Refused
from agent.supervisor import Service, Supervisor
from camera.capture import Camera, Darkroom, capture
from camera.decoder import Decoder
from camera.errors import CameraError
from camera.expiry import keep_durable, keep_limits
from camera.http_snapshot import HttpSnapshot
from camera.vault.retention import Expired
from camera.vault.vault import Vault
from camera.vault.viewing import Snapshot, Span
from privacy import entries
from privacy.clock import Clock
from privacy.consent import No
from privacy.consent_text import Kind
from privacy.errors import StoreBroken
from privacy.policy import policies
from privacy.store import Disk
from privacy.timekeeping import TimeKeeper

SHOWN_SNAPSHOTS = 24


@dataclass(slots=True)
class _Watched:
    camera: Camera
    gate: Gate
    source: HttpSnapshot | None = None
    working: bool = False
    reason: str = ""


@dataclass(slots=True)
class _Mirror:
    """What the store held when last asked; the store itself lives on the `Disk` thread."""

    newest: Sequence[Snapshot] = ()
    spans: dict[str, Span] = field(default_factory=dict)
    hidden: int = 0


class Cameras:
    """Owns what is known of every camera; the supervisor owns the tasks."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        cameras: Sequence[Camera],
        vault: Vault,
        time: TimeKeeper,
        disk: Disk,
        decoder: Decoder,
        session: aiohttp.ClientSession,
        clock: Clock,
        changes: Changes,
        record: Callable[[entries.Entry], None],
        gates: Gates | None = None,
    ) -> None:
        """`gates` say which cameras may take pictures; None: those that are nobody's alone."""
        gates = gates or Gates(policies())
        self._watched = {
            camera.id: _Watched(camera, gates.gate(Kind.CAMERA, camera.subjects, partial(self._judged, camera.id)))
            for camera in cameras
        }
        self._limits = vault.limits
        self._vault = vault
        self._disk = disk
        self._darkroom = Darkroom(decoder, vault, disk, time)
        self._session = session
        self._clock = clock
        self._changes = changes
        self._record = record
        self._mirror = _Mirror()
        self._stale = asyncio.Event()

    def start(self, supervisor: Supervisor) -> None:
        """Start the loops."""
        supervisor.start(Service("snapshot view", self._keep_mirror, (StoreBroken,)))
        supervisor.start(Service("snapshot expiry", self._expire, (StoreBroken,)))
        supervisor.start(Service("snapshots to disk", lambda: keep_durable(self._vault, self._disk), (StoreBroken,)))
        for watched in self._watched.values():
            supervisor.start(
                Service(
                    f"camera {watched.camera.id}",
                    lambda w=watched: self._capture(w),  # type: ignore[misc] # bound now, not when called
                    (CameraError, StoreBroken),
                )
            )

    def store_changed(self) -> None:
        """Somebody else (an erasure) changed the store."""
        self._stale.set()

    def problem(self, camera: str, problem: str) -> None:
        """The supervisor says why `camera` is down."""
        if watched := self._watched.get(camera):
            if watched.working or not watched.reason:
                self._record(entries.PictureFailed(at=self._clock.now(), camera=camera, reason=problem))
            watched.working, watched.reason = False, problem
            self._changes.mark("cameras")

    def ids(self) -> list[str]:
        """Every camera that is configured, and every other whose pictures are still here."""
        return [*self._watched, *(id_ for id_ in self._mirror.spans if id_ not in self._watched)]

    def view(self) -> tuple[contract.CameraView, ...]:
        """The same."""
        return tuple(self._one(id_, self._mirror.spans.get(id_)) for id_ in self.ids())

    def snapshots(self) -> tuple[contract.SnapshotView, ...]:
        """The newest snapshots, newest first."""
        return tuple(
            contract.SnapshotView(id=s.id, camera=s.camera, at=s.at, goes=s.at + self._limits.of(s.camera, s.limit))
            for s in self._mirror.newest
        )

    @property
    def hidden(self) -> int:
        """How many pictures are kept and must not be shown: held, ordered to be erased, or of a time nobody knows."""
        return self._mirror.hidden

    def limits(self) -> frozenset[timedelta]:
        """The limits that new pictures live under, for the inventory; the site's, where there is no camera."""
        return frozenset(map(self._limits.of, self._watched)) or frozenset({self._limits.of("")})

    async def tag(self, snapshot: str, subject: str, actor: str) -> None:
        """As `House.tag`."""
        if not await self._disk.run(self._vault.tag, subject, [snapshot]):
            raise Refused("unknown_snapshot", "there is no such picture", hint="it may have gone at its time")
        self._record(entries.PersonTagged(at=self._clock.now(), subject=subject, actor=actor))
        self._stale.set()  # a hold or an order for that person may now keep it from being shown

    async def claim(self, claim: contract.ClaimBody, actor: str) -> None:
        """As `House.claim`."""
        if claim.camera not in self._watched and claim.camera not in self._mirror.spans:
            hint = "see `portvakt cameras list`"
            raise Refused("unknown_camera", f"there is no camera {claim.camera}", hint=hint)
        if claim.start >= claim.end:
            raise Refused("bad_range", "the claim ends before it begins", hint="say from when, and up to when")
        await self._disk.run(self._vault.claim, claim.subject, claim.camera, claim.start, claim.end)
        self._record(entries.TimeClaimed(at=self._clock.now(), camera=claim.camera, subject=claim.subject, actor=actor))
        self._stale.set()

    async def picture(self, snapshot: str, *, thumbnail: bool) -> bytes | None:
        """A JPEG, if there is one that may be shown."""
        return await self._disk.run(self._vault.thumbnail if thumbnail else self._vault.image, snapshot)

    async def taken(self, snapshot: str) -> tuple[str, datetime] | None:
        """Of what camera a picture is, and of when; None: there is none that may be shown."""
        for one in self._mirror.newest:
            if one.id == snapshot:
                return one.camera, one.at
        found = await self._disk.run(self._vault.one, snapshot)
        return (found.camera, found.at) if found else None

    def _one(self, id_: str, span: Span | None) -> contract.CameraView:
        watched = self._watched.get(id_)
        limit = self._limits.of(id_)
        if span and not watched:
            limit = self._limits.of(id_, span.limit)
        return contract.CameraView(
            id=id_,
            name=watched.camera.name if watched else id_,
            working=watched.working if watched else False,
            reason=_reason(watched),
            basis=watched.gate.basis if watched else "",
            pictures=span.count if span else 0,
            keep_seconds=limit.total_seconds(),
            newest=span.newest if span else None,
            next_to_go=min(span.oldest + limit, span.due) if span else None,
        )

    def _judged(self, camera: str) -> None:
        """It may take pictures, or may not any more: whether it works, the next one shows."""
        self._watched[camera].working, self._watched[camera].reason = False, ""
        self._changes.mark("cameras")

    async def _capture(self, watched: _Watched) -> None:
        camera = watched.camera
        # One for the camera's whole life: it remembers that the camera asked for Digest, and never goes back to Basic.
        source = watched.source = watched.source or HttpSnapshot(self._session, camera.url, camera.login)
        began, size = 0.0, 0

        async def fetch() -> bytes:
            nonlocal began, size
            began = perf_counter()
            picture = await source.fetch()
            size = len(picture)
            return picture

        def stored(_snapshot: Snapshot) -> None:
            watched.working, watched.reason = True, ""
            took = round(1000 * (perf_counter() - began), 1)
            self._record(entries.PictureStored(at=self._clock.now(), camera=camera.id, bytes=size, milliseconds=took))
            self._stale.set()

        await watched.gate.keep(lambda: capture(camera, fetch, self._darkroom, stored))

    async def _expire(self) -> None:
        def ran(due: Sequence[Expired]) -> None:
            gone: Counter[tuple[str, str]] = Counter()
            for one in due:
                gone[one.camera or "unknown", one.reason] += one.pictures
            for (camera, reason), count in gone.items():
                self._record(entries.PicturesExpired(at=self._clock.now(), camera=camera, count=count, reason=reason))
            if due:
                self._stale.set()

        await keep_limits(self._vault, self._disk, ran)

    async def _keep_mirror(self) -> None:
        while True:
            self._stale.clear()
            began = perf_counter()
            self._mirror = await self._disk.run(self._look)
            self._changes.mark("cameras", "snapshots")
            # Looking takes longer the more there is: at most a tenth of the disk thread's time goes into it.
            await asyncio.sleep(9 * (perf_counter() - began))
            await self._stale.wait()

    def _look(self) -> _Mirror:
        spans = self._vault.spans()
        kept = sum(count for _, count, _ in self._vault.oldest())
        return _Mirror(
            self._vault.newest(None, SHOWN_SNAPSHOTS), spans, kept - sum(span.count for span in spans.values())
        )


def _reason(watched: _Watched | None) -> str:
    if watched is None:
        return "it is configured no more; its pictures go as they fall due"
    verdict = watched.gate.verdict
    return verdict.why if isinstance(verdict, No) else watched.reason
