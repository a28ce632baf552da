"""Books of holds that are deliberately wrong: each breaks one promise, and is caught by name."""

import contextlib
import runpy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import privacy.holds
from privacy.errors import HoldRefused
from privacy.hold import Hold, end_of
from privacy.hold_book import HoldBook
from privacy.holds import Holds
from privacy.records import Scope

_HOUSE: Any = runpy.run_path(str(Path(__file__).with_name("holds_house.py")))
House, picture, BOTH, OWNER, RESIDENT = (_HOUSE[name] for name in ("House", "picture", "BOTH", "OWNER", "RESIDENT"))
NOON, DAY, LATER = (_HOUSE[name] for name in ("NOON", "DAY", "LATER"))


def broken_promises(root: Path) -> Iterator[str]:
    """What a book of holds does that it must not."""
    house = House(root)
    house.barrier.raise_for("order", Scope(cameras=("back",)), NOON)
    with contextlib.suppress(HoldRefused):
        house.place(Scope(cameras=("back",)))
        yield "holds what is being erased"
    hold = house.place()
    house.time = NOON + DAY
    with contextlib.suppress(HoldRefused):
        house.holds.renew(hold.id, (OWNER, OWNER))
        yield "one person renews"
    with contextlib.suppress(HoldRefused):
        house.holds.renew(hold.id, BOTH)
        house.holds.renew(hold.id, BOTH)
        yield "renews twice"
    house.time = NOON + 31 * DAY
    if house.holds.held(picture()):
        yield "does not end"
    house.holds.end_due()
    house.time = NOON
    if house.start().held(picture()):
        yield "comes back with the clock"
    house.place(Scope(cameras=("gate",)))
    house.time = NOON + 31 * DAY
    with contextlib.suppress(HoldRefused):
        house.place(Scope(cameras=("gate",)))
        yield "adds up"
    house.time = NOON
    released = house.place(Scope(cameras=("side",)))
    house.holds.release(released.id, RESIDENT)
    house.holds.erase(Scope(subjects=(RESIDENT.id,)), LATER)
    if house.start().held(picture("side")):
        yield "comes back with an erasure"


def line_by_line(self: HoldBook, _owners: set[str]) -> None:
    with self._files.change() as change:
        self._files.lose("", lambda _sequence, item: RESIDENT.id in item.subjects)
        change.afterwards(self._read_again)


def never(_self: Holds) -> list[Hold]:
    return [hold for hold in _self._book.holds.values() if not hold.ended]


def forgetful(self: Holds) -> list[Hold]:
    self._active()
    return []


def renewed_by_one(self: Holds, hold_id: str, by: Any, until: Any = None) -> Hold:
    return RENEW(self, hold_id, BOTH, until)


def renewed_again(self: Holds, hold_id: str, by: Any, until: Any = None) -> Hold:
    if by[0] is by[1]:
        raise HoldRefused("one_role", "")
    return self._book.holds[hold_id]


def as_if_alone(now: datetime, until: datetime | None, *_: object) -> datetime:
    return end_of(now, until)


RENEW = Holds.renew


@contextmanager
def replaced(name: str, by: Callable[..., Any]) -> Iterator[None]:
    with patch.object(Holds, name, by):
        yield


@pytest.mark.parametrize(
    ("variant", "caught"),
    [
        (contextlib.nullcontext(), []),
        (replaced("_refuse_what_is_ordered", lambda *_: None), ["holds what is being erased"]),
        (replaced("renew", renewed_by_one), ["one person renews"]),
        (replaced("renew", renewed_again), ["renews twice"]),
        (patch.object(privacy.holds, "end_of_first", as_if_alone), ["adds up"]),
        (replaced("_active", never), ["does not end", "comes back with the clock"]),
        (replaced("end_due", forgetful), ["comes back with the clock"]),
        (patch.object(HoldBook, "forget", line_by_line), ["comes back with an erasure"]),
    ],
    ids=["ours", "blind", "alone", "again", "adding", "endless", "forgetful", "lines"],
)
def test_each_wrong_book_is_caught(tmp_path: Path, variant: AbstractContextManager[None], caught: list[str]) -> None:
    with variant:
        assert list(broken_promises(tmp_path / "house")) == caught
