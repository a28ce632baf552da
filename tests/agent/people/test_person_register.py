"""The register of people, beyond what every store must do (`tests/suites/test_store.py`)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.people.contact import Language
from agent.people.register import Person, PersonRegister
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.records import Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

Reopened = Callable[[], PersonRegister]


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


@pytest.fixture
def reopened(tmp_path: Path, barrier: Barrier, clock: Any) -> Reopened:
    slots = MemorySlots()
    keeper = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
    keeper.witness(clock.now(), Witness.PERSON)

    def open_() -> PersonRegister:
        ring = KeyRing.open(tmp_path / "keys", slots, os.urandom)
        return PersonRegister(tmp_path / "people", ring, keeper.moment, barrier)

    return open_


def person(clock: Any, id_: str = "p1", name: str = "Kari Nordmann", **others: Any) -> Person:
    return Person(id_, clock.now(), others.pop("role", Role.RESIDENT), name, lives_here=True, **others)


def test_who_was_added_is_there_after_a_restart_in_order(reopened: Reopened, clock: Any) -> None:
    register = reopened()
    kari = person(clock, email="kari@example.org", phone="+4722225555", language=Language.ENGLISH)
    assert register.put(kari)
    clock.move(seconds=1)
    ola = person(clock, "p0", "Ola", role=Role.GUEST)
    assert register.put(ola)
    assert reopened().all() == [kari, ola]
    assert "Kari" not in repr(kari)


def test_what_somebody_was_before_a_change_is_gone_with_its_key(reopened: Reopened, clock: Any, tmp_path: Path) -> None:
    register = reopened()
    register.put(person(clock))
    (before,) = (tmp_path / "people").glob("*.log")
    old = before.read_bytes()
    clock.move(days=40)
    assert register.put(person(clock, name="Kari Hansen"))
    assert [one.name for one in reopened().all()] == ["Kari Hansen"]
    assert not before.exists()
    before.write_bytes(old)  # as a medium may still hold it
    assert sum(reopened().scan(Scope(everything=True), clock.now())) <= 1, "no living key opens it"


def test_a_person_is_forgotten_alone(reopened: Reopened, clock: Any) -> None:
    register = reopened()
    register.put(person(clock))
    register.put(person(clock, "p2", "Ola"))
    assert not register.remove("p3")
    assert register.remove("p1")
    assert not register.remove("p1")
    assert [one.id for one in reopened().all()] == ["p2"]


def test_an_order_that_came_meanwhile_reaches_a_person(reopened: Reopened, barrier: Barrier, clock: Any) -> None:
    register, begun = reopened(), person(clock)
    register.put(person(clock, "p2", "Ola"))
    clock.move(seconds=1)
    barrier.raise_for("order", Scope(subjects=("p1", "p2")), clock.now())
    assert not register.put(begun)
    assert register.all() == [], "whom an order reaches is not shown, even before it is carried out"
    assert not register.put(begun)
    assert register.put(person(clock)), "added after the order"


def test_what_another_version_wrote_is_shown_to_nobody_and_goes_with_its_person(reopened: Reopened, clock: Any) -> None:
    register = reopened()
    register._files.append("p1", [(Concerns(clock.now(), subjects=("p1",)), b'{"id": "p1", "of": "a later version"}')])
    assert register.all() == []
    assert register.erase(Scope(subjects=("p1",)), clock.now()).erased == 1
    assert next(iter(register.oldest()))[1] == 0


def test_an_export_says_all_that_is_kept(reopened: Reopened, clock: Any) -> None:
    register = reopened()
    kari = person(clock, email="kari@example.org")
    register.put(kari)
    register.put(person(clock, "p2", "Ola"))
    ((item, data),) = register.export(Scope(subjects=("p1",)))
    assert item.subjects == {"p1"}
    assert msgspec.json.decode(data, type=Person) == kari


def test_a_record_of_before_there_were_minors_and_leavers_still_reads(reopened: Reopened, clock: Any) -> None:
    old = (
        b'{"id":"p1","at":"2024-06-01T12:00:00Z","role":"resident","name":"Kari","lives_here":true,'
        b'"email":null,"phone":null,"language":"nb"}'
    )
    register = reopened()
    register._files.append("p1", [(Concerns(clock.now(), subjects=("p1",)), old)])
    (kari,) = register.all()
    assert (kari.minor, kari.since, kari.until, kari.left) == (False, None, None, None)


def test_who_has_left_is_that_after_a_restart_too(reopened: Reopened, clock: Any) -> None:
    register = reopened()
    register.put(person(clock, role=Role.OWNER))
    assert register.owners() == {"p1"}
    assert register.leave(register.all()[0], clock.now())
    (left,) = reopened().all()
    assert (left.until, left.left) == (clock.now(), register._moment())
    assert reopened().owners() == set()
    assert register.has("p1")
    assert not register.has("p2")
