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
from privacy.keystore.contract import Held, Slot
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper

ALL = Scope(everything=True)


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


class Slots:
    """A root in memory."""

    tier = Tier.HARDWARE_SLOT
    secret_bytes = 32
    where = "two slots in memory"

    def __init__(self) -> None:
        self._held: dict[int, Held | None] = {}

    def read(self, slot: Slot) -> Held | None:
        return self._held.get(slot)

    def write(self, slot: Slot, held: Held) -> None:
        self._held[slot] = held

    def destroy(self, slot: Slot) -> None:
        self._held[slot] = None


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
def reopened(tmp_path: Path, barrier: Barrier, clock: Any, hold: Hold) -> Callable[[], DeviceRegister]:
    slots = Slots()
    keeper = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)

    def reopen() -> DeviceRegister:
        ring = KeyRing.open(tmp_path / "keys", slots, os.urandom)
        return DeviceRegister(tmp_path / "devices", ring, keeper.moment, barrier, holds=hold.held)

    return reopen


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
    hold.device = "lamp"
    assert not register.remove("lamp")
    assert register.all() == [adoption(clock)]


def test_secrets_are_in_no_text(clock: Any, reopened: Callable[[], DeviceRegister]) -> None:
    register = reopened()
    register.add(adoption(clock))
    exported = b"".join(payload for _, payload in register.export(ALL))
    assert b"The lamp" in exported
    for text in (repr(adoption(clock)), str([adoption(clock)]), exported.decode()):
        assert "s3cret" not in text
