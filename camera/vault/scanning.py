"""What still opens: the files themselves, read with every surviving key; no index is asked."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from camera.vault.catalogue import Segment
from camera.vault.file import FileUnreadable
from camera.vault.marks import Marks
from camera.vault.reach import Reach, statement_dies
from camera.vault.reading import Reading, Sought
from camera.vault.segment import SegmentReader
from camera.vault.stray import Strays
from camera.vault.survey import Survey
from privacy.errors import SealBroken
from privacy.records import Scope

log = logging.getLogger(__name__)


class Scanning:
    """Every method blocks.

    Raises (all methods):
        StoreBroken: the medium refused something that may hold what is sought.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        """As `Store.scan`: a number for each file of pictures that lies there, then one for the tags.

        A tag or a claim that should have died counts as well.
        """
        look = _Look(self._survey, Sought(scope, before, Marks(marks)))
        for file_id in self._survey.catalogue.segments.ids():
            yield look.count(file_id)
        yield sum(statement_dies(record, scope, before) for record in self._survey.tags.scan())


class _Look:
    """One scan."""

    def __init__(self, survey: Survey, sought: Sought) -> None:
        self._survey = survey
        self._sought = sought
        self._reach = Reach(sought.scope, sought.before, survey.tags)
        self._strays = Strays(survey, sought, self._concerns)

    def count(self, file_id: bytes) -> int:
        """What of one file opens and is in scope; nothing of what is gone, or no file of pictures."""
        whose: Iterable[Segment] = ()
        try:
            if segment := self._survey.catalogue.living().get(file_id):
                whose = [segment]
                with suppress(SealBroken):
                    return self._living(segment)
            # What no entry names, or is not what its name says, any key could open: it concerns whoever anything is
            # left of.
            whose = self._survey.segments()
            return self._strays.count(file_id)
        except SealBroken:
            return 0
        except FileUnreadable as error:
            if any(map(self._concerns, whose)):
                raise
            log.warning("file %s of the vault was not scanned, and holds nothing in scope: %s", file_id.hex(), error)
            return 0

    def _living(self, segment: Segment) -> int:
        with SegmentReader(self._survey.catalogue.segments.file(segment.id)) as reader:
            return Reading(self._survey, segment, reader, self._sought).count()

    def _concerns(self, segment: Segment) -> bool:
        return self._sought.marks.within(segment.id) or self._reach.may_mean(segment)
