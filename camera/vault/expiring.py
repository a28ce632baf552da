"""What goes by itself: at its limit, in doubt, or for want of space; and the files that are left of it."""

from collections.abc import Sequence
from typing import Final

from camera.vault import positions
from camera.vault.catalogue import Segment
from camera.vault.erasing import Erasing
from camera.vault.retention import Expired, Kept, Limits, due, for_space
from camera.vault.space import Space
from camera.vault.survey import Found, Survey
from camera.vault.tags import Claim, Tag
from privacy.errors import StoreBroken

UNASKED_BYTES: Final = 1024 * 1024
"""Room for so many bytes of pictures is looked for at once: to ask the medium for each would take a tenth of the time.

Far less than the reserve that stays free, so that others who fill the medium meanwhile make no append fail.
"""


class Expiring:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused; call again.
    """

    def __init__(self, survey: Survey, erasing: Erasing, limits: Limits, space: Space) -> None:
        self._survey = survey
        self._catalogue = survey.catalogue
        self._erasing = erasing
        self._limits = limits
        self._space = space
        self._room = 0
        """Up to so many bytes of the vault there was room when the medium was last asked."""
        self.pause = limits.pause()
        """The next run has to come so soon: the last one has left what falls due after that."""
        self._made_room: list[Expired] = []
        """What went for space since the last run."""

    def expire(self) -> Sequence[Expired]:
        """As `Vault.expire`."""
        self._catalogue.look_again()
        with self._catalogue.ring.change() as change:
            rows = {segment.id: (segment, self._survey.kept(segment)) for segment in self._catalogue.within(change)}
            kept = [self._kept(*row) for row in rows.values()]
            self.pause = self._limits.pause(kept)
            # Of one that is held as a whole nothing goes. One without pictures has a file that never came to be, or is
            # away: perhaps the folder is not mounted yet, so its key dies at its time and not before.
            mortal = {
                id_
                for id_, (one, held) in rows.items()
                if held != positions.every(one.count) or (not one.count and not self._survey.may_keep(one))
            }
            late = due(kept, self._limits, self._survey.time.patience_over)
            going = [one for one in late if one.segment in mortal]
            partly = [rows[one.segment] for one in going if rows[one.segment][1]]
            self._erasing.stage(
                change,
                [one.segment for one in going if not rows[one.segment][1]],
                [Found(segment, positions.every(segment.count) & ~held) for segment, held in partly],
                self._is_over,
            )
        told, self._made_room = [*self._made_room, *going], []
        return [one for one in told if one.pictures]

    def make_room(self, needed: int) -> None:
        """Make sure that `needed` bytes can be written: dead files go first, then the oldest pictures.

        Raises:
            StoreBroken: also where nothing is left that could go.
        """
        if self._catalogue.bytes + needed <= self._room:
            return
        if (missing := self._short(needed)) <= 0:
            self._room = self._catalogue.bytes + needed + min(-missing, UNASKED_BYTES)
            return
        self.reclaim(None)
        if (missing := self._short(needed)) > 0:
            self._let_go(missing)
            self.reclaim(None)
        if self._short(needed) > 0:
            raise StoreBroken("no space is left for pictures", hint="free some, or raise the vault's quota")

    def ask_anew(self) -> None:
        """Ask the medium itself when room is next needed."""
        self._room = 0

    def reclaim(self, at_most: int | None) -> int:
        """As `Vault.reclaim`; None: all of them."""
        if not self._erasing.leftovers:
            return 0
        segments, pages = self._catalogue.dead()
        segments = segments[:at_most]
        pages = pages if at_most is None else pages[: at_most - len(segments)]
        if not segments and not pages:
            self._erasing.leftovers = False
            return 0
        return self._catalogue.bury(segments, pages)

    def _let_go(self, missing: int) -> None:
        self._catalogue.look_again()
        sizes = self._catalogue.segments.sizes()
        rows = [segment for segment in self._survey.segments() if self._is_free(segment)]
        rows.sort(key=lambda segment: segment.info.moment.powered if segment.info else 0.0)
        going = for_space([(self._kept(segment, 0), sizes.get(segment.id, 0)) for segment in rows], missing)
        with self._catalogue.ring.change() as change:
            self._erasing.stage(change, [one.segment for one in going])
        self._made_room += going

    def _is_free(self, segment: Segment) -> bool:
        """Whether no hold keeps anything of it, or may."""
        return not (self._survey.kept(segment) if segment.count else self._survey.may_keep(segment))

    def _short(self, needed: int) -> int:
        return self._space.short(self._catalogue.bytes, needed)

    def _kept(self, segment: Segment, held: int) -> Kept:
        info = segment.info
        pictures = segment.count - held.bit_count()
        if info is None:
            return Kept(segment.id, None, None, pictures)
        return Kept(segment.id, info.camera, self._survey.time.age(info.moment), pictures, info.limit)

    def _is_over(self, record: Tag | Claim) -> bool:
        """Whether no picture can be left that a claim means. Not while anything is held: a hold outlives the limit."""
        if isinstance(record, Tag) or self._survey.holding:
            return False
        return record.end <= self._survey.time.now() - self._limits.of(record.camera)
