"""The register of adopted devices, beyond what every store must do (`tests/suites/test_store.py`)."""

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.register import Adoption, DeviceRegister
from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.privacy.keyring_medium import CUTS, OUTCOMES, Medium, PowerCut
from tests.suites.memory_slots import MemorySlots

ALL = Scope(everything=True)


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


class Hold:
    reason = "dispute"

    def __init__(self, clock: Any) -> None:
        self.until = clock.now() + timedelta(days=30)
        self.device = ""

    def held(self, item: Item) -> "Hold | None":
        return self if item.device == self.device else None


@pytest.fixture
def hold(clock: Any) -> Hold:
    return Hold(clock)


@pytest.fixture
def unknown(clock: Any) -> TimeKeeper:
    """Does not know the time yet."""
    return TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)


@pytest.fixture
def keeper(unknown: TimeKeeper, clock: Any) -> TimeKeeper:
    unknown.witness(clock.now(), Witness.PERSON)
    return unknown


@pytest.fixture
def open_with(tmp_path: Path, barrier: Barrier, hold: Hold) -> Callable[[TimeKeeper], DeviceRegister]:
    slots = MemorySlots()

    def open_(keeper: TimeKeeper) -> DeviceRegister:
        ring = KeyRing.open(tmp_path / "keys", slots, os.urandom)
        return DeviceRegister(tmp_path / "devices", ring, keeper.moment, barrier, holds=hold.held)

    return open_


@pytest.fixture
def reopened(open_with: Callable[[TimeKeeper], DeviceRegister], keeper: TimeKeeper) -> Callable[[], DeviceRegister]:
    return lambda: open_with(keeper)


def adoption(clock: Any, id_: str = "lamp", ltsk: str = "s3cret") -> Adoption:
    return Adoption(id_, "homekit", clock.now(), {"devices": [{"name": f"The {id_}"}], "secrets": {"ltsk": ltsk}})


def test_what_was_adopted_is_there_after_a_restart(reopened: Callable[[], DeviceRegister], clock: Any) -> None:
    register = reopened()
    assert register.add(adoption(clock))
    assert register.add(adoption(clock, "plug"))
    assert reopened().all() == [adoption(clock), adoption(clock, "plug")]


def test_adopted_again_the_older_secrets_are_gone(reopened: Callable[[], DeviceRegister], clock: Any) -> None:
    register = reopened()
    register.add(adoption(clock))
    register.add(adoption(clock, "plug"))
    clock.move(days=1)
    register.add(adoption(clock, ltsk="newer"))
    again = reopened()
    assert {a.id: a.record["secrets"]["ltsk"] for a in again.all()} == {"lamp": "newer", "plug": "s3cret"}
    assert list(again.oldest()) == [(RecordClass.DEVICE, 2, clock.now() - timedelta(days=1))]


def test_a_file_that_is_not_ours_costs_one_device(
    tmp_path: Path, reopened: Callable[[], DeviceRegister], clock: Any
) -> None:
    reopened().add(adoption(clock))
    (file,) = (tmp_path / "devices").iterdir()
    file.write_bytes(b"somebody else's notes, which are long enough")
    register = reopened()
    register.add(adoption(clock, "plug"))
    assert register.all() == register.usable() == [adoption(clock, "plug")]
    assert not register.held("lamp")
    assert register.count(ALL, clock.now() + timedelta(hours=1)) == 1
    assert register.add(adoption(clock, ltsk="newer")), "adopted again, it is known again"
    assert reopened().all() == [adoption(clock, ltsk="newer"), adoption(clock, "plug")]
    assert file.read_bytes().startswith(b"somebody")


def test_removed_is_gone_and_unknown_is_said(reopened: Callable[[], DeviceRegister], clock: Any) -> None:
    register = reopened()
    register.add(adoption(clock))
    assert not register.remove("plug")
    assert register.remove("lamp")
    assert not register.remove("lamp")
    assert reopened().all() == []


