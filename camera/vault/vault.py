"""The vault: snapshots that are gone when they are gone. `privacy/FORMAT.md`, "Pictures".

Pictures lie sealed in segments, one for each camera and hour, and die with their keys in the key ring. This is the
`privacy.store.Store` of record class `snapshot`, and the door to everything else in this folder.

- *Durable* a picture is with the next flush: every `camera.expiry.FLUSH_SECONDS`, and after `UNSYNCED_BYTES`. That is
  what a power cut can take at most.
- *Time* a clock could not tell is undated: inside every time range and before every order, until it is known.
- *A damaged record* is dated by its neighbours, as pictures lie in order of time, and it is of the camera and the
  persons of its segment. Where that leaves a doubt, an order takes it. An entry of the key table that cannot be read is
  of any camera, of anyone and of any time, and goes with the next expiry.
- *A file that the medium refuses to read* stops what it may concern, and nothing else: an order that has to look
  inside waits; one that takes all of it, and expiry, take its key. What a hold may keep of it stays as a whole.
- *A file that is missing, or another's,* may come back: an order that may mean anything of it takes its key. What a
  hold may keep of it stays, and counts as one picture at least, unless the file never came to be.
- *The dead bytes* of a partly erased segment stay until the rest of it goes. Nobody can open them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from camera.picture import Picture
from camera.vault.catalogue import Catalogue, Progress, untold
from camera.vault.doomed import Doomed
from camera.vault.erasing import Erasing
from camera.vault.expiring import Expiring
from camera.vault.record import Part
from camera.vault.retention import Expired, Limits
from camera.vault.scanning import Scanning
from camera.vault.space import Space
from camera.vault.standing import Standing, standing
from camera.vault.survey import Survey
from camera.vault.tags import Claim, Tag, Tags
from camera.vault.viewing import Snapshot, Span, Viewing
from camera.vault.writing import UNSYNCED_BYTES, Writing, captured
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.seal import RandomBytes
from privacy.store import Barrier, Erasure
from privacy.timekeeping import TimeKeeper

RECLAIM_AT_ONCE: Final = 64
"""Dead files are unlinked at most so many at a time, so that others get their turn on the disk thread."""
_OVERHEAD: Final = 1024
"""Bytes of a record besides its thumbnail and image, and of its share in the key tables: never more."""


class Vault:
    """Every method blocks, and is called on the `Disk` thread alone.

    Raises (all methods):
        StoreBroken: the medium refused; call again.
    """

    name = "snapshots"
    classes = frozenset({RecordClass.SNAPSHOT})

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        root: Path,
        *,
        ring: KeyRing,
        time: TimeKeeper,
        holds: Holds,
        barrier: Barrier,
        tags: Tags,
        limits: Limits,
        random_bytes: RandomBytes,
        space: Space | None = None,
        progress: Progress = untold,
    ) -> None:
        """Open the vault under `root`. Costs a row a segment; what the index does not know is read anew."""
        self.tier = ring.tier
        self.limits = limits
        self._ring = ring
        self._time = time
        self._barrier = barrier
        self._tags = tags
        self._catalogue = Catalogue(root, ring, progress)
        self._survey = Survey(self._catalogue, tags, time, holds, barrier)
        self._viewing = Viewing(self._survey)
        self._scanning = Scanning(self._survey)
        self._writing = Writing(self._catalogue, limits, random_bytes)
        self._erasing = Erasing(self._catalogue, self._writing, tags, random_bytes)
        self._expiring = Expiring(self._survey, self._erasing, limits, space or Space(root))

    # -- pictures

    def append(
        self, camera: str, at: datetime, picture: Picture, subjects: frozenset[str] = frozenset()
    ) -> Snapshot | None:
        """Seal and keep `picture`; None where an order that came while it was under way reaches it.

        `at` was noted before it was taken, by `TimeKeeper.now`.

        Raises:
            StoreBroken: also where there is no space, and nothing is left that could make room. Nothing of the picture
                is left, unless it was a flush that failed.
        """
        moment = self._time.moment()
        # Where the time is known, the moment's own is what `now` says.
        moment = captured(moment, moment.wall if moment.trusted else self._time.now(), at)
        if self._barrier.raised() and not self._admits(camera, moment.wall, subjects):
            return None
        self._expiring.make_room(len(picture.image) + len(picture.thumbnail) + _OVERHEAD)
        segment_id, record_id = self._writing.append(camera, moment, picture, tuple(sorted(subjects)))
        if self._writing.appended >= UNSYNCED_BYTES:
            self.flush()
        return Snapshot((segment_id + record_id).hex(), camera, moment.wall, self.limits.of(camera))

    def flush(self) -> None:
        """Make all that was appended durable, keys first."""
        self._expiring.ask_anew()
        self._writing.flush()

    def newest(self, camera: str | None, limit: int) -> Sequence[Snapshot]:
        """The newest `limit` of `camera`, or of all, that may be shown; newest first, damaged ones left out."""
        return self._viewing.newest(camera, limit)

    def spans(self) -> dict[str, Span]:
        """What is kept and may be shown, by camera: also of cameras that are configured no more."""
        return self._viewing.spans()

    def one(self, snapshot: str) -> Snapshot | None:
        """As `Viewing.one`."""
        return self._viewing.one(snapshot)

    def image(self, snapshot: str) -> bytes | None:
        """A JPEG, or None when there is none (any more), it is damaged, or must not be shown."""
        return self._viewing.part(snapshot, Part.IMAGE)

    def thumbnail(self, snapshot: str) -> bytes | None:
        """A JPEG, or None when there is none (any more), it is damaged, or must not be shown."""
        return self._viewing.part(snapshot, Part.THUMBNAIL)

    def tag(self, person: str, snapshots: Iterable[str]) -> int:
        """Somebody says that `person` is on these; returns on how many that are there and may be shown."""
        shown = tuple(bytes.fromhex(shot) for shot in snapshots if self._viewing.shows(shot))
        if shown:
            self._tags.add(Tag(self._time.now(), person, shown))
        return len(shown)

    def claim(self, person: str, camera: str, start: datetime, end: datetime) -> None:
        """`person` claims what `camera` takes from `start` up to `end`, and the owner has accepted that."""
        self._tags.add(Claim(self._time.now(), person, camera, start, end))

    # -- the Store contract

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        self._catalogue.look_again()
        for found in self._survey.find(scope, before):
            for pictures, position in self._survey.each(found):
                yield self._survey.item(pictures, position)

    def count(self, scope: Scope, before: datetime) -> int:
        self._catalogue.look_again()
        held = sum(hold is not None for _, hold in self._survey.vacant(scope, before))
        return held + sum(found.bits.bit_count() for found in self._survey.find(scope, before))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        self._catalogue.look_again()
        doomed = Doomed(self._survey, scope, before)
        with self._ring.change() as change:
            whole, others = doomed.whole(self._catalogue.within(change))
            self._erasing.stage(change, whole, doomed.parts(others), doomed.statement_dies)
        return doomed.erasure()

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        return self._scanning.scan(scope, before, marks)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        return self._viewing.export(scope)

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        self._catalogue.look_again()
        segments = [segment for segment in self._survey.segments() if segment.count]
        times = [window[0] for segment in segments if (window := self._survey.window(segment))]
        return [(RecordClass.SNAPSHOT, sum(segment.count for segment in segments), min(times, default=None))]

    def standing(self) -> Standing:
        """How what is kept stands against its limits."""
        self._catalogue.look_again()
        return standing(self._survey, self.limits)

    # -- what goes by itself

    def expire(self) -> Sequence[Expired]:
        """Have all die that falls due before the next run, in one change; returns what, and why.

        What went for want of space since the last run is told as well.
        """
        return self._expiring.expire()

    @property
    def pause(self) -> timedelta:
        """How soon the next `expire` has to come, so that nothing is late."""
        return self._expiring.pause

    def reclaim(self, at_most: int = RECLAIM_AT_ONCE) -> int:
        """Unlink at most so many dead files; returns how many. 0: there are none."""
        return self._expiring.reclaim(at_most)

    def redate(self) -> None:
        """The time has become known (`TimeKeeper.tick` says when): correct what this boot stored before."""
        # What comes is dated by the right clock, and so needs segments of its own, whatever becomes of this change.
        self._writing.retire(self._catalogue.living())
        with self._ring.change() as change:
            for segment in self._catalogue.within(change):
                if corrected := self._survey.corrected(segment):
                    change.inform(segment.id, corrected.to_bytes())

    def close(self) -> None:
        """Make all durable, and close."""
        self._writing.close()
        self._catalogue.close()

    def _admits(self, camera: str, at: datetime, subjects: frozenset[str]) -> bool:
        claimed = (claim.person for claim in self._tags.claims(camera) if claim.start <= at < claim.end)
        item = Item("", RecordClass.SNAPSHOT, at, camera=camera, subjects=subjects.union(claimed))
        return self._barrier.admits(item)
