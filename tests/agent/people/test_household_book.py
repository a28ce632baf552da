"""The household out of the registers: who is in it, since when, and whose cameras there are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.people.household import HouseholdBook, cameras_of
from agent.people.register import Person
from agent.rights.actions import Action
from agent.rights.household import Camera
from agent.rights.target import Target
from camera.vault.metadata import KIND, SegmentInfo
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Scope
from tests.agent.rights.six import DAY, HOUR, MONDAY, Six
from tests.suites.memory_slots import MemorySlots


@pytest.fixture
async def six(tmp_path: Path) -> Any:
    home = Six(tmp_path)
    yield await home.move_in()
    home.disk.close()


def refreshed(six: Six) -> HouseholdBook:
    six.household.refresh()
    return six.household


async def test_everybody_with_what_they_are(six: Six) -> None:
    people = six.household.current().people
    assert people.keys() == set(six.ids.values())
    tiril, gro = people[six.ids["tiril"]], people[six.ids["gro"]]
    assert (tiril.minor, tiril.lives_here(six.clock.now())) == (True, True)
    assert (gro.memberships[0].role, gro.lives_here(six.clock.now())) == (Role.GUEST, False)
    assert gro.memberships[0].since == MONDAY
    assert six.household.current() is six.household.current(), "nothing is made anew for a request"


async def test_it_is_the_same_after_a_restart(six: Six) -> None:
    before = six.household.current()
    six.open()
    assert six.household.current().people == before.people
    assert six.household.current().cameras == before.cameras


async def test_nobody_is_in_it_before_it_was_read(six: Six) -> None:
    fresh = HouseholdBook(register=six.register, book=six.book, cameras=tuple, clock=six.clock)
    assert fresh.current().people == {}
    assert fresh.token_of("pv_" + "0" * 32) is None


async def test_whom_an_order_reaches_has_no_right_from_then_on(six: Six) -> None:
    six.clock.pass_(HOUR)
    six.barrier.raise_for("order", Scope(subjects=(six.ids["rune"],)), six.clock.now())
    six.held.add(six.ids["rune"])  # a hold that delays the erasure gives nothing back
    assert six.ids["rune"] not in refreshed(six).current().people
    assert six.why_not("rune", Action.VIEW_PICTURES, Target(cameras=("door",))) == "not_a_member"


async def test_whom_a_hold_hides_keeps_their_home(six: Six) -> None:
    six.held.add(six.ids["olga"])
    refreshed(six)
    assert six.ids["olga"] not in {one.id for one in six.register.all()}
    assert six.may("olga", Action.CONTROL_DEVICES)


async def test_who_cannot_be_read_is_not_in_it_and_what_they_were_lent_is_kept(six: Six) -> None:
    await six.give("olga", "gro", Action.READ_DEVICES)
    gro = six.ids["gro"]
    six.register._files.rewrite(gro, [b'{"of": "a later version"}'])
    assert gro not in refreshed(six).current().people
    assert six.household.current().grants == ()
    assert len(six.book.all()) == 1, "the version that reads them may come back"
    six.register.remove(gro)
    refreshed(six)
    assert six.book.all() == []


async def test_a_clock_that_was_wrong_locks_nobody_out_and_lets_nobody_back_in(six: Six) -> None:
    at = six.clock.now()
    olga, rune = (next(one for one in six.register.all() if one.id == six.ids[name]) for name in ("olga", "rune"))
    six.register.put(msgspec.structs.replace(olga, since=at + 400 * DAY))
    six.register.put(msgspec.structs.replace(rune, until=at + 400 * DAY))
    refreshed(six)
    assert six.may("olga", Action.CONTROL_DEVICES)
    assert six.why_not("rune", Action.CONTROL_DEVICES) == "left"


async def test_what_no_home_can_have_was_written_by_an_earlier_version(six: Six) -> None:
    at = six.clock.now()
    guest = Person("p-guest", at, Role.GUEST, "Guest", lives_here=True)
    owner = Person("p-owner", at, Role.OWNER, "Owner", lives_here=True, minor=True)
    assert six.register.put(guest)
    assert six.register.put(owner)
    people = refreshed(six).current().people
    assert people["p-guest"].lives_here(at) is False
    assert people["p-owner"].minor is False


async def test_a_medium_that_refuses_keeps_nobodys_right_alive(six: Six, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_gone: Callable[[str], bool]) -> int:
        raise StoreBroken("full")

    await six.give("olga", "gro", Action.READ_DEVICES)
    monkeypatch.setattr(six.book, "drop_of", broken)
    with pytest.raises(StoreBroken):
        await six.people.remove(six.ids["gro"], "local")
    assert six.household.current().grants == ()
    assert six.why_not("gro", Action.READ_DEVICES) == "left"


@dataclass(frozen=True)
class Configured:
    id: str
    subjects: tuple[str, ...] = ()


class TestCameras:
    @pytest.fixture
    def six_(self, tmp_path: Path) -> Six:
        return Six(tmp_path)

    @pytest.fixture
    def ring(self, tmp_path: Path) -> KeyRing:
        return KeyRing.open(tmp_path / "ring", MemorySlots(), os.urandom)

    def took(self, six: Six, ring: KeyRing, camera: str, *subjects: str, until: timedelta = timedelta()) -> None:
        info = SegmentInfo(camera, subjects, six.time.moment(), MONDAY + until)
        ring.add(KIND, info.to_bytes())

    def test_those_that_are_configured(self, ring: KeyRing) -> None:
        found = list(cameras_of([Configured("door"), Configured("runes", ("rune",))], ring, MONDAY))
        assert found == [Camera(id="door"), Camera(id="runes", people=frozenset({"rune"}))]

    def test_what_it_took_for_others_is_not_the_present_peoples(self, six_: Six, ring: KeyRing) -> None:
        self.took(six_, ring, "door", "rune", until=-2 * HOUR)
        self.took(six_, ring, "door", "rune", until=-HOUR)
        self.took(six_, ring, "door")
        (door,) = cameras_of([Configured("door")], ring, MONDAY)
        assert door == Camera(id="door", since=MONDAY - HOUR)

    def test_a_clock_that_was_ahead_hides_nothing_to_come(self, six_: Six, ring: KeyRing) -> None:
        self.took(six_, ring, "door", "rune", until=400 * DAY)
        (door,) = cameras_of([Configured("door")], ring, MONDAY)
        assert door.since == MONDAY

    def test_one_that_is_configured_no_more_stays_whose_it_was(self, six_: Six, ring: KeyRing) -> None:
        self.took(six_, ring, "attic", until=-2 * HOUR)
        self.took(six_, ring, "attic", "rune", until=-HOUR)
        (attic,) = cameras_of([], ring, MONDAY)
        assert attic == Camera(id="attic", people=frozenset({"rune"}), since=MONDAY - 2 * HOUR)

    def test_what_cannot_be_read_is_no_camera(self, ring: KeyRing) -> None:
        ring.add(KIND, b"\xc1")
        assert list(cameras_of([], ring, MONDAY)) == []


async def test_nothing_but_opaque_ids_is_kept_in_memory(six: Six) -> None:
    assert "olga" not in repr(six.household.current())
