"""What people consented to, beyond what every store must do (`tests/suites/test_store.py`)."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from privacy.consent_text import Kind
from privacy.consents import Consent, Consents
from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

HALF_A_YEAR, HOUR = timedelta(days=180), timedelta(hours=1)
ORDER = "0198c0de-0000-7000-8000-000000000001"


class BootClock:
    """A wall clock that may be behind, and the seconds since a boot."""

    def __init__(self) -> None:
        self.time = self.booted = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.behind = timedelta()

    def now(self) -> datetime:
        return self.time - self.behind

    def monotonic(self) -> float:
        return (self.time - self.booted).total_seconds()

    def move(self, **step: float) -> None:
        self.time += timedelta(**step)


@pytest.fixture
def clock() -> BootClock:
    return BootClock()


class Bench:
    """The store on one medium, opened anew with each `open`; `there` is the register of people."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.folder, self.clock = folder, clock
        self._slots = MemorySlots()
        self.barrier = Barrier()
        self.there = {"kari", "ola"}
        self.held: set[str] = set()
        self.boot = 1
        self.open()

    def open(self) -> Consents:
        self.ring = KeyRing.open(self.folder / "keys", self._slots, os.urandom)
        self.keeper = TimeKeeper(
            self.clock,
            self.boot.to_bytes(16, "big"),
            lambda: not self.clock.behind,
            lambda: self.ring.noted("time"),
            self._note,
        )
        if not self.clock.behind:
            self.keeper.witness(self.clock.now(), Witness.PERSON)
        self.store = Consents(self.folder / "consents", self.ring, self.keeper.moment, self.barrier, holds=self._holds)
        return self.store

    def reboot(self) -> Consents:
        self.boot += 1
        self.clock.booted = self.clock.time
        return self.open()

    def _note(self, note: bytes) -> None:
        self.ring.note("time", note)
        self.ring.sync()

    def _holds(self, item: Item) -> Any:
        class Hold:
            reason, until = "dispute", self.clock.now()

        return Hold() if item.subjects & self.held else None

    def consent(self, person: str = "kari", kind: Kind = Kind.CAMERA, version: int = 1) -> Consent:
        return Consent(person=person, kind=kind, version=version, sha256="a" * 64, language="nb", at=self.clock.now())

    def give(self, *args: Any) -> Consent:
        consent = self.consent(*args)
        assert self.store.give(consent)
        self.clock.move(seconds=1)
        return consent

    def sweep(self, ahead: timedelta = HOUR) -> int:
        return self.store.sweep(self.there.__contains__, self.keeper.age, HALF_A_YEAR, ahead)

    def stands(self) -> set[tuple[str, Kind, int]]:
        return {(one.person, one.kind, one.version) for one in self.store.standing()}


@pytest.fixture
def bench(tmp_path: Path, clock: Any) -> Bench:
    return Bench(tmp_path, clock)


class TestGivenAndWithdrawn:
    def test_what_was_given_stands_after_a_restart(self, bench: Bench) -> None:
        kari, ola = bench.give(), bench.give("ola", Kind.PRESENCE)
        bench.open()
        assert bench.store.standing() == [kari, ola]
        assert bench.store.of("kari") == [kari]
        assert bench.store.of("nobody") == bench.store.unordered() == []
        assert "aaaa" not in repr(kari)

    def test_withdrawn_it_is_a_record_still(self, bench: Bench) -> None:
        kari = bench.give()
        bench.give("kari", Kind.PRESENCE)
        at = bench.clock.now()
        bench.store.withdraw("kari", Kind.CAMERA, at)
        bench.open()
        camera, presence = bench.store.of("kari")
        assert (camera.at, camera.sha256, camera.withdrawn, camera.order) == (kari.at, kari.sha256, at, None)
        assert presence.withdrawn is None
        assert bench.stands() == {("kari", Kind.PRESENCE, 1)}
        assert bench.store.unordered() == [camera]

    def test_the_order_that_erases_is_noted(self, bench: Bench) -> None:
        bench.give()
        bench.store.ordered("kari", Kind.CAMERA, ORDER)
        assert bench.store.of("kari")[0].order is None, "nothing was withdrawn"
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        bench.store.ordered("kari", Kind.CAMERA, ORDER)
        bench.open()
        assert [one.order for one in bench.store.of("kari")] == [ORDER]
        assert bench.store.unordered() == []

    def test_given_again_both_are_records(self, bench: Bench) -> None:
        bench.give()
        at = bench.clock.now()
        bench.store.withdraw("kari", Kind.CAMERA, at)
        bench.store.ordered("kari", Kind.CAMERA, ORDER)
        bench.clock.move(seconds=1)
        again = bench.give()
        bench.store.withdraw("ola", Kind.CAMERA, bench.clock.now())
        assert [(one.withdrawn, one.order) for one in bench.store.of("kari")] == [(at, ORDER), (None, None)]
        assert bench.store.standing() == [again]

    def test_a_newer_text_replaces_the_older_and_one_word_withdraws_both(self, bench: Bench) -> None:
        bench.give()
        bench.give("kari", Kind.CAMERA, 2)
        assert bench.stands() == {("kari", Kind.CAMERA, 2)}
        at = bench.clock.now()
        bench.store.withdraw("kari", Kind.CAMERA, at)
        assert [(one.version, one.withdrawn) for one in bench.store.of("kari")] == [(1, at), (2, at)]
        assert bench.stands() == set()

    def test_to_withdraw_twice_keeps_the_first_time(self, bench: Bench) -> None:
        bench.give()
        at = bench.clock.now()
        bench.store.withdraw("kari", Kind.CAMERA, at)
        bench.store.withdraw("kari", Kind.CAMERA, at + HOUR)
        assert [one.withdrawn for one in bench.store.of("kari")] == [at]


