"""What all stores of sealed logs have in common, beyond what every store must do (`tests/suites/test_store.py`)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns
from privacy.sealed_store import ExpiringStore, SealedStore, all_admitted
from privacy.timekeeping import TimeKeeper, Witness

ALL = Scope(everything=True)
HOUR = timedelta(hours=1)
LIMIT = 72 * HOUR


class Box:
    """A clock, the boot that it is, and what nobody may see."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.boot(0)
        self.time.witness(clock.now(), Witness.PERSON)
        self.hidden: set[str] = set()

    def boot(self, number: int) -> None:
        """Another one, in which nobody knows the time yet."""
        boot = number.to_bytes(16)
        self.time = TimeKeeper(self.clock, boot, lambda: False, lambda: None, lambda _note: None)

    def admits(self, item: Item) -> bool:
        return not item.subjects & self.hidden


@pytest.fixture
def box(clock: Any) -> Box:
    return Box(clock)


def described(_self: object, payload: bytes) -> Concerns | None:
    return msgspec.msgpack.decode(payload, type=Concerns) if payload else None


class Expiring(ExpiringStore):
    name = "a_store"
    record_class = RecordClass.OP_LOG
    _concerns = described


class Lasting(SealedStore):
    name = "a_store"
    record_class = RecordClass.DEVICE
    _concerns = described


Open = Callable[..., ExpiringStore]


@pytest.fixture
def opened(tmp_path: Path, ring: KeyRing, box: Box) -> Open:
    return lambda limit=LIMIT: Expiring(tmp_path / "store", ring, box.time, limit, admits=box.admits)


def keep(store: ExpiringStore, box: Box, person: str, *, ago: timedelta = timedelta(), **where: int) -> list[str]:
    """Keep one record; the files that there are then."""
    concerns = Concerns(box.clock.now() - ago, subjects=(person,))
    store._append([(concerns, msgspec.msgpack.encode(concerns))], **{"largest": 10_000, **where})
    return store._files.names()


def shown(store: SealedStore) -> list[str]:
    return [person for item, _ in store.export(ALL) for person in item.subjects]


def test_it_says_what_it_is(opened: Open, ring: KeyRing) -> None:
    store = opened()
    assert (store.name, store.classes, store.tier) == ("a_store", {RecordClass.OP_LOG}, ring.tier)
    assert all_admitted(Item("1", RecordClass.OP_LOG, None))


def test_without_a_limit_of_its_own_a_store_shows_what_no_order_reaches(
    tmp_path: Path, opened: Open, ring: KeyRing, box: Box
) -> None:
    for person in ("kari", "ola"):
        keep(opened(), box, person)
    box.hidden.add("ola")
    box.boot(1)
    store = Lasting(tmp_path / "store", ring, box.time.moment, admits=box.admits)
    assert shown(store) == ["kari"], "in doubt about the time too"
    assert store.count(ALL, box.clock.now() + HOUR) == 2


def test_a_file_takes_records_for_a_share_of_the_limit(opened: Open, box: Box) -> None:
    store = opened()
    assert keep(store, box, "kari") == ["0000000001"]
    box.clock.move(minutes=59)
    assert keep(store, box, "kari") == ["0000000001"]
    box.clock.move(minutes=1)
    assert keep(store, box, "kari") == ["0000000001", "0000000002"]
    assert sum(1 for _ in store.moments()) == 2


def test_without_a_limit_a_file_takes_records_for_ever(opened: Open, box: Box) -> None:
    store = opened(None)
    keep(store, box, "kari")
    box.clock.move(days=400)
    assert keep(store, box, "kari") == ["0000000001"]
    assert store.expire(timedelta(days=400)) == 0


def test_a_full_file_takes_no_more(opened: Open, box: Box) -> None:
    keep(opened(), box, "kari")
    assert len(keep(opened(), box, "kari", largest=50)) == 2


def test_what_was_written_before_a_file_began_is_not_in_it(opened: Open, box: Box) -> None:
    box.clock.move(hours=2)
    keep(opened(), box, "kari")
    assert len(keep(opened(), box, "kari", ago=HOUR)) == 2


def test_no_number_up_to_a_given_one_is_used(opened: Open, box: Box) -> None:
    assert keep(opened(), box, "kari", above=7) == ["0000000008"]


def test_a_boot_has_files_of_its_own(opened: Open, box: Box) -> None:
    keep(opened(), box, "kari")
    box.boot(1)
    assert len(keep(opened(), box, "ola")) == 2


def test_a_file_is_of_known_time_or_of_unknown(opened: Open, box: Box) -> None:
    box.boot(1)
    store = opened()
    keep(store, box, "kari")
    box.time.witness(box.clock.now(), Witness.PERSON)
    assert len(keep(store, box, "kari")) == 2
    store.redate(box.time.redated)
    assert len(keep(store, box, "kari")) == 2
    assert store._files.file("0000000001").info.until is not None
    store._files.lose("0000000002", lambda *_: True)
    assert keep(store, box, "kari") == ["0000000001", "0000000002"], "what was dated anew takes no more"


def test_nothing_of_an_earlier_boot_is_shown_while_the_time_is_not_known(opened: Open, box: Box) -> None:
    keep(opened(), box, "kari")
    box.boot(1)
    store = opened()
    keep(store, box, "ola")
    assert shown(store) == ["ola"]
    assert next(store.oldest())[1] == 2


def test_a_count_reads_only_what_it_must(opened: Open, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    keep(store, box, "kari")
    keep(store, box, "ola")
    store._files.append("0000000001", [(Concerns(box.clock.now()), b"")])
    assert shown(opened()) == ["kari", "ola"], "what nobody can read concerns nobody"
    box.clock.move(hours=1)
    keep(store, box, "kari")
    start, end = box.clock.now() - HOUR, box.clock.now() + HOUR

    def refuse(_path: Path) -> bytes:
        raise StoreBroken("Input/output error")

    monkeypatch.setattr("privacy.sealed_log.read_log", refuse)
    assert store.count(ALL, end) == store.count(Scope(start=start, end=end), end) == 4
    assert store.count(Scope(classes=(RecordClass.OP_LOG,)), end) == 4
    with pytest.raises(StoreBroken):
        store.count(Scope(subjects=("kari",)), end)
