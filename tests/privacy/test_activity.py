"""The activity log, beyond what every store must do (`tests/suites/test_store.py`)."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.activity import ActivityLog, Parties
from privacy.activity_hashes import NAMES
from privacy.activity_line import MOST_CONCERNED, Deed
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.merkle import includes
from privacy.records import RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

DAY = timedelta(days=1)
LIMIT = 182 * DAY
ALL = Scope(everything=True)
KARI, OLA, LISA = "kari", "ola", "lisa"


class House:
    """The log on a ring that can be opened again, and a clock to move."""

    def __init__(self, folder: Path, open_ring: Callable[[], KeyRing], time: TimeKeeper, clock: Any) -> None:
        self.folder = folder
        self.barrier = Barrier(clock)
        self.held: set[str] = set()
        self.clock = clock
        self._open_ring = open_ring
        self._time = time
        self.start()

    def start(self) -> ActivityLog:
        self.log = ActivityLog(
            self.folder,
            self._open_ring(),
            self._time,
            LIMIT,
            barrier=self.barrier,
            random_bytes=os.urandom,
            holds=lambda item: self if item.subjects & self.held else None,
        )
        return self.log

    reason, until = "dispute", datetime(2099, 1, 1, tzinfo=UTC)

    def look(self, actor: str | None = KARI, *concerns: str, **more: Any) -> int:
        deed = Deed(
            **{
                "at": self.clock.now(),
                "actor": actor,
                "role": Role.RESIDENT,
                "action": "view_pictures",
                "concerns": frozenset(concerns),
                **more,
            }
        )
        [number] = self.log.append([deed])
        return number

    def of(self, person: str | None, before: int | None = None, most: int = 99) -> list[int]:
        return [shown.number for shown in self.log.lines(person, before, most)]

    def erase(self, **scope: Any) -> int:
        return self.log.erase(Scope(**scope), self.clock.now() + DAY).erased

    def verified(self) -> bool:
        """Whether every line that is left is in the tree."""
        tree, root = self.log.tree, self.log.tree.root()
        found = [self.log.line(number) for number in self.of(None)]
        return all(
            line and includes(line[1].leaf, line[0].number, tree.size, tree.inclusion(line[0].number), root)
            for line in found
        )


@pytest.fixture
def house(tmp_path: Path, open_ring: Callable[[], KeyRing], keeper: TimeKeeper, clock: Any) -> House:
    return House(tmp_path / "activity", open_ring, keeper, clock)


class TestLines:
    def test_a_look_is_a_line_for_each_and_names_nobody_else(self, house: House) -> None:
        deed = house.look(KARI, OLA, LISA, camera="front", record="s1", purpose="care", token="t1", way="passkey")
        lines = {shown.line.person: shown.line for shown in house.log.lines(None, None, 99)}
        assert lines.keys() == {KARI, OLA, LISA}
        assert {line.deed for line in lines.values()} == {deed}
        assert [(person, line.did, line.token) for person, line in lines.items()] == [
            (OLA, False, None), (LISA, False, None), (KARI, True, "t1")
        ]  # fmt: skip
        for person, line in lines.items():
            words = repr(msgspec.to_builtins(line))
            assert [each for each in (KARI, OLA, LISA) if each in words] == [person]
            assert (line.camera, line.record, line.purpose, line.role) == ("front", "s1", "care", Role.RESIDENT)

    def test_each_has_their_own_files(self, house: House) -> None:
        house.look(KARI, OLA)
        house.look(OLA)
        assert house.log._files.names() == ["kari/0000000000000000", "ola/0000000000000001"]
        assert house.of(KARI) == [0]
        assert house.of(OLA) == [2, 1]

    def test_who_does_something_is_not_told_of_it_besides(self, house: House) -> None:
        house.look(KARI, KARI, OLA)
        assert house.of(KARI) == [0]
        assert house.of(None) == [1, 0]

    def test_a_person_who_is_changed_is_not_named_as_a_record(self, house: House) -> None:
        house.look(KARI, OLA, record=OLA)
        house.look(KARI, record=KARI)
        assert {shown.line.record for shown in house.log.lines(None, None, 9)} == {None}

    def test_what_nobody_did_to_somebody(self, house: House) -> None:
        number = house.look(None, OLA, role=None, action="sign_in", allowed=False, code="wrong_credentials")
        [shown] = house.log.lines(OLA, None, 9)
        assert (shown.number, shown.line.did, shown.line.role, shown.line.code) == (
            number, False, None, "wrong_credentials",
        )  # fmt: skip
        assert house.log.parties([number]) == {number: Parties(None, None, (OLA,))}

    def test_what_concerns_nobody_who_is_known(self, house: House) -> None:
        deed = house.look("", role=None, action="claim", allowed=False)
        assert house.log.parties([deed]) == {deed: Parties()}
        [item] = house.log.find(ALL, house.clock.now() + DAY)
        assert item.subjects == frozenset()
        assert house.of(None) == [0]
        assert house.erase(subjects=(KARI,)) == 0
        house.log._files.append("/0000000000000000", [(Concerns(house.clock.now()), b"\xc1")])
        assert house.erase(subjects=(KARI,)) == 0

    def test_a_crowd_is_a_mistake(self, house: House) -> None:
        with pytest.raises(ValueError, match="cannot concern"):
            house.look(KARI, *(f"p{number}" for number in range(MOST_CONCERNED + 1)))
        crowd = [f"p{number:03}" for number in range(MOST_CONCERNED)]
        house.look(KARI)
        deed = house.look(KARI, *crowd)
        house.look(KARI, OLA)
        assert house.log.parties([deed])[deed] == Parties(KARI, None, tuple(crowd))

    def test_parties_are_those_of_their_own_deeds(self, house: House) -> None:
        deeds = [house.look(KARI, OLA), house.look(OLA, KARI), house.look(LISA)]
        assert house.log.parties(deeds) == {
            deeds[0]: Parties(KARI, None, (OLA,)),
            deeds[1]: Parties(OLA, None, (KARI,)),
            deeds[2]: Parties(LISA),
        }
        assert house.log.parties([]) == {}


class TestPages:
    def test_newest_first_and_page_by_page(self, house: House) -> None:
        for _ in range(5):
            house.look(KARI, OLA)
            house.clock.move(days=40)
        assert len(house.log._files.names()) == 10, "a month each"
        assert house.of(KARI, most=2) == [8, 6]
        assert house.of(KARI, 6, 2) == [4, 2]
        assert house.of(KARI, 2) == [0]
        assert house.of(KARI, 0) == []
        assert house.of(None, most=3) == [9, 8, 7]
        assert house.of(None, 3) == [2, 1, 0]

    def test_quiet_people_are_not_passed_over(self, house: House) -> None:
        house.look(OLA)
        for _ in range(3):
            house.look(KARI)
            house.clock.move(days=40)
        house.look(KARI)
        assert house.of(None, most=5) == [4, 3, 2, 1, 0]

    def test_a_large_file_is_followed_by_another(self, house: House) -> None:
        deeds = [Deed(at=house.clock.now(), actor=KARI, role=Role.OWNER, action="x" * 500) for _ in range(90)]
        for _ in range(3):
            house.log.append(deeds)
        assert house.log._files.names() == ["kari/0000000000000000", "kari/0000000000000180"]
        assert house.of(KARI, most=270) == list(range(269, -1, -1))
        assert house.of(KARI, most=10, before=185) == list(range(184, 174, -1))
        found = house.log.line(7)
        assert found
        assert found[0].line.person == KARI

    def test_a_number_that_nobody_has(self, house: House) -> None:
        house.look()
        assert house.log.line(1) is None
        assert house.log.line(10**9) is None


class TestErasure:
    def test_without_the_viewer_the_viewed_keeps_that_a_resident_looked(self, house: House) -> None:
        deed = house.look(KARI, OLA, camera="front")
        root, size = house.log.tree.root(), house.log.tree.size
        assert house.erase(subjects=(KARI,)) == 1
        [shown] = house.start().lines(OLA, None, 9)
        assert (shown.line.role, shown.line.camera, shown.genuine) == (Role.RESIDENT, "front", True)
        assert house.log.parties([deed]) == {deed: Parties(None, None, (OLA,))}
        assert (house.log.tree.root(), house.log.tree.size) == (root, size)
        assert house.verified()

    def test_without_the_viewed_the_viewer_keeps_what_they_did(self, house: House) -> None:
        deed = house.look(KARI, OLA, LISA)
        assert house.erase(subjects=(OLA,)) == 1
        assert house.of(OLA) == []
        assert house.log.parties([deed])[deed] == Parties(KARI, None, (LISA,))
        assert house.of(KARI) == [0]
        assert house.verified()

    def test_numbers_go_on_after_everything_is_erased(self, house: House) -> None:
        house.look(KARI, OLA)
        assert house.erase(everything=True) == 2
        assert house.of(None) == []
        house.start()
        assert house.look(KARI) == 2
        assert house.verified()

    def test_of_a_part_the_rest_is_still_in_the_log(self, house: House) -> None:
        house.look(KARI, OLA, camera="front")
        house.look(KARI, OLA, camera="back")
        assert house.erase(cameras=("front",)) == 2
        assert house.of(None) == [3, 2]
        assert house.verified()
        house.look(KARI)
        assert house.of(KARI) == [4, 2]

    def test_what_cannot_be_read_goes_with_its_person(self, house: House) -> None:
        house.look(KARI)
        house.look(OLA)
        house.log._files.append("kari/0000000000000000", [(Concerns(house.clock.now()), b"\xc1")])
        house.log._files.append("kari/0000000000000000", [(Concerns(house.clock.now()), b"\x93\x07\xc4\x00\xc4\x00")])
        assert [opened for _, opened in house.log.export(Scope(subjects=(KARI,)))][1:] == [
            b"\xc1", b"\x93\x07\xc4\x00\xc4\x00",
        ]  # fmt: skip
        assert house.of(KARI) == [0]
        assert house.erase(subjects=(OLA,)) == 1
        assert house.erase(subjects=(KARI,)) == 3

    def test_what_an_order_reaches_is_neither_stored_nor_shown(self, house: House) -> None:
        house.look(KARI, OLA)
        house.barrier.raise_for("o1", Scope(subjects=(OLA,)), house.clock.now() + DAY)
        assert house.of(OLA) == []
        deed = house.look(KARI, OLA)
        assert house.log.tree.size == 3
        assert house.log.parties([deed])[deed] == Parties(KARI)
        house.look(OLA)
        assert house.log.tree.size == 3

    def test_what_is_held_is_not_shown(self, house: House) -> None:
        deed = house.look(KARI, OLA)
        house.held.add(OLA)
        assert house.of(OLA) == []
        assert house.log.parties([deed])[deed] == Parties(KARI)
        assert house.log.line(1) is None


class TestTime:
    def test_a_line_goes_after_six_months_at_the_latest_and_five_at_the_earliest(self, house: House) -> None:
        for _ in range(29):
            house.look(KARI)
            house.clock.move(days=1)
        first = house.clock.now() - 29 * DAY
        house.clock.time = first + LIMIT - timedelta(hours=1)
        assert house.log.expire(timedelta(minutes=50)) == 0
        assert house.log.expire(timedelta(hours=1)) == 29
        assert house.of(None) == []
        assert list(house.log.oldest()) == [(RecordClass.ACTIVITY, 0, None)]

    def test_a_month_begins_a_file(self, house: House) -> None:
        house.look(KARI)
        house.clock.move(days=30)
        house.look(KARI)
        house.clock.move(days=1)
        house.look(KARI)
        assert house.log._files.names() == ["kari/0000000000000000", "kari/0000000000000002"]

    def test_without_a_limit_a_file_takes_all(self, house: House) -> None:
        house.log = ActivityLog(
            house.folder, house._open_ring(), house._time, None, barrier=house.barrier, random_bytes=os.urandom
        )
        house.look(KARI)
        house.clock.move(days=400)
        house.look(KARI)
        assert house.log._files.names() == ["kari/0000000000000000"]

    def test_when_is_told_as_it_is_known_today(self, house: House) -> None:
        house.look(KARI)
        [file] = house.log._files.files()
        moment = msgspec.structs.replace(file.info.moment, wall=file.info.moment.wall + DAY)
        at = house.clock.now()
        house.clock.move(days=2)
        house.log.redate(lambda _: moment)
        [shown] = house.log.lines(KARI, None, 1)
        assert (shown.at, shown.line.at, shown.genuine) == (at + DAY, at, True)


class TestEvidence:
    def spoil(self, house: House, number: int) -> None:
        """Somebody writes another leaf, with a check that fits."""
        other = ActivityLog(
            house.folder, house._open_ring(), house._time, LIMIT, barrier=house.barrier, random_bytes=os.urandom
        )
        other.tree._put(0, number, [bytes(32)])

    def test_a_leaf_that_was_changed_shows(self, house: House) -> None:
        deed = house.look(KARI, OLA)
        root = house.log.tree.root()
        self.spoil(house, 0)
        house.start()
        assert house.log.tree.root() != root
        assert [(shown.number, shown.genuine) for shown in house.log.lines(None, None, 9)] == [(1, True), (0, False)]
        assert house.log.line(0) is None
        assert house.log.parties([deed])[deed] == Parties(None, None, (OLA,))

    @pytest.mark.parametrize("left", [0, 1])
    def test_where_leaves_were_taken_away_no_number_is_given_again(
        self, house: House, caplog: pytest.LogCaptureFixture, left: int
    ) -> None:
        for _ in range(3):
            house.look(KARI)
            house.look(OLA)
            house.clock.move(days=40)
        path = house.folder / NAMES[0]
        if left:
            os.truncate(path, 36 * (1 + left))
        else:
            path.unlink()
        house.start()
        assert "leaves of the activity log were taken away" in caplog.text
        assert house.look(KARI) == 6
        assert [shown.genuine for shown in house.log.lines(None, None, 9)] == [
            True,
            *[False] * (6 - left),
            *[True] * left,
        ]

    def test_where_the_last_ones_were_cut_their_lines_are_not_in_the_log(self, house: House) -> None:
        house.look(KARI)
        house.look(KARI)
        os.truncate(house.folder / NAMES[0], 36 * 2)
        house.start()
        assert [shown.genuine for shown in house.log.lines(KARI, 99, 9)] == [False, True]
        assert house.log.line(1) is None

    def test_a_file_that_was_made_twice_hides_no_line(self, house: House) -> None:
        house.look(KARI)
        [file] = house.log._files.files()
        house.log._files._ring.add("activity", file.info.to_bytes())
        house.look(KARI)
        house.look(KARI)
        names = ["kari/0000000000000000", "kari/0000000000000000+", "kari/0000000000000001"]
        assert house.log._files.names() == names
        assert [span.end for span in house.log._spans()] == [3, 1, 1]
        assert house.of(KARI) == [2, 1, 0]
        assert house.verified()


def test_a_disk_that_refuses_leaves_the_log_as_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.look(KARI, OLA)
    with monkeypatch.context() as patch:
        patch.setattr(house.log._files, "append", _refuses)
        with pytest.raises(StoreBroken):
            house.look(KARI, OLA)
    assert house.of(None) == [1, 0]
    assert house.look(KARI) == 4, "two leaves have no line"
    assert house.verified()


def _refuses(*_: object) -> None:
    raise StoreBroken("full")


def test_an_export_says_what_the_line_says(house: House) -> None:
    house.look(KARI, OLA, camera="front", record="s1")
    [(item, opened)] = house.log.export(Scope(subjects=(OLA,)))
    told = msgspec.json.decode(opened)
    assert item.camera == told["camera"] == "front"
    assert (told["person"], told["did"], told["record"], told["action"]) == (OLA, False, "s1", "view_pictures")
    assert datetime.fromisoformat(told["at"]) == house.clock.now()


def test_moments_are_those_of_the_files(house: House) -> None:
    house.look(KARI)
    assert [moment.wall for moment in house.log.moments()] == [house.clock.now()]
