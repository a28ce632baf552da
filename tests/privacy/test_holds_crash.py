"""The book of holds after damage, and after a power cut anywhere."""

import itertools
import os
import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from privacy.holds import Holds
from privacy.records import RecordClass, Scope
from privacy.sealed_file import Concerns

_HOUSE: Any = runpy.run_path(str(Path(__file__).with_name("holds_house.py")))
House, picture, ALL, BOTH, OWNER, NOON, DAY, MONTH, LATER, ACTIVITY = (
    _HOUSE[name] for name in ("House", "picture", "ALL", "BOTH", "OWNER", "NOON", "DAY", "MONTH", "LATER", "ACTIVITY")
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


class TestDamage:
    def damage(self, house: House, line: int) -> None:
        [file] = house.files
        data = bytearray(file.read_bytes())
        starts = [at for at in range(len(data)) if data.startswith(b"\xd7pvR", at)]
        data[starts[line] + 40] ^= 1
        file.write_bytes(data)

    def test_a_release_that_is_damaged_leaves_the_hold_to_its_date(self, house: House) -> None:
        hold = house.place()
        house.holds.release(hold.id, OWNER)
        house.place(Scope(cameras=("back",)))
        self.damage(house, 1)
        assert house.start().held(picture()) == hold
        house.time += MONTH
        assert house.holds.held(picture()) is None

    def test_a_damaged_line_costs_no_other_hold(self, house: House) -> None:
        house.place()
        other = house.place(Scope(cameras=("back",)))
        self.damage(house, 0)
        assert house.start().history() == (other,)

    def test_a_torn_tail_is_cut(self, house: House) -> None:
        hold = house.place()
        [file] = house.files
        whole = file.read_bytes()
        house.place(Scope(cameras=("back",)))
        file.write_bytes(file.read_bytes()[: len(whole) + 50])
        assert house.start().history() == (hold,)
        assert file.read_bytes() == whole

    def test_a_line_of_a_later_version_is_named_kept_and_erased_as_undated(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        hold = house.place()
        house.holds._book._files.append("", [(Concerns(NOON), b'{"later": 1}')])
        assert house.start().history() == (hold,)
        assert "cannot be read; what it keeps is not kept" in caplog.text
        house.holds.release(hold.id, OWNER)
        house.time += ACTIVITY
        assert house.holds.expire(ACTIVITY) == 1
        assert house.holds.oldest() == ((RecordClass.ACTIVITY, 1, None),)
        assert [item.at for item in house.holds.find(ALL, NOON)] == [None]
        assert list(house.holds.export(ALL)) == []
        assert house.holds.erase(Scope(subjects=("p-1",)), LATER).found == 0
        assert house.holds.erase(ALL, NOON).erased == 1
        assert house.files == []


class PowerCut(BaseException):
    """Nobody catches it."""


@contextmanager
def cut_at(step: int) -> Iterator[list[str]]:
    """The power goes before the step towards the disk of that number; the names of those that were taken."""
    taken: list[str] = []
    names = ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "unlink")

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            taken.append(name)
            if len(taken) >= step:
                raise PowerCut
            return real(*args, **kwargs)

        return call

    watching: dict[str, Any] = {name: watched(name, getattr(os, name)) for name in names}
    with patch.multiple(os, **watching):
        try:
            yield taken
        except PowerCut:
            taken.append("cut")


def place(house: House) -> object:
    return house.place(Scope(cameras=("back",)))


def renew(house: House) -> object:
    return house.holds.renew(house.holds.active()[0].id, BOTH)


def release(house: House) -> object:
    return house.holds.release(house.holds.active()[0].id, OWNER)


def end(house: House) -> object:
    house.time += MONTH
    return house.holds.end_due()


def erase(house: House) -> object:
    return house.holds.erase(ALL, LATER)


def told(holds: Holds) -> list[tuple[str, datetime, bool]]:
    return [(hold.scope.cameras[0], hold.until, bool(hold.ended)) for hold in holds.history()]


@pytest.mark.parametrize("act", [place, renew, release, end, erase])
def test_cut_anywhere_it_is_as_before_or_as_after(tmp_path: Path, act: Callable[[House], object]) -> None:
    seen = set()
    for step in itertools.count(1):
        house = House(tmp_path / str(step))
        house.holds.release(house.place().id, OWNER)
        house.time += DAY
        house.place(Scope(cameras=("side",)))
        house.time += DAY
        before = told(house.holds)
        with cut_at(step) as taken:
            act(house)
        now = told(house.start())
        seen.add(str(now))
        if "cut" not in taken:
            break
        house.start()
        assert told(house.holds) == now
        if now == before:
            act(house)
            assert told(house.holds) != before
    assert step > 3
    assert seen == {str(before), str(now)}
