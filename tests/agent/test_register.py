"""The register of adopted devices, beyond what every store must do (`tests/suites/test_store.py`)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.register import Adoption, DeviceRegister
from privacy import sealed_log
from privacy.errors import StoreBroken
from privacy.records import RecordClass, Scope
from privacy.seal import Keys
from privacy.store import Barrier

ALL = Scope(everything=True)


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


@pytest.fixture
def reopened(tmp_path: Path, keys: Keys, barrier: Barrier) -> Callable[[], DeviceRegister]:
    return lambda: DeviceRegister(tmp_path / "devices", keys, barrier)


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

    def refuse(path: Path, data: bytes) -> None:
        raise StoreBroken("read-only")

    with monkeypatch.context() as broken:
        broken.setattr(sealed_log, "write_new", refuse)
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
    assert register.scan(ALL, clock.now()) == 1
    assert list(register.oldest()) == [(RecordClass.DEVICE, 1, kept.at)], "but it is not hidden from the inventory"
    assert register.add(adoption(clock)), "adopted after the order"
    assert [a.id for a in register.usable()] == ["lamp"]


def test_a_record_of_a_later_version_is_not_used_and_can_be_erased(
    reopened: Callable[[], DeviceRegister], clock: Any
) -> None:
    register = reopened()
    register.add(adoption(clock))
    register._log.append([b'{"of": "a later version", "ltsk": "s3cret"}'])
    register._log.append([b'{"id": "x", "family": "homekit", "at": "0000-99-99T00:00:00Z", "record": {}}'])
    assert [a.id for a in reopened().all()] == ["lamp"]
    assert register.remove("lamp")
    assert b"s3cret" not in b"".join(payload for _, payload in register.export(ALL))
    assert register.erase(Scope(classes=(RecordClass.DEVICE,)), clock.now()).erased == 2
    assert reopened().scan(ALL, clock.now()) == 0


def test_secrets_are_in_no_text(clock: Any, reopened: Callable[[], DeviceRegister]) -> None:
    register = reopened()
    register.add(adoption(clock))
    exported = b"".join(payload for _, payload in register.export(ALL))
    assert b"The lamp" in exported
    for text in (repr(adoption(clock)), str([adoption(clock)]), exported.decode()):
        assert "s3cret" not in text
