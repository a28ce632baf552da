"""What one order takes of the vault, what holds keep from it, and what its receipt says of that."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from camera.vault import positions
from camera.vault.catalogue import Segment
from camera.vault.marks import packed_marks
from camera.vault.reach import Reach, statement_dies
from camera.vault.survey import Found, Survey
from camera.vault.tags import Claim, Tag
from privacy.records import Scope
from privacy.store import Erasure, Exemption

_WAYS: Final = ("assigned", "tagged", "claimed")


class Doomed:
    """`whole`, then `parts`, once each; then it knows what was found, and whether what was said of it goes too.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, survey: Survey, scope: Scope, before: datetime) -> None:
        self._survey = survey
        self._scope = scope
        self._before = before
        self._found = 0
        self._by = (0, 0, 0)
        self._kept: Counter[tuple[str, datetime]] = Counter()
        """By the reason of a hold, and its end."""
        self._marked: dict[bytes, Sequence[bytes] | None] = {}
        """By segment id, the record ids (None: of all) where nothing in the file will say that these were meant: the
        tags and claims die with them. From what was meant, and not from what the erasure says that it took."""

    def whole(self, segments: Sequence[Segment]) -> tuple[list[bytes], Sequence[Segment]]:
        """The ids of those of `segments` that die as a whole, as their rows tell; and the others, for `parts`."""
        dying, others = list(self._vacant(segments)), segments
        if not self._survey.holding:
            whole, others = Reach(self._scope, self._before, self._survey.tags).parted(segments)
            self._found += sum(segment.count for segment in whole)
            dying += [segment.entry.id for segment in whole if segment.count]
        if self._scope.subjects:
            self._marked.update(dict.fromkeys(dying))
        return dying, others

    def parts(self, segments: Sequence[Segment]) -> Iterator[Found]:
        """What dies of `segments`, one after the other."""
        for one in self._survey.find(self._scope, self._before, segments):
            bits = self._left_by_holds(one)
            self._found += one.bits.bit_count()
            if self._scope.subjects:
                self._by = self._by[0] + one.by[0], self._by[1] + one.by[1], self._by[2] + one.by[2]
                if bits and not one.by[0]:
                    self._marked[one.segment.entry.id] = _ids(one, bits)
            if bits:
                yield one if bits == one.bits else Found(one.segment, bits, one.by, one.pictures)

    def statement_dies(self, record: Tag | Claim) -> bool:
        """Whether it goes by itself. Not while anything is held: that is erased later, and must be found then."""
        return not self._kept.total() and statement_dies(record, self._scope, self._before)

    def erasure(self) -> Erasure:
        """What to say of it."""
        found, left = self._found, self._kept.total()
        exemptions = tuple(
            Exemption(reason=reason, count=count, due=until)
            for (reason, until), count in sorted(self._kept.items())
            if count
        )
        return Erasure(
            found,
            found - left,
            left,
            by=dict(zip(_WAYS, self._by, strict=True)) if self._scope.subjects and found else {},
            exemptions=exemptions,
            marks=packed_marks(self._marked),
        )

    def _vacant(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """What dies though no picture of it is known; of what a hold may keep, one counts: so many at least."""
        for segment, hold in self._survey.vacant(self._scope, self._before, segments):
            if hold:
                self._found += 1
                self._kept[hold.reason.value, hold.until] += 1
            else:
                yield segment.entry.id

    def _left_by_holds(self, one: Found) -> int:
        bits = one.bits
        for hold, held in self._survey.held(one.segment) if self._survey.holding else ():
            self._kept[hold.reason.value, hold.until] += (bits & held).bit_count()
            bits &= ~held
        return bits


def _ids(one: Found, bits: int) -> Sequence[bytes] | None:
    """The record ids of `bits`; None where they are all of the segment, as where its page is lost."""
    count, ids = one.segment.count, one.pictures.ids if one.pictures else ()
    if bits == positions.every(count) or len(ids) < count:
        return None
    return positions.chosen(bits, ids)
