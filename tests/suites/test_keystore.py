"""What every `privacy.keystore.contract.KeyStore` must do. A new one adds its medium to `keystore_media.py`."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import StoreBroken
from privacy.keystore.contract import SLOTS, Held, Slot
from privacy.records import Tier
from tests.peers.swtpm import Swtpm
from tests.suites.keystore_media import IN_FILES, Faults, InTpm, Medium, held_by, lying, slots, traces


@pytest.fixture(params=[*IN_FILES, pytest.param("tpm", marks=pytest.mark.peer)])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Medium]:
    if request.param == "tpm":
        with Swtpm(tmp_path / "tpm") as tpm:
            yield InTpm(tpm)
    else:
        yield IN_FILES[request.param](tmp_path)


def test_what_it_says_of_itself(medium: Medium) -> None:
    store = medium.open()
    assert store.tier in {Tier.HARDWARE_SLOT, Tier.OVERWRITTEN_IN_PLACE}
    assert store.secret_bytes >= 32
    assert store.where


def test_it_is_empty_at_first(medium: Medium) -> None:
    assert slots(medium.open()) == [None, None]


@pytest.mark.parametrize("slot", SLOTS)
def test_what_is_written_is_read_also_after_a_restart(medium: Medium, slot: Slot) -> None:
    store = medium.open()
    held = held_by(store, 2**40 + slot)
    store.write(slot, held)
    assert store.read(slot) == held
    assert medium.open().read(slot) == held
    assert traces(held.secret, medium.raw()) >= 2, "a search that finds proves something"


def test_a_slot_minds_its_own_place(medium: Medium) -> None:
    store = medium.open()
    even, odd, later = (held_by(store, generation) for generation in (2, 3, 4))
    store.write(1, odd)
    store.write(0, even)
    assert slots(store) == [even, odd]
    store.write(0, later)
    assert slots(store) == [later, odd]
    store.destroy(1)
    assert slots(medium.open()) == [later, None]
    assert slots(store) == [later, None]


def test_the_same_again_changes_nothing(medium: Medium) -> None:
    store = medium.open()
    held = held_by(store, 1)
    for _ in range(2):
        store.write(1, held)
        assert slots(store) == [None, held]
    for _ in range(2):
        store.destroy(1)
        assert slots(store) == [None, None]


def test_what_is_empty_can_be_destroyed(medium: Medium) -> None:
    for slot in SLOTS:
        medium.open().destroy(slot)
    assert slots(medium.open()) == [None, None]


def test_nothing_is_left_of_what_was_destroyed_or_overwritten(medium: Medium) -> None:
    store = medium.open()
    first, second = held_by(store, 1), held_by(store, 3)
    store.write(1, first)
    store.write(1, second)
    assert traces(first.secret, medium.raw()) == 0
    store.destroy(1)
    assert traces(second.secret, medium.raw()) == 0
    assert slots(medium.open()) == [None, None]


@pytest.mark.parametrize("length", [0, 31, 33, 65535, 65537])
def test_a_secret_of_another_length_is_refused(medium: Medium, length: int) -> None:
    store = medium.open()
    held = held_by(store, 1)
    store.write(1, held)
    before = medium.raw()
    with pytest.raises(ValueError, match=f"not of {length}"):
        store.write(1, Held(3, bytes(length)))
    assert medium.raw() == before


def test_what_is_somebody_elses_is_neither_read_nor_touched(medium: Medium) -> None:
    medium.open()
    medium.make_foreign()
    before = medium.raw()
    store = medium.open()
    for slot in SLOTS:
        for call in (
            lambda slot=slot: store.read(slot),
            lambda slot=slot: store.write(slot, held_by(store, slot)),
            lambda slot=slot: store.destroy(slot),
        ):
            with pytest.raises(StoreBroken, match="not ours"):
                call()
    assert medium.raw() == before


def test_no_secret_is_shown(medium: Medium) -> None:
    store = medium.open()
    held = Held(1, b"canary".ljust(store.secret_bytes, b"!"))
    store.write(1, held)
    assert "canary" not in f"{held!r} {store!r} {store.where} {vars(store)}"


@pytest.mark.parametrize("fault", ["once", "from then on", "done all the same"])
@pytest.mark.parametrize("doing", ["first write", "overwrite", "destroy", "read"])
def test_a_medium_that_fails_at_any_step_says_so(medium: Medium, doing: str, fault: str) -> None:
    store = medium.open()
    other, old, new = (held_by(store, generation) for generation in (2, 1, 3))
    calls: dict[str, Callable[[], Any]] = {
        "first write": lambda: store.write(1, new),
        "overwrite": lambda: store.write(1, new),
        "destroy": lambda: store.destroy(1),
        "read": lambda: store.read(1),
    }
    call = calls[doing]
    before = None if doing == "first write" else old
    after = {"destroy": None, "read": old}.get(doing, new)

    def prepare() -> None:
        store.write(0, other)
        if before:
            store.write(1, before)
        else:
            store.destroy(1)

    prepare()
    counted = Faults(medium.steps)
    with counted.interposed():
        call()
    assert counted.taken > 2
    errors = itertools.cycle(medium.refusals)
    for at in range(1, counted.taken + 1):
        prepare()
        faults = Faults(medium.steps, at, next(errors), fault == "from then on", fault == "done all the same")
        with faults.interposed(), pytest.raises(StoreBroken) as caught:
            call()
        assert caught.value.hint
        assert caught.value.__cause__ is faults.error
        assert medium.open().read(0) == other
        assert medium.open().read(1) in ((before, after) if doing == "destroy" else (before, after, None))
        call()
        assert slots(medium.open()) == [other, after]


def test_a_medium_that_says_it_wrote_and_did_not_is_found_out(medium: Medium) -> None:
    store = medium.open()
    old = held_by(store, 1)
    store.write(1, old)
    with lying(medium), pytest.raises(StoreBroken):
        store.write(1, held_by(store, 3))
    assert store.read(1) in (None, old)
    store.write(1, old)
    with lying(medium), pytest.raises(StoreBroken):
        store.destroy(1)
    assert store.read(1) == old
