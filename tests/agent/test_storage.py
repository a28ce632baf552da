"""The state directory: made on the first start, opened on the next, and never half-open."""

import errno
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import agent.storage
from agent.config.model import Config, Gateway, Keys, Log, Vault
from agent.errors import ConfigInvalid
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.entries import AgentStarted
from privacy.errors import PrivacyError, StoreBroken
from privacy.hold import Actor, Reason, Role
from privacy.keystore import nvram
from privacy.keystore.contract import Held
from privacy.keystore.nvram import Nvram
from privacy.keystore.slot_file import SlotFile
from privacy.records import RecordClass, Scope, Tier
from privacy.timekeeping import Witness

Open = Callable[..., Storage]

HOUR = timedelta(hours=1)
PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var" / "state"


@pytest.fixture
def opened(state: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the storage as a start would, after the end of the one before."""
    living: list[Storage] = []
    locks: list[int] = []
    take = agent.storage._locked

    def taken(directory: Path) -> int:
        locks.append(take(directory))
        return locks[-1]

    def end() -> None:
        while living:
            living.pop().vault.close()
        while locks:
            os.close(locks.pop())

    def open_it(keep_hours: float = 72, **sections: Any) -> Storage:
        end()
        config = Config(
            version=1, gateway=Gateway(id="gw-1", state_dir=state), log=Log(keep_hours=keep_hours), **sections
        )
        living.append(open_storage(config, clock))
        return living[-1]

    monkeypatch.setattr(agent.storage, "_locked", taken)
    yield open_it
    end()


def content(state: Path) -> dict[str, bytes]:
    return {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}


def keep(storage: Storage, camera: str = "front") -> str:
    snapshot = storage.vault.append(camera, storage.time.now(), PICTURE)
    assert snapshot
    return snapshot.id


def test_the_first_start_makes_everything_for_this_user_alone(opened: Open, state: Path) -> None:
    storage = opened()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    public = json.loads((state / "receipt-public.jwk").read_bytes())
    assert public["kid"] == storage.receipt_key.kid
    assert "d" not in public
    assert b'"d"' not in (state / "receipt.jwk").read_bytes(), "the private half is sealed"
    assert storage.receipt_key.kid != storage.local_key.kid


def test_the_next_start_finds_the_same(opened: Open) -> None:
    first, second = opened(), opened()
    assert second.receipt_key.kid == first.receipt_key.kid
    assert second.local_key.kid == first.local_key.kid
    assert second.keys.derive("x") == first.keys.derive("x")


def test_every_store_is_registered_under_a_name_of_its_own(opened: Open) -> None:
    stores = opened().stores
    names = [store.name for store in stores]
    assert len(set(names)) == len(names)
    assert {
        "activity", "consents", "credentials", "device_register", "grants", "holds", "operation_log",
        "person_register", "snapshots", "spool", "web_sessions",
    } <= set(names)  # fmt: skip
    assert {
        RecordClass.SNAPSHOT, RecordClass.OP_LOG, RecordClass.DEVICE, RecordClass.PERSON, RecordClass.ACTIVITY,
        RecordClass.CONSENT, RecordClass.WEB_SESSION,
    } <= frozenset[RecordClass]().union(*(store.classes for store in stores))  # fmt: skip


def test_a_shortened_limit_reaches_log_and_policy(opened: Open) -> None:
    storage = opened(keep_hours=1.5)
    assert storage.operation_log.limit == timedelta(hours=1.5)
    assert storage.policies[RecordClass.OP_LOG].limit == timedelta(hours=1.5)
    assert opened().policies[RecordClass.OP_LOG].limit == timedelta(hours=72)


def test_a_published_key_that_somebody_changed_is_published_anew(opened: Open, state: Path) -> None:
    storage = opened()
    (state / "receipt-public.jwk").write_text("{}")
    opened()
    assert json.loads((state / "receipt-public.jwk").read_bytes())["kid"] == storage.receipt_key.kid


def test_a_state_directory_that_cannot_be_made(opened: Open, state: Path) -> None:
    state.parent.parent.mkdir(exist_ok=True)
    state.parent.write_text("a file where a folder should be")
    with pytest.raises(ConfigInvalid, match="cannot be made") as invalid:
        opened()
    assert str(state) in str(invalid.value)
    assert invalid.value.hint


def test_another_agent_at_the_same_state(opened: Open, state: Path, clock: Any) -> None:
    opened()
    with pytest.raises(ConfigInvalid, match="another agent"):
        open_storage(Config(version=1, gateway=Gateway(id="gw-1", state_dir=state)), clock)


@pytest.mark.parametrize(
    "name",
    [
        "root.key",
        "root.key.check",
        "receipt.jwk",
        "receipt-public.jwk",
        "local-issuer.jwk",
        "journal",
        "keys/slots",
        "keys/table.a",
        "spool/state",
    ],
)
def test_what_cannot_be_read_is_one_clear_line(opened: Open, state: Path, name: str) -> None:
    """A folder stands in for a file of another user: reading it fails in the same way, for root as well."""
    opened()
    (state / name).unlink(missing_ok=True)
    (state / name).mkdir()
    with pytest.raises(StoreBroken) as broken:
        opened()
    assert Path(name).name in str(broken.value)
    assert broken.value.hint


@pytest.mark.parametrize("name", ["keys", "vault", "tags", "operation-log", "spool", "devices", "holds"])
def test_a_file_where_a_store_has_its_folder(opened: Open, state: Path, name: str) -> None:
    """Such as `devices`, which was a file in an earlier layout: the line says what to do."""
    state.mkdir(parents=True)
    (state / name).write_text("not ours")
    with pytest.raises(StoreBroken) as broken:
        opened()
    line = f"{state / name} is no folder (move it away: an earlier version may have made it, or somebody else)"
    assert str(broken.value) == line
    assert (state / name).read_text() == "not ours"


@pytest.mark.parametrize("name", ["root.key", "receipt.jwk", "local-issuer.jwk"])
def test_a_damaged_key_is_never_taken_for_a_first_start(opened: Open, state: Path, name: str) -> None:
    opened()
    damaged = bytearray((state / name).read_bytes())
    damaged[-1] ^= 1
    (state / name).write_bytes(damaged)
    with pytest.raises(PrivacyError, match=name):
        opened()
    assert (state / name).read_bytes() == bytes(damaged)


def test_a_journal_of_another_program_is_left_alone(opened: Open, state: Path) -> None:
    state.mkdir(parents=True)
    (state / "journal").write_text("a journal of something else")
    with pytest.raises(StoreBroken, match="not written by this program"):
        opened()
    assert (state / "journal").read_text() == "a journal of something else"


# -- the root of the keys


def test_the_root_is_a_file_where_nothing_else_is_said(opened: Open, state: Path) -> None:
    storage = opened()
    assert {store.tier for store in storage.stores} == {Tier.OVERWRITTEN_IN_PLACE}
    assert (state / "keys" / "slots").stat().st_size == 256 * 1024


def test_a_root_in_a_file_of_its_own(opened: Open, state: Path, tmp_path: Path) -> None:
    opened(keys=Keys(path=tmp_path / "partition"))
    assert (tmp_path / "partition").stat().st_size == 256 * 1024
    assert not (state / "keys" / "slots").exists()


def test_a_root_in_battery_backed_memory(
    opened: Open, state: Path, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvmem").write_bytes(bytes(236))
    monkeypatch.setattr(nvram.Nvram, "__init__", _in_sysfs(tmp_path))
    kept = keep(opened(keys=Keys(root="nvram", path=tmp_path / "nvmem")))
    assert not (state / "keys" / "slots").exists()
    again = opened(keys=Keys(root="nvram", path=tmp_path / "nvmem"))
    assert again.vault.image(kept) == PICTURE.image
    assert {store.tier for store in again.stores} == {Tier.HARDWARE_SLOT}


def _in_sysfs(folder: Path) -> Callable[..., None]:
    made = Nvram.__init__

    def make(self: Nvram, path: Path) -> None:
        made(self, path, sysfs=folder)

    return make


def test_a_file_is_no_battery_backed_memory(opened: Open, tmp_path: Path) -> None:
    """Tier A would be a lie."""
    (tmp_path / "nvmem").write_bytes(bytes(236))
    with pytest.raises(StoreBroken, match="is no NVRAM"):
        opened(keys=Keys(root="nvram", path=tmp_path / "nvmem"))
    assert (tmp_path / "nvmem").read_bytes() == bytes(236)


def test_a_tpm_without_its_library(opened: Open, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    with pytest.raises(StoreBroken, match="tpm2-pytss") as broken:
        opened(keys=Keys(root="tpm"))
    assert "`tpm`" in broken.value.hint
    assert not (state / "keys").exists()


def test_a_tpm_that_is_not_there(opened: Open, state: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="root slot in the TPM") as broken:
        opened(keys=Keys(root="tpm", tcti=f"device:{tmp_path}/tpmrm0"))
    assert "lead to a TPM" in broken.value.hint
    assert not (state / "keys" / "table.a").exists()


# -- keys that do not belong to what is stored: one clear line, and nothing is changed


def refused(opened: Open, state: Path, match: str, **sections: Any) -> None:
    before = content(state)
    with pytest.raises(StoreBroken, match=match) as broken:
        opened(**sections)
    assert "\n" not in str(broken.value)
    assert broken.value.hint
    assert content(state) == before


@pytest.fixture
def lived(opened: Open, state: Path, clock: Any) -> dict[str, bytes]:
    """Three pictures, of which one was erased: so there were two generations of keys. What the first one left."""
    storage = opened()
    for camera in ("front", "back", "side"):
        keep(storage, camera)
    storage.vault.flush()
    before = content(state)
    storage.vault.erase(Scope(cameras=("side",)), clock.now() + HOUR)
    opened()
    return before


def test_a_root_of_an_earlier_generation(opened: Open, state: Path, lived: dict[str, bytes]) -> None:
    """Put back from a backup, say."""
    (state / "keys" / "slots").write_bytes(lived["keys/slots"])
    refused(opened, state, "is at generation 1, but the key tables in .* are at 2")


def test_tables_of_an_earlier_generation(opened: Open, state: Path, lived: dict[str, bytes]) -> None:
    for name in ("keys/table.a", "keys/table.b"):
        (state / name).write_bytes(lived[name])
    refused(opened, state, "is at generation 2, but the key tables in .* are at 1")


@pytest.mark.usefixtures("lived")
def test_a_root_of_another_gateway(opened: Open, state: Path, tmp_path: Path) -> None:
    other = SlotFile(tmp_path / "other", create=True)
    held = SlotFile(state / "keys" / "slots").read(0)
    assert held
    other.write(0, type(held)(held.generation, os.urandom(len(held.secret))))
    refused(opened, state, "does not open the key tables", keys=Keys(path=tmp_path / "other"))


@pytest.mark.usefixtures("lived")
def test_no_root_at_all(opened: Open, state: Path) -> None:
    (state / "keys" / "slots").write_bytes(bytes(256 * 1024))
    refused(opened, state, "holds no root, but there are key tables")


@pytest.mark.usefixtures("lived")
def test_a_generation_in_the_slot_of_the_other(opened: Open, state: Path) -> None:
    slots = (state / "keys" / "slots").read_bytes()
    half = len(slots) // 2
    label = slots[half - 8 : half]
    (state / "keys" / "slots").write_bytes(slots[half:-8] + label + slots[: half - 8] + bytes(8))
    refused(opened, state, "slot 1 holds generation 2, which lives in the other")


@pytest.mark.usefixtures("lived")
def test_a_foreign_file_in_the_place_of_the_root(opened: Open, state: Path) -> None:
    (state / "keys" / "slots").write_bytes(b"somebody's notes\n" * 20_000)
    refused(opened, state, "holds something that is not ours")


@pytest.mark.usefixtures("lived")
def test_no_table_at_all(opened: Open, state: Path) -> None:
    for name in ("table.a", "table.b"):
        (state / "keys" / name).unlink()
    refused(opened, state, "is at generation 2, but no key table is in")


@pytest.mark.usefixtures("lived")
def test_two_damaged_tables(opened: Open, state: Path) -> None:
    for name in ("table.a", "table.b"):
        (state / "keys" / name).write_bytes(os.urandom(300))
    refused(opened, state, "no key table in .* is whole")


@pytest.mark.parametrize("damage", ["missing", "noise", "cut", "older"])
@pytest.mark.parametrize("name", ["table.a", "table.b"])
def test_one_damaged_table_costs_nothing(
    opened: Open, state: Path, lived: dict[str, bytes], name: str, damage: str
) -> None:
    table = state / "keys" / name
    whole = table.read_bytes()
    table.unlink()
    if damage != "missing":
        table.write_bytes({"noise": os.urandom(300), "cut": whole[:50], "older": lived[f"keys/{name}"]}[damage])
    storage = opened()
    assert sorted(shot.camera for shot in storage.vault.newest(None, 9)) == ["back", "front"]
    assert len({path.read_bytes() for path in (state / "keys").glob("table.*")}) == 1


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("lost", ["keys", "keys/*", "keys/table.*"])
def test_lost_keys_are_no_first_start(opened: Open, state: Path, tmp_path: Path, lost: str) -> None:
    """A folder that is not mounted, say: empty, or not there. What they open must not be taken for dead."""
    away = tmp_path / "away"
    shutil.copytree(state / "keys", away)
    for path in state.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if lost == "keys/table.*":  # nothing but an unfinished first start lies there
        (state / "keys" / "slots").unlink()
        SlotFile(state / "keys" / "slots", create=True).write(1, Held(1, os.urandom(64 * 1024)))
    before = content(state)
    refused(opened, state, "no key table is in .*, and what they opened is here")
    assert content(state) == before
    shutil.rmtree(state / "keys", ignore_errors=True)
    assert not opened_lost(opened, state), "nor is anything made in its place"
    shutil.copytree(away, state / "keys")
    assert len(opened().vault.newest(None, 9)) == 2


def opened_lost(opened: Open, state: Path) -> bool:
    refused(opened, state, "bring that folder back")
    return (state / "keys").exists()


@pytest.mark.parametrize(
    "name",
    [
        "vault/segments/x",
        *(f"{name}/{'0a' * 16}.log" for name in ("operation-log", "spool", "devices", "tags", "holds")),
    ],
)
def test_whatever_is_sealed_tells_of_lost_keys(opened: Open, state: Path, tmp_path: Path, name: str) -> None:
    """Also where the root lies elsewhere, and is as a first start would make it."""
    root = Keys(path=tmp_path / "partition")
    opened(keys=root)
    shutil.rmtree(state / "keys")
    (state / name).parent.mkdir(exist_ok=True)
    (state / name).write_bytes(b"sealed")
    refused(opened, state, "no key table is in", keys=root)
    (state / name).unlink()
    assert opened(keys=root).ring.generation == 1, "where nothing is, nothing is lost"


def test_a_folder_that_nobody_may_write_to(opened: Open, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that has made itself read-only, later; what is there stays."""
    opened()

    def read_only(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(state / "lock"))

    before = content(state)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", read_only)
        with pytest.raises(StoreBroken, match="Read-only file system") as broken:
            opened()
    assert str(state) in str(broken.value)
    assert content(state) == before


def test_a_first_start_on_a_medium_that_is_full(opened: Open, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StoreBroken, match="No space left on device"):
            opened()
    assert opened().ring.generation == 1, "the next start is a first one"


def test_a_later_start_on_a_medium_that_is_full(
    opened: Open, clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It opens, so that what is due goes, and somebody may free space by erasing; the boot is counted later."""
    kept = keep(opened())
    clock.reboot(hours=1)
    write = os.write

    def full(handle: int, data: bytes) -> int:
        """Nothing may grow; what is there may be overwritten."""
        if os.lseek(handle, 0, os.SEEK_CUR) + len(data) > os.fstat(handle).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        storage = opened()
        assert "the time could not be noted yet: cannot append to table.a: No space left" in caplog.text
        assert storage.time.known
        assert storage.vault.image(kept) == PICTURE.image
        assert storage.vault.erase(Scope(everything=True), clock.now()).erased == 1
        assert storage.vault.image(kept) is None
    powered = storage.time.moment().powered
    assert not storage.time.tick()
    clock.reboot()
    assert opened().time.moment().powered > powered, "counted"


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("name", ["receipt.jwk", "local-issuer.jwk", "journal"])
def test_a_start_that_fails_changes_nothing(opened: Open, state: Path, name: str) -> None:
    (state / name).write_bytes(b"somebody's notes, written to the wrong place\n")
    before = content(state)
    with pytest.raises(PrivacyError, match=name):
        opened()
    assert content(state) == before


# -- what lies there besides


def test_files_of_an_earlier_layout_are_left_alone(opened: Open, state: Path, clock: Any) -> None:
    """None of them is any part of ours now, whatever they hold."""
    opened()
    old = {
        f"snapshots/0a/{'0a' * 16}": b"a snapshot",
        f"snapshots/0a/{'0b' * 16}.new": b"an unfinished one",
        "operation-log/2026-03-01.log": b"PVLOG1\r\n",
        "spool/0000000001.log": b"PVLOG1\r\n",
        "devices.new": b"an unfinished register",
    }
    for name, data in old.items():
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(data)
    storage = opened()
    keep(storage)
    storage.vault.erase(Scope(everything=True), clock.now() + HOUR)
    storage.vault.reclaim()
    opened()
    assert {name: (state / name).read_bytes() for name in old} == old


def test_what_a_crash_left_unfinished_goes(opened: Open, state: Path) -> None:
    opened()
    unfinished = ["journal.new", "keys/table.a.new", f"holds/{'0a' * 16}.log.new", "spool/state.new"]
    for name in [*unfinished, "journal.old"]:
        (state / name).write_bytes(b"torn")
    opened()
    assert not [name for name in unfinished if (state / name).exists()]
    assert (state / "journal.old").exists()


# -- time


def test_a_boot_that_does_not_know_the_time_hides_what_was_stored_before(opened: Open, clock: Any) -> None:
    earlier = keep(opened())
    clock.battery = False
    clock.reboot(hours=2)
    storage = opened()
    assert not storage.time.known
    now = keep(storage)
    assert (storage.vault.image(earlier), storage.vault.image(now)) == (None, PICTURE.image)
    assert [shot.id for shot in storage.vault.newest(None, 9)] == [now]
    assert storage.time.witness(clock.now(), Witness.PERSON)
    storage.date_anew()
    assert storage.vault.image(earlier) == PICTURE.image
    assert [shot.id for shot in storage.vault.newest(None, 9)] == [now, earlier]
    assert storage.vault.spans()["front"].newest == clock.now(), "dated anew"


def test_a_battery_clock_is_believed_at_the_start(opened: Open, clock: Any) -> None:
    earlier = keep(opened())
    clock.reboot(hours=2)
    storage = opened()
    assert storage.time.known
    assert storage.vault.image(earlier) == PICTURE.image


def test_log_and_spool_of_an_unknown_boot_are_dated_anew(opened: Open, clock: Any) -> None:
    opened()
    clock.battery = False
    clock.reboot(days=20)
    storage = opened()
    storage.operation_log.append([AgentStarted(at=storage.time.moment().wall, version="1")])
    [moment] = list(storage.operation_log.moments())[-1:]
    assert not moment.trusted
    clock.move(minutes=5)
    assert storage.time.witness(clock.now(), Witness.PERSON)
    storage.date_anew()
    [moment] = list(storage.operation_log.moments())[-1:]
    assert (moment.trusted, moment.wall) == (True, clock.now() - timedelta(minutes=5))


def test_a_hold_of_an_unknown_boot_is_dated_anew_and_lasts_as_long(opened: Open, clock: Any) -> None:
    opened()
    clock.battery = False
    clock.reboot(days=20)
    true = clock.now()
    clock.time -= timedelta(days=400)
    storage = opened()
    hold = storage.holds.place(Reason.DISPUTE, Scope(cameras=("front",)), Actor("kari", Role.OWNER))
    assert hold.made < true - timedelta(days=19)
    clock.time = true
    assert storage.time.witness(true, Witness.PERSON)
    assert len(storage.holds.active()) == 1
    storage.date_anew()
    [dated] = storage.holds.active()
    assert (dated.id, dated.made, dated.until) == (hold.id, true, true + timedelta(days=30))
    assert opened().holds.active() == (dated,)


def test_the_powered_on_counter_survives_a_lost_note(opened: Open, clock: Any) -> None:
    """What is stored says how long the box was on at least."""
    storage = opened()
    keep(storage)
    clock.move(days=3)
    keep(storage)
    powered = storage.time.moment().powered
    storage.ring.note("time", b"rubbish")
    storage.ring.sync()
    clock.reboot()
    assert opened().time.moment().powered >= powered


def test_nothing_was_stored_later_than_newest(opened: Open, clock: Any) -> None:
    storage = opened()
    assert storage.newest is None
    keep(storage)
    clock.move(minutes=59)
    keep(storage)
    assert (newest := opened().newest)
    assert clock.now() <= newest <= clock.now() + HOUR


def test_the_quota_of_the_configuration_counts(opened: Open, clock: Any) -> None:
    storage = opened(vault=Vault(quota_mb=1, reserve_mb=0))
    large = Picture(b"\xff\xd8\xff" + bytes(300_000), b"\xff\xd8\xffthumb", 640, 480)
    for _ in range(6):
        storage.vault.append("front", clock.now(), large)
        clock.move(hours=1)
    assert 1 <= storage.vault.spans()["front"].count <= 3
