"""What an export is about, and what it holds: which orders reach that."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec

from privacy.records import Item, RecordClass, Scope

Utc = Annotated[datetime, msgspec.Meta(tz=True)]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one class in an export, together."""

    record_class: RecordClass
    cameras: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    """Everybody whom one of them concerns, by id."""
    oldest: Utc | None = None
    """None: one of them cannot be dated."""
    newest: Utc | None = None

    def reached(self, scope: Scope, before: datetime) -> bool:
        """Whether an order for `scope` up to `before` may reach one of them."""
        if not scope.named:
            return False
        return (
            (not scope.classes or self.record_class in scope.classes)
            and (not scope.cameras or bool(set(self.cameras) & set(scope.cameras)))
            and (not scope.devices or bool(set(self.devices) & set(scope.devices)))
            and (not scope.subjects or bool(set(self.subjects) & set(scope.subjects)))
            and (self.oldest is None or self.oldest < before)
            and (self.oldest is None or scope.end is None or self.oldest < scope.end)
            and (self.newest is None or scope.start is None or self.newest >= scope.start)
        )


class ContentsSoFar:
    """Gathers `Contents`, record by record."""

    def __init__(self) -> None:
        self._items: dict[RecordClass, _Gathered] = {}

    def add(self, item: Item) -> None:
        """`item` is in it, too."""
        self._items.setdefault(item.record_class, _Gathered()).add(item)

    def all(self) -> tuple[Contents, ...]:
        """What was gathered, by class."""
        return tuple(gathered.contents(class_) for class_, gathered in sorted(self._items.items()))


class _Gathered:
    def __init__(self) -> None:
        self._cameras: set[str] = set()
        self._devices: set[str] = set()
        self._subjects: set[str] = set()
        self._undated = False
        self._oldest: datetime | None = None
        self._newest: datetime | None = None

    def add(self, item: Item) -> None:
        self._cameras.update(_there(item.camera))
        self._devices.update(_there(item.device))
        self._subjects |= item.subjects
        if item.at is None:
            self._undated = True
        else:
            self._oldest = min(self._oldest or item.at, item.at)
            self._newest = max(self._newest or item.at, item.at)

    def contents(self, class_: RecordClass) -> Contents:
        return Contents(
            record_class=class_,
            cameras=tuple(sorted(self._cameras)),
            devices=tuple(sorted(self._devices)),
            subjects=tuple(sorted(self._subjects)),
            oldest=None if self._undated else self._oldest,
            newest=None if self._undated else self._newest,
        )


def _there(id_: str | None) -> Iterable[str]:
    return () if id_ is None else (id_,)