class TestDamage:
    """Whatever is lost, nobody has consented who did not, and what was withdrawn stays so."""

    def test_no_byte_of_the_medium_brings_back_what_was_withdrawn(self, bench: Bench, tmp_path: Path) -> None:
        bench.give()
        before = {path.name: path.read_bytes() for path in (tmp_path / "consents").glob("*.log")}
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        (log,) = (tmp_path / "consents").glob("*.log")
        whole = log.read_bytes()
        for place in range(0, len(whole), 7):
            log.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            assert bench.open().standing() == []
        log.write_bytes(b"")
        for name, data in before.items():  # a copy of the file as it was comes back
            (tmp_path / "consents" / name).write_bytes(data)
        assert bench.open().standing() == []

    def test_a_file_that_was_away_does_not_come_back_with_what_it_said(self, bench: Bench, tmp_path: Path) -> None:
        bench.give()
        (log,) = (tmp_path / "consents").glob("*.log")
        log.rename(tmp_path / "away")
        bench.open()
        assert bench.stands() == set()
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        (tmp_path / "away").rename(log)
        bench.open()
        assert bench.stands() == set()

    def test_what_is_given_while_a_file_is_away_is_the_later_when_it_comes_back(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        bench.give()
        (log,) = (tmp_path / "consents").glob("*.log")
        log.rename(tmp_path / "away")
        bench.open()
        bench.give("kari", Kind.CAMERA, 2)
        bench.give("kari", Kind.CAMERA, 3)
        (tmp_path / "away").rename(log)
        bench.open()
        assert [one.version for one in bench.store.of("kari")] == [1, 2, 3]
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        assert bench.stands() == set()

    def test_what_nobody_can_read_takes_away_what_came_before(self, bench: Bench) -> None:
        bench.give()
        bench.give("ola")
        bench.store._files.append("kari", [(Concerns(bench.clock.now(), subjects=("kari",)), b'{"v": 2}')])
        assert bench.stands() == {("ola", Kind.CAMERA, 1)}
        bench.give("kari", Kind.PRESENCE)
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        assert bench.stands() == {("ola", Kind.CAMERA, 1), ("kari", Kind.PRESENCE, 1)}
        assert len(list(bench.store.find(Scope(subjects=("kari",)), bench.clock.now()))) == 3

    def test_a_medium_that_refuses_leaves_it_as_it_was(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        kari = bench.give()

        def refuse(*_: Any) -> None:
            raise StoreBroken("the card is full")

        with monkeypatch.context() as patched:
            patched.setattr(bench.store._files, "revise", refuse)
            with pytest.raises(StoreBroken):
                bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        assert bench.store.standing() == [kari]


class TestOrders:
    def test_whom_an_order_reaches_has_consented_to_nothing(self, bench: Bench) -> None:
        bench.give()
        bench.give("ola")
        bench.store.withdraw("ola", Kind.CAMERA, bench.clock.now())
        bench.barrier.raise_for("order", Scope(subjects=("kari", "ola")), bench.clock.now())
        assert bench.store.standing() == bench.store.unordered() == bench.store.of("kari") == []

    def test_and_can_consent_to_nothing_that_it_would_take(self, bench: Bench) -> None:
        bench.barrier.raise_for("order", Scope(subjects=("kari",)), bench.clock.now() + HOUR)
        assert not bench.store.give(bench.consent())
        bench.clock.move(hours=2)
        assert bench.store.give(bench.consent())

    def test_what_is_held_stands(self, bench: Bench) -> None:
        bench.give()
        bench.held.add("kari")
        assert bench.stands() == {("kari", Kind.CAMERA, 1)}
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        assert bench.stands() == set()


class TestRetention:
    def test_it_lives_as_long_as_the_person(self, bench: Bench) -> None:
        bench.give()
        for _ in range(5):
            bench.clock.move(days=100)
            assert bench.sweep() == 0
        assert bench.stands() == {("kari", Kind.CAMERA, 1)}

    def test_then_half_a_year_from_when_they_were_last_there_and_never_longer(self, bench: Bench) -> None:
        bench.give()
        ola = bench.give("ola")
        bench.store.withdraw("kari", Kind.CAMERA, bench.clock.now())
        bench.sweep()
        seen = bench.clock.now()
        bench.clock.move(minutes=59)
        bench.there.remove("kari")
        bench.sweep()
        assert bench.stands() == {("ola", Kind.CAMERA, 1)}
        assert bench.store.unordered() == [], "there is nobody left to erase anything of"
        bench.clock.move(seconds=(seen + HALF_A_YEAR - 2 * HOUR - bench.clock.now()).total_seconds())
        assert bench.sweep() == 0
        assert len(bench.store.of("kari")) == 1
        bench.clock.move(hours=1)
        assert bench.sweep() == 1, "before the next run it would be too late"
        assert bench.store.of("kari") == []
        assert bench.store.standing() == [ola]

    def test_it_counts_over_restarts_and_while_the_box_is_off(self, bench: Bench) -> None:
        bench.give()
        bench.sweep()
        bench.there.remove("kari")
        bench.clock.move(days=100)
        bench.reboot()
        assert bench.sweep() == 0
        bench.clock.move(days=80)
        bench.reboot()
        assert bench.sweep() == 1, "counted from when they were last seen, not from the next start"

    def test_a_first_sweep_counts_from_itself(self, bench: Bench) -> None:
        bench.give()
        bench.there.clear()
        assert bench.sweep() == 0
        bench.clock.move(days=179, hours=22)
        assert bench.sweep() == 0
        bench.clock.move(hours=1)
        assert bench.sweep() == 1

    def test_a_note_that_cannot_be_read_counts_as_none(self, bench: Bench) -> None:
        bench.give()
        bench.ring.note("consents", b"\xc1")
        bench.there.clear()
        assert bench.sweep() == 0
        assert [one.gone for one in bench.store.of("kari")] == [bench.keeper.moment()]

    def test_who_comes_back_has_consented_still(self, bench: Bench) -> None:
        kari = bench.give()
        bench.there.remove("kari")
        bench.sweep()
        assert bench.stands() == set()
        bench.there.add("kari")
        bench.clock.move(days=300)
        assert bench.sweep() == 0
        assert bench.store.standing() == [kari]

    def test_what_nobody_can_read_goes_with_the_person(self, bench: Bench) -> None:
        bench.store._files.append("kari", [(Concerns(bench.clock.now(), subjects=("kari",)), b'{"v": 2}')])
        assert bench.sweep() == 0
        bench.there.remove("kari")
        assert bench.sweep() == 1
        assert bench.store._files.names() == []

    def test_a_hold_keeps_it_longer(self, bench: Bench) -> None:
        bench.give()
        bench.there.remove("kari")
        bench.sweep()
        bench.held.add("kari")
        bench.clock.move(days=181)
        assert bench.sweep() == 0
        assert len(bench.store.of("kari")) == 1
        bench.held.clear()
        assert bench.sweep() == 1


def test_what_was_given_before_the_time_was_known_is_dated_when_it_is(bench: Bench) -> None:
    bench.clock.move(hours=5)
    bench.clock.behind = timedelta(days=400)
    bench.reboot()
    given, at = bench.give(), bench.clock.time
    assert bench.store.of("kari") == [given], "as the clock said"
    bench.clock.behind = timedelta()
    assert bench.keeper.witness(bench.clock.now(), Witness.PERSON)
    with bench.ring.change():
        bench.store.redate(bench.keeper.redated)
    (consent,) = bench.store.of("kari")
    assert timedelta(0) <= at - consent.at <= timedelta(seconds=1)
    assert bench.store.standing() == [given]