def test_a_medium_that_refuses_loses_neither_the_old_nor_the_new(
    reopened: Callable[[], DeviceRegister], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = reopened()
    register.add(adoption(clock))

    def refuse(_handle: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        broken.setattr(os, "fdatasync", refuse)
        with pytest.raises(StoreBroken):
            register.add(adoption(clock, ltsk="newer"))
        with pytest.raises(StoreBroken):
            register.remove("lamp")
    assert register.all() == reopened().all() == [adoption(clock)]
    register.add(adoption(clock, ltsk="newer"))
    assert reopened().all() == [adoption(clock, ltsk="newer")]


def test_an_order_that_came_meanwhile_reaches_an_adoption(
    reopened: Callable[[], DeviceRegister], barrier: Barrier, clock: Any
) -> None:
    register, begun = reopened(), adoption(clock)
    kept = adoption(clock, "plug")
    register.add(kept)
    clock.move(seconds=1)
    barrier.raise_for("order", Scope(classes=(RecordClass.DEVICE,)), clock.now())
    assert not register.add(begun), "captured before the order, written after it"
    assert register.usable() == [], "what an order reaches is not used, even while the erasure cannot be finished"
    assert register.all() == [kept]
    assert sum(register.scan(ALL, clock.now())) == 1
    assert list(register.oldest()) == [(RecordClass.DEVICE, 1, kept.at)], "but it is not hidden from the inventory"
    assert register.add(adoption(clock)), "adopted after the order"
    assert [a.id for a in register.usable()] == ["lamp"]


def test_a_record_of_a_later_version_is_not_used_and_can_be_erased(
    reopened: Callable[[], DeviceRegister], clock: Any
) -> None:
    register = reopened()
    register.add(adoption(clock))
    for later in (
        b'{"of": "a later version", "ltsk": "s3cret"}',
        b'{"id": "x", "family": "homekit", "at": "0000-99-99T00:00:00Z", "record": {}}',
    ):
        register._files.append("plug", [(Concerns(clock.now()), later)])
    assert [a.id for a in reopened().all()] == ["lamp"]
    assert register.count(ALL, clock.now()) == 2, "the undated count as before"
    assert register.remove("lamp")
    assert b"s3cret" not in b"".join(payload for _, payload in register.export(ALL))
    assert register.erase(Scope(classes=(RecordClass.DEVICE,)), clock.now()).erased == 2
    assert sum(reopened().scan(ALL, clock.now())) == 0


def test_what_another_version_wrote_goes_with_an_order_about_its_device(
    reopened: Callable[[], DeviceRegister], clock: Any
) -> None:
    register = reopened()
    for device in ("lamp", "plug"):
        register._files.append(device, [(Concerns(clock.now()), b'{"of": "a later version"}')])
    assert register.count(Scope(devices=("plug",)), clock.now()) == 1
    assert register.erase(Scope(devices=("plug",)), clock.now()).erased == 1
    assert sum(reopened().scan(ALL, clock.now())) == 1, "the lamp's"


def test_removed_its_key_is_gone(tmp_path: Path, reopened: Callable[[], DeviceRegister], clock: Any) -> None:
    register = reopened()
    register.add(adoption(clock))
    register.add(adoption(clock, "plug"))
    kept = {path: path.read_bytes() for path in (tmp_path / "devices").iterdir()}
    assert register.remove("lamp")
    for path, data in kept.items():
        path.write_bytes(data)
    assert sum(register.scan(ALL, clock.now() + timedelta(1))) == 1
    assert [known.id for known in reopened().all()] == ["plug"]


def test_a_held_device_is_not_removed(reopened: Callable[[], DeviceRegister], clock: Any, hold: Hold) -> None:
    register = reopened()
    register.add(adoption(clock))
    assert not register.held("lamp")
    hold.device = "lamp"
    assert register.held("lamp")
    assert not register.held("plug")
    assert not register.remove("lamp")
    assert register.all() == [adoption(clock)]


def test_secrets_are_in_no_text(clock: Any, reopened: Callable[[], DeviceRegister]) -> None:
    register = reopened()
    register.add(adoption(clock))
    exported = b"".join(payload for _, payload in register.export(ALL))
    assert b"The lamp" in exported
    for text in (repr(adoption(clock)), str([adoption(clock)]), exported.decode()):
        assert "s3cret" not in text


@pytest.mark.parametrize("days", [365, -365, -56 * 365])
def test_an_adoption_by_a_clock_in_doubt_is_undated_until_the_time_is_known(
    open_with: Callable[[TimeKeeper], DeviceRegister],
    unknown: TimeKeeper,
    barrier: Barrier,
    clock: Any,
    days: int,
) -> None:
    register, right = open_with(unknown), clock.now()
    clock.time += timedelta(days=days)
    assert register.add(adoption(clock))
    clock.time = right
    long_ago = Scope(end=right - timedelta(days=9))
    assert register.count(long_ago, right) == sum(register.scan(long_ago, right)) == 1
    assert list(register.oldest()) == [(RecordClass.DEVICE, 1, None)]
    assert [known.id for known in register.reached(long_ago, right)] == ["lamp"]
    barrier.raise_for("order", long_ago, right)
    assert register.usable() == []
    assert unknown.witness(right, Witness.PERSON)
    register.redate(unknown.redated)
    assert [known.at for known in register.all()] == [known.at for known in register.usable()] == [right]
    assert register.count(long_ago, right) == len(register.reached(long_ago, right)) == 0
    clock.move(hours=1)
    assert register.add(adoption(clock, ltsk="newer"))
    assert [known.at for known in register.all()] == [right + timedelta(hours=1)]
    assert register.erase(ALL, clock.now() + timedelta(seconds=1)).erased == 1


# The power goes anywhere between an adoption and an erasure, and what was not synced is lost, kept or torn.


class KeysAlone(Medium):
    """Plays with the key tables and slots; whatever else is written is durable at once."""

    def _write(self, real: Callable[..., int], handle: int, data: Any) -> int:
        return super()._write(real, handle, data) if handle in self._opened else real(handle, data)

    def _ftruncate(self, real: Callable[..., None], handle: int, size: int) -> None:
        return super()._ftruncate(real, handle, size) if handle in self._opened else real(handle, size)


class Life:
    """Devices are adopted while nobody knows the time and after it has become known; one is erased. What was said."""

    def __init__(self, folder: Path, clock: Any, barrier: Barrier) -> None:
        self.medium = KeysAlone(folder)
        self._folder, self._clock, self._barrier = folder, clock, barrier
        self.time = TimeKeeper(clock, bytes(16), lambda: False, lambda: None, lambda _note: None)
        self.adopted: list[str] = []
        self.erasing = self.erased = False

    def opened(self) -> DeviceRegister:
        self.ring = KeyRing.open(self.medium.keys, self.medium.slots, self.medium.random_bytes)
        return DeviceRegister(self._folder / "devices", self.ring, self.time.moment, self._barrier)

    def run(self) -> None:
        register = self.opened()
        for name in ("lamp", "plug", "door"):
            self._adopt(register, name)
        self.time.witness(self._clock.now() + timedelta(minutes=2), Witness.PERSON)
        with self.ring.change():
            register.redate(self.time.redated)
        self._adopt(register, "blind")
        self._adopt(register, "valve")
        self.erasing = True
        register.erase(Scope(devices=("plug",)), self._clock.now() + timedelta(hours=1))
        self.erased = True

    def _adopt(self, register: DeviceRegister, name: str) -> None:
        assert register.add(adoption(self._clock, name))
        self.adopted.append(name)

    def wrong(self, left: list[str]) -> str:
        """What is wrong with it that these devices are known after a start; empty: nothing."""
        lost = set(self.adopted) - set(left) - ({"plug"} if self.erasing else set())
        if self.erased and "plug" in left:
            return "it was erased, and is there"
        return f"{lost} lost" if lost else ""


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("cut", CUTS)
def test_no_adopted_device_is_lost_wherever_the_power_goes(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path, clock: Any, barrier: Barrier, monkeypatch: pytest.MonkeyPatch, cut: str, outcome: str
) -> None:
    monkeypatch.setattr("privacy.keyring.MOST_LINES", 2)  # so that the tables are written anew in between, too
    strike = 0
    while True:
        strike += 1
        folder = tmp_path / str(strike)
        folder.mkdir()
        life = Life(folder, clock, barrier)
        with life.medium.running():
            life.medium.arm(strike, cut)
            try:
                life.run()
            except PowerCut:
                life.medium.power_returns(outcome)
            else:
                assert not life.medium.struck
                break
            again = life.opened()
            left = [adopted.id for adopted in again.all()]
            assert not life.wrong(left), f"{strike}: {life.medium.steps}"
            with life.ring.change():
                again.redate(life.time.redated)
            assert [adopted.id for adopted in life.opened().all()] == left
            assert sum(again.scan(ALL, clock.now() + timedelta(hours=1))) == len(left)
    assert life.wrong(["lamp"]), "else this shows nothing"
    assert life.wrong([*life.adopted])
    assert strike > 50, "the steps were struck"
