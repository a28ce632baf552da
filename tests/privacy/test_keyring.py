"""What the key ring promises, and what it refuses. Cuts and faults at every step: `test_keyring_crash.py`."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from privacy.cpu import quick_cipher
from privacy.errors import StoreBroken
from privacy.key_table import TableKey
from privacy.keyring import MOST_LINES, KeyEntry, KeyRing
from privacy.keystore.contract import Held
from privacy.keystore.slot_file import SlotFile
from privacy.seal import Cipher

MEDIUM: Any = runpy.run_path(str(Path(__file__).with_name("keyring_medium.py")))["Medium"]


@pytest.fixture
def medium(tmp_path: Path) -> Any:
    return MEDIUM(tmp_path)


@pytest.fixture
def ring(medium: Any) -> KeyRing:
    return started(medium)


def started(medium: Any, cipher: Cipher | None = Cipher.AES_256_GCM) -> KeyRing:
    return KeyRing.open(medium.keys, medium.slots, medium.random_bytes, cipher)


def tables(medium: Any) -> tuple[bytes, bytes]:
    return (medium.keys / "table.a").read_bytes(), (medium.keys / "table.b").read_bytes()


def test_what_is_added_and_noted_is_there_after_a_start(medium: Any, ring: KeyRing) -> None:
    a, b, c = (ring.add(kind, kind.encode()) for kind in ("snapshots", "spool", "snapshots"))
    ring.note("time", b"12:00")
    ring.note("time", b"12:10")
    ring.sync()
    for each in (ring, started(medium)):
        assert list(each.entries("snapshots").items()) == [(a.id, a), (c.id, c)]
        assert dict(each.entries("spool")) == {b.id: b}
        assert dict(each.entries("holds")) == {}
        assert list(each.all()) == [a, b, c]
        assert each.noted("time") == b"12:10"
        assert each.noted("space") is None
        assert each.generation == 1
    assert len({a.key, b.key, c.key}) == 3
    assert len(a.key) == 32
    assert len(a.id) == 16


def test_both_tables_hold_the_same_and_none_a_key_in_the_clear(medium: Any, ring: KeyRing) -> None:
    entry = ring.add("snapshots", b"front door")
    ring.sync()
    one, other = tables(medium)
    assert one == other
    assert entry.key not in one
    assert b"front door" not in one
    assert {path.stat().st_mode & 0o777 for path in medium.keys.iterdir()} == {0o600}
    assert medium.keys.stat().st_mode & 0o777 == 0o700


def test_a_change_forgets_adds_informs_and_replaces_at_once(medium: Any, ring: KeyRing) -> None:
    dies, told, anew, stays = (ring.add("snapshots", b"") for _ in range(4))
    ring.note("time", b"12:00")
    with ring.change() as change:
        change.forget(dies.id)
        change.inform(told.id, b"until noon")
        fresh = change.add("snapshots", b"a page", anew.id)
        born = change.add("spool", b"1")
        assert list(ring.all()) == [dies, told, anew, stays]
        assert list(change.entries("snapshots")) == [told.id, anew.id, stays.id]
        assert list(change.entries("spool")) == [born.id]
        assert not change.entries("holds")
    informed = KeyEntry(told.id, "snapshots", told.key, b"until noon")
    assert fresh.id == anew.id
    assert fresh.key != anew.key
    for each in (ring, started(medium)):
        assert list(each.all()) == [informed, fresh, stays, born]
        assert list(each.entries("snapshots")) == [told.id, anew.id, stays.id]
        assert each.generation == 2
        assert each.noted("time") == b"12:00"


def test_generations_alternate_between_the_slots_and_leave_one(medium: Any, ring: KeyRing) -> None:
    secrets = []
    for generation in range(1, 6):
        assert ring.generation == generation
        held = medium.slots.durable[generation % 2]
        assert held.generation == generation
        assert medium.slots.durable[1 - generation % 2] is None
        secrets.append(held.secret)
        entry = ring.add("spool", b"")
        with ring.change() as change:
            change.forget(entry.id)
    assert len(set(secrets)) == 5
    assert {len(secret) for secret in secrets} == {32}


def test_a_dead_key_is_in_no_memory_and_no_file(medium: Any, ring: KeyRing) -> None:
    entry = ring.add("snapshots", b"")
    ring.sync()
    old = medium.slots.durable[1]
    before = tables(medium)[0]
    with ring.change() as change:
        change.forget(entry.id)
    assert entry.id not in {each.id for each in ring.all()}
    assert dict(ring.entries("snapshots")) == {}
    assert all(held.secret != old.secret for held in medium.slots.secrets())
    for held in medium.slots.secrets():
        for data in (before, *tables(medium)):
            table = TableKey(held, medium.random_bytes).open(data)
            assert table is None or entry.id not in table.entries


def test_with_an_exception_nothing_was_changed(medium: Any, ring: KeyRing) -> None:
    stays = ring.add("snapshots", b"")
    before, calls = tables(medium), []

    def fails() -> None:
        with ring.change() as change:
            change.forget(stays.id)
            change.add("spool", b"")
            change.afterwards(lambda: calls.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(ring.all()) == [stays]
    assert tables(medium) == before
    assert calls == []
    assert ring.generation == 1
    assert list(started(medium).all()) == [stays]


def test_an_inner_change_joins_the_outer_one(ring: KeyRing) -> None:
    entries = [ring.add("snapshots", bytes([number])) for number in range(3)]
    with ring.change() as outer:
        outer.forget(entries[0].id)
        with ring.change() as inner:
            inner.forget(entries[1].id)
        assert ring.generation == 1
    assert list(ring.all()) == entries[2:]
    assert ring.generation == 2


def test_what_a_failed_inner_change_staged_is_dropped(ring: KeyRing) -> None:
    entries, calls = [ring.add("snapshots", bytes([number])) for number in range(3)], []

    def fails() -> None:
        with ring.change() as inner:
            inner.forget(entries[1].id)
            inner.afterwards(lambda: calls.append("inner"))
            raise ZeroDivisionError

    with ring.change() as outer:
        outer.forget(entries[0].id)
        outer.afterwards(lambda: calls.append("outer"))
        with pytest.raises(ZeroDivisionError):
            fails()
    assert list(ring.all()) == entries[1:]
    assert calls == ["outer"]


def test_two_edits_of_one_entry_come_in_their_order(ring: KeyRing) -> None:
    one, two = ring.add("snapshots", b""), ring.add("snapshots", b"")
    with ring.change() as change:
        fresh = change.add("snapshots", b"page", one.id)
        change.inform(one.id, b"later")
        born = change.add("spool", b"")
        change.forget(born.id)
        change.forget(two.id)
        change.forget(two.id)
    assert list(ring.all()) == [KeyEntry(one.id, "snapshots", fresh.key, b"later")]


def test_only_the_living_are_replaced_or_informed(ring: KeyRing) -> None:
    entry = ring.add("snapshots", b"")
    with ring.change() as change:
        change.forget(entry.id)
        change.forget(bytes(16))
        for dead in (entry.id, bytes(16)):
            with pytest.raises(KeyError):
                change.add("snapshots", b"", dead)
            with pytest.raises(KeyError):
                change.inform(dead, b"")
    assert list(ring.all()) == []


def test_an_empty_change_writes_nothing(medium: Any, ring: KeyRing) -> None:
    calls: list[int] = []
    medium.arm(0, "")
    with medium.running(), ring.change() as change:
        change.forget(bytes(16))
        change.afterwards(lambda: calls.append(1))
    assert medium.steps == []
    assert calls == [1]
    assert ring.generation == 1


def test_calls_come_in_order_after_the_commit_each_even_if_one_raises(ring: KeyRing) -> None:
    entry, calls = ring.add("snapshots", b""), []

    def fails() -> None:
        with ring.change() as change:
            change.forget(entry.id)
            change.afterwards(lambda: calls.append(ring.generation))
            change.afterwards(lambda: calls.append(1 // 0))
            change.afterwards(lambda: calls.append(len(list(ring.all()))))

    with pytest.raises(ZeroDivisionError):
        fails()
    assert calls == [2, 0]
    ring.add("snapshots", b"")
    assert ring.generation == 2


def test_a_call_may_use_the_ring(ring: KeyRing) -> None:
    with ring.change() as change:
        change.add("spool", b"")
        change.afterwards(lambda: ring.note("time", b"12:00"))
    assert ring.noted("time") == b"12:00"


def test_no_line_is_added_beside_an_open_change(ring: KeyRing) -> None:
    with ring.change(), pytest.raises(RuntimeError, match="a change is open"):
        ring.add("spool", b"")


def test_a_note_outlives_the_change_that_it_was_made_in(medium: Any, ring: KeyRing) -> None:
    def fails() -> None:
        with ring.change():
            ring.note("time", b"12:00")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with ring.change() as change:
        ring.note("space", b"1")
        change.add("spool", b"")
    assert [started(medium).noted(name) for name in ("time", "space")] == [b"12:00", b"1"]


def test_a_sync_without_lines_does_nothing(medium: Any, ring: KeyRing) -> None:
    ring.add("spool", b"")
    ring.sync()
    medium.arm(0, "")
    with medium.running():
        ring.sync()
    assert medium.steps == []


def test_lines_do_not_grow_for_ever(medium: Any, ring: KeyRing) -> None:
    entry = ring.add("spool", b"")
    for number in range(MOST_LINES + 1):
        ring.note("time", b"%d" % number)
    ring.sync()
    one, other = tables(medium)
    assert one == other
    assert len(one) < 1000
    again = started(medium)
    assert again.noted("time") == b"%d" % MOST_LINES
    assert list(again.all()) == [entry]


def test_a_seal_is_under_the_key_of_its_entry(medium: Any, ring: KeyRing) -> None:
    entry = ring.add("spool", b"")
    sealed = ring.seal(entry).close(b"line", b"spool")
    assert started(medium).seal(entry).open(sealed, b"spool") == b"line"
    assert Cipher.AES_256_GCM.aead(entry.key).decrypt(sealed[:12], sealed[12:], b"spool") == b"line"


def test_the_cipher_is_chosen_once(medium: Any) -> None:
    assert started(medium, Cipher.CHACHA20_POLY1305).cipher is Cipher.CHACHA20_POLY1305
    assert started(medium, Cipher.AES_256_GCM).cipher is Cipher.CHACHA20_POLY1305


def test_else_the_cpu_chooses_it(medium: Any) -> None:
    assert started(medium, None).cipher is quick_cipher()


def test_the_tier_is_the_roots(ring: KeyRing, medium: Any) -> None:
    assert ring.tier is medium.slots.tier


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(bytes(data))


def emptied(medium: Any) -> None:
    for state in (medium.slots.visible, medium.slots.durable):
        state.update({0: None, 1: None})


@pytest.mark.parametrize("name", ["table.a", "table.b"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"holiday pictures" * 100),
        lambda path: flipped(path, 9),
        lambda path: flipped(path, 60),
        lambda path: flipped(path, path.stat().st_size - 3),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"PVKL torn"),
    ],
    ids=["missing", "empty", "foreign", "head", "base", "last line", "cut", "tail"],
)
def test_one_damaged_table_is_restored_from_the_other(
    medium: Any, ring: KeyRing, name: str, damage: Callable[[Path], Any]
) -> None:
    entries = [ring.add("snapshots", bytes([number])) for number in range(3)]
    ring.sync()
    damage(medium.keys / name)
    again = started(medium)
    assert list(again.all()) == entries
    entries.append(again.add("snapshots", b"after"))
    again.sync()
    one, other = tables(medium)
    assert one == other
    # each by itself, so that the other was not the one that helped
    (medium.keys / "table.a").unlink()
    assert list(started(medium).all()) == entries
    (medium.keys / "table.b").unlink()
    assert list(started(medium).all()) == entries


def test_two_tables_damaged_in_their_lines_give_the_longer(medium: Any, ring: KeyRing) -> None:
    entries = [ring.add("snapshots", bytes([number])) for number in range(3)]
    ring.sync()
    line = (len(tables(medium)[0]) - 100) // 3
    flipped(medium.keys / "table.a", len(tables(medium)[0]) - line - 20)
    flipped(medium.keys / "table.b", len(tables(medium)[1]) - 3)
    assert list(started(medium).all()) == entries[:2]


def two_generations(medium: Any) -> None:
    """Ahead of the tables, as after a restored backup of the tables alone."""
    old = tables(medium)
    ring = started(medium)
    with ring.change() as change:
        change.add("spool", b"")
    for name, data in zip(("table.a", "table.b"), old, strict=True):
        (medium.keys / name).write_bytes(data)


def no_tables(medium: Any) -> None:
    ring = started(medium)
    with ring.change() as change:
        change.add("spool", b"")
    for path in medium.keys.iterdir():
        path.unlink()


def another_root(medium: Any) -> None:
    held = medium.slots.visible[1]
    medium.slots.visible[1] = medium.slots.durable[1] = Held(1, held.secret[::-1])


def other_tables(medium: Any) -> None:
    data = TableKey(Held(1, bytes(32)), medium.random_bytes).close(started(medium)._table)
    for name in ("table.a", "table.b"):
        (medium.keys / name).write_bytes(data)


def foreign_files(medium: Any) -> None:
    for name in ("table.a", "table.b"):
        (medium.keys / name).write_bytes(b"holiday pictures" * 100)


def one_bit_in_each(medium: Any) -> None:
    flipped(medium.keys / "table.a", 40)
    flipped(medium.keys / "table.b", 50)


def swapped_slots(medium: Any) -> None:
    for state in (medium.slots.visible, medium.slots.durable):
        state[0], state[1] = state[1], state[0]


def a_directory(medium: Any) -> None:
    (medium.keys / "table.a").unlink()
    (medium.keys / "table.a").mkdir()


def a_link(medium: Any) -> None:
    (medium.keys / "table.a").rename(medium.keys / "elsewhere")
    (medium.keys / "table.a").symlink_to(medium.keys / "elsewhere")


def one_table_and_a_slot_of_generation_one(medium: Any) -> None:
    (medium.keys / "table.a").unlink()
    (medium.keys / "table.b").write_bytes(b"")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (emptied, "holds no root, but there are key tables"),
        (two_generations, "is at generation 2, but the key tables .* are at 1"),
        (no_tables, "is at generation 2, but no key table is in"),
        (another_root, "does not open the key tables"),
        (other_tables, "does not open the key tables"),
        (foreign_files, "no key table in .* is whole"),
        (one_bit_in_each, "does not open the key tables"),
        (swapped_slots, "slot 0 holds generation 1, which lives in the other"),
        (a_directory, "cannot read table.a: Is a directory"),
        (a_link, "cannot read table.a: "),
        (one_table_and_a_slot_of_generation_one, "no key table in .* is whole"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_left_alone(
    medium: Any, ring: KeyRing, wrong: Callable[[Any], None], says: str
) -> None:
    ring.add("snapshots", b"")
    ring.sync()
    wrong(medium)
    files = {path: path.read_bytes() for path in medium.keys.iterdir() if path.is_file()}
    slots = dict(medium.slots.visible)
    for _ in range(2):
        with pytest.raises(StoreBroken, match=says) as refusal:
            started(medium)
        assert "\n" not in str(refusal.value)
        assert refusal.value.hint
        assert {path: path.read_bytes() for path in medium.keys.iterdir() if path.is_file()} == files
        assert medium.slots.visible == slots


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="cannot make keys: No such file or directory"):
        started(MEDIUM(tmp_path / "nowhere"))


def test_a_first_start_that_was_cut_off_goes_on_with_its_secret(medium: Any) -> None:
    held = Held(1, bytes(32))
    medium.slots.visible[1] = medium.slots.durable[1] = held
    assert started(medium).generation == 1
    assert medium.slots.durable[1] == held


def test_an_old_slot_that_was_left_is_destroyed(medium: Any, ring: KeyRing) -> None:
    old = medium.slots.durable[1]
    with ring.change() as change:
        change.add("spool", b"")
    for state in (medium.slots.visible, medium.slots.durable):
        state[1] = old
    assert started(medium).generation == 2
    assert medium.slots.durable[1] is None


def test_a_newer_slot_without_its_table_is_destroyed(medium: Any, ring: KeyRing) -> None:
    for state in (medium.slots.visible, medium.slots.durable):
        state[0] = Held(2, bytes(32))
    assert started(medium).generation == 1
    assert medium.slots.durable[0] is None
    assert medium.slots.durable[1].generation == 1


def test_a_root_that_went_while_it_ran_is_one_line(medium: Any, ring: KeyRing) -> None:
    entry = ring.add("spool", b"")
    for path in medium.keys.iterdir():
        path.unlink()
    with pytest.raises(StoreBroken, match=r"cannot append to table\.a: No such file or directory"):
        ring.add("spool", b"")
    with pytest.raises(StoreBroken, match=r"the key tables in .* are gone"):
        ring.sync()
    assert list(ring.all()) == [entry]
    assert not list(medium.keys.iterdir())


def test_on_the_real_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()

    def opened() -> KeyRing:
        return KeyRing.open(keys, SlotFile(keys / "slots", create=True), os.urandom)

    ring = opened()
    dies, stays = ring.add("snapshots", b"1"), ring.add("snapshots", b"2")
    ring.sync()
    slots = (keys / "slots").read_bytes()
    with ring.change() as change:
        change.forget(dies.id)
    again = opened()
    assert list(again.all()) == [stays]
    assert again.generation == 2
    # Of 64 KiB of secret, no block is left.
    left = (keys / "slots").read_bytes()
    old = slots[128 * 1024 + 4096 :][: 64 * 1024]
    assert len(set(old)) > 200
    assert not any(old[at : at + 512] in left for at in range(0, len(old), 512))
