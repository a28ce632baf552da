"""How long the files of a sealed folder live: the limit of their record class, by the time keeper and not the wall."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from privacy.moment import Moment
from privacy.records import RecordClass
from privacy.timekeeping import TimeKeeper

FILES_A_LIMIT: Final = 72
"""A file takes records for this share of the limit, so that an operation log of 72 h has a file an hour: it dies as a
whole, with its key, and nothing in it dies earlier than by that share."""
LONGEST_SPAN: Final = timedelta(days=1)
GO_IN_DOUBT: Final = frozenset(
    {
        RecordClass.SNAPSHOT,
        RecordClass.OP_LOG,
        RecordClass.PRESENCE,
        RecordClass.LOCATION,
        RecordClass.WEARER_POSITION,
        RecordClass.SENSOR_HISTORY,
    }
)
"""Of these nothing of an earlier boot is shown while time is not known; and after a day of that goes what cannot be
shown to be young enough (`DESIGN.md`, "Time")."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long the records of one class live, and when their files are due."""

    time: TimeKeeper
    record_class: RecordClass
    limit: timedelta | None
    """None: while in use."""

    @property
    def span(self) -> timedelta | None:
        """How long one file takes records; None: for ever."""
        return self.limit and min(self.limit / FILES_A_LIMIT, LONGEST_SPAN)

    def sealed(self, began: Moment) -> bool:
        """Whether what began at a moment must not be shown: an earlier boot stored it, and time is not known."""
        return self.record_class in GO_IN_DOUBT and self.time.sealed(began)

    def due(self, ahead: timedelta) -> Callable[[Moment], bool]:
        """Whether what began at a moment falls due within `ahead`, the time until somebody asks again: never late."""

        def is_due(began: Moment) -> bool:
            if self.limit is None:
                return False
            age = self.time.age(began)
            if age.at_least + ahead >= self.limit:
                return True
            young = age.at_most is not None and age.at_most + ahead < self.limit
            return not young and self.time.patience_over and self.record_class in GO_IN_DOUBT

        return is_due
