"""The doctor over a real state directory that somebody has damaged: what is wrong, and what mends it."""

import errno
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agent.doctor.keys
from agent.config import load
from agent.doctor import Check, examine
from agent.doctor.machine import Machine
from agent.errors import NotRunning
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.hold import Actor, Reason, Role
from privacy.records import Scope

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
PICTURE = Picture(b"\xff\xd8\xff" + b"image" * 500, b"\xff\xd8\xffthumb", 640, 480)
Found = list[tuple[str, str, str]]


def nobody(_: Path | None) -> Any:
    raise NotRunning("no agent listens", hint="start it")


class Ground:
    """A state directory with pictures of two cameras in it, made by the real storage; and the machine it is on."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.folder, self.clock = folder, clock
        self.state = folder / "state"
        self.config = folder / "portvakt.toml"
        self.configure()
        clock.time = NOW
        self.machine = Machine(folder / "proc", folder / "run", folder / "cgroups")
        self.mounted("ext4", "rw,data=ordered")
        (self.machine.proc / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")

    def configure(self, more: str = "") -> None:
        camera = '[[camera]]\nid = "front"\nname = "F"\nurl = "http://c/"\nkeep_seconds = 86400\n'
        self.config.write_text(f'version = 1\n[gateway]\nid = "gw-1"\nstate_dir = "{self.state}"\n{more}\n{camera}')

    def mounted(self, kind: str, options: str) -> None:
        proc = self.machine.proc / "self"
        proc.mkdir(parents=True, exist_ok=True)
        point = str(self.folder).replace(" ", "\\040")
        (proc / "mountinfo").write_text(
            "1 0 0:1 / / rw - rootfs rootfs rw\n"
            f"27 1 254:0 / {point} rw,relatime shared:1 - {kind} /dev/vda {options}\n"
        )

    def opened(self) -> Storage:
        return open_storage(load(self.config, {}), self.clock)

    def fill(self, storage: Storage, count: int = 3) -> None:
        for camera in ("front", "back"):
            for _ in range(count):
                assert storage.vault.append(camera, storage.time.now(), PICTURE)
                self.clock.move(seconds=1)
        storage.vault.flush()

    def end(self, storage: Storage) -> None:
        storage.vault.close()
        os.close(storage.lock)

    def locked(self, pid: int = 4711) -> Path:
        """An agent works there; its folder in `/proc`."""
        status = (self.state / "lock").stat()
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        (self.machine.proc / "locks").write_text(
            f"1: POSIX  ADVISORY  WRITE 9 {device} 0 EOF\n2: FLOCK  ADVISORY  WRITE {pid} {device} 0 EOF\n"
        )
        process = self.machine.proc / str(pid)
        process.mkdir()
        return process

    def examine(self, now: datetime = NOW, **options: Any) -> list[Check]:
        """What it says; that it has left every byte and time as they were, and made nothing."""
        before = self._everything()
        checks = examine(self.config, nobody, now, {}, machine_=self.machine, **options)
        assert self._everything() == before
        for check in checks:
            assert check.verdict == "ok" or check.mend, check
        return checks

    def wrong(self, **options: Any) -> Found:
        checks = self.examine(**options)
        return [(c.name, c.verdict, c.found) for c in checks if c.verdict != "ok" and c.name not in {"agent", "room"}]

    @property
    def segments(self) -> list[Path]:
        return sorted((self.state / "vault/segments").iterdir())

    def _everything(self) -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in self.folder.rglob("*")
        }


@pytest.fixture
def ground(tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(agent.doctor.keys, "PAUSE_SECONDS", 0)
    made = Ground(tmp_path, clock)
    storage = made.opened()
    made.fill(storage)
    made.end(storage)
    return made


def name(found: Found) -> list[tuple[str, str]]:
    return [(name, verdict) for name, verdict, _ in found]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sound_state_directory(ground: Ground) -> None:
    assert ground.wrong(thorough=True) == []
    found = {check.name: check.found for check in ground.examine()}
    assert "tier B" in found["keys"]
    assert found["vault"].startswith("6 pictures found in 2 segments")


def test_before_the_first_start(ground: Ground) -> None:
    shutil.rmtree(ground.state)
    ground.state.mkdir(mode=0o700)
    assert ground.wrong() == []


class TestKeys:
    def test_a_slot_that_is_gone(self, ground: Ground) -> None:
        (ground.state / "keys/slots").write_bytes(bytes(256 * 1024))
        [keys, vault] = ground.wrong()
        assert keys[:2] == ("keys", "fail")
        assert "holds no root, but there are key tables" in keys[2]
        assert vault[:2] == ("vault", "fail")
        mend = {check.name: check.mend for check in ground.examine()}
        assert "put back the root that belongs to these tables" in mend["keys"]
        assert "do not start the agent" in mend["vault"]

    @pytest.mark.parametrize(("gone", "said"), [("slots", "No such file"), ("table.?", "no key table is in")])
    def test_files_that_are_missing(self, ground: Ground, gone: str, said: str) -> None:
        for path in (ground.state / "keys").glob(gone):
            path.unlink()
        assert ("keys", "fail") in name(ground.wrong())
        assert any(said in found for _, _, found in ground.wrong())

    def test_all_of_them_missing(self, ground: Ground) -> None:
        shutil.rmtree(ground.state / "keys")
        assert name(ground.wrong()) == [("keys", "fail"), ("vault", "fail")]

    def test_of_another_generation(self, ground: Ground) -> None:
        old = (ground.state / "keys/slots").read_bytes()
        storage = ground.opened()
        with storage.ring.change():
            storage.vault.erase(Scope(cameras=("back",)), NOW + timedelta(hours=1))
        ground.end(storage)
        assert ground.wrong() == []
        (ground.state / "keys/slots").write_bytes(old)
        [(_, _, found), _] = ground.wrong()
        assert "is at generation 1, but the key tables" in found
        assert "are at 2" in found

    def test_the_root_of_another_gateway(self, ground: Ground, tmp_path: Path, clock: Any) -> None:
        (tmp_path / "other").mkdir()
        other = Ground(tmp_path / "other", clock)
        other.end(other.opened())
        shutil.copy(other.state / "keys/slots", ground.state / "keys/slots")
        assert "does not open the key tables" in ground.wrong()[0][2]

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda path: flip(path, 5), "is damaged"),
            (lambda path: path.unlink(), "is missing"),
            (lambda path: path.write_bytes(path.read_bytes() + b"torn"), "is behind its twin"),
            (lambda path: flip(path, path.stat().st_size - 1), "is behind its twin"),
        ],
    )
    def test_one_table_damaged_and_its_twin_good(
        self, ground: Ground, spoil: Callable[[Path], object], said: str
    ) -> None:
        spoil(ground.state / "keys/table.b")
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict) == ("key table", "warn")
        assert f"table.b {said}; its twin is good" in found
        ground.end(ground.opened())
        assert ground.wrong() == [], "the start that was named as the cure"

    def test_both_tables_damaged(self, ground: Ground) -> None:
        for table in ("table.a", "table.b"):
            (ground.state / "keys" / table).write_bytes(b"no table")
        assert "no key table" in ground.wrong()[0][2]

    def test_a_change_that_was_cut_off(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = ground.opened()
        storage.vault._catalogue.close()
        monkeypatch.setattr(storage.ring._root, "destroy_other", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError), storage.ring.change() as change:
            change.forget(next(iter(storage.ring.entries("snapshots"))))
        os.close(storage.lock)
        assert ("root slots", "warn") in name(ground.wrong())
        ground.end(ground.opened())
        assert ground.wrong() == []

    @pytest.mark.parametrize(
        ("section", "said"),
        [
            ('[keys]\nroot = "nvram"\npath = "/dev/not-there"', "cannot read the root slots in /dev/not-there"),
            ('[keys]\nroot = "tpm"\ntcti = "device:/dev/not-there"', "TPM"),
        ],
    )
    def test_a_root_that_is_away(self, ground: Ground, section: str, said: str) -> None:
        ground.configure(section)
        found = [found for check, verdict, found in ground.wrong() if (check, verdict) == ("keys", "fail")]
        assert said in found[0]

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda state: (state / "root.key").unlink(), "is missing"),
            (lambda state: flip(state / "root.key", 3), "is not the key"),
            (lambda state: (state / "root.key").write_bytes(b"short"), "holds 5 bytes"),
            (lambda state: ((state / "root.key").unlink(), (state / "root.key").mkdir()), "Is a directory"),
        ],
    )
    def test_the_root_key(self, ground: Ground, spoil: Callable[[Path], object], said: str) -> None:
        spoil(ground.state)
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict, said in found) == ("root key", "fail", True)

    def test_a_first_start_that_was_cut_off(self, ground: Ground) -> None:
        """A slot of generation 1, no table, and nothing yet that it could open."""
        shutil.rmtree(ground.state)
        ground.end(ground.opened())
        for table in ("table.a", "table.b"):
            (ground.state / "keys" / table).unlink()
        (ground.state / "root.key.check").unlink()
        assert ground.wrong() == []
        assert any("the next one goes on with it" in check.found for check in ground.examine())

    def test_a_partition_is_left_to_the_agent_that_works_with_it(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is opened by one at a time, and the agent's next change must not fail for a look."""
        ground.configure('[keys]\npath = "/dev/mmcblk0p4"')
        monkeypatch.setattr(Path, "is_block_device", lambda path: str(path) == "/dev/mmcblk0p4")
        monkeypatch.setattr(agent.doctor.keys, "look_at_keys", lambda *_: 1 / 0)
        ground.locked()
        found = {check.name: check.found for check in ground.examine()}
        assert found["keys"] == "the running agent has /dev/mmcblk0p4 to itself"
        assert "vault" not in found
        assert "erasing in place" not in found


class TestPictures:
    def test_a_lost_index(self, ground: Ground) -> None:
        (ground.state / "vault/index").unlink()
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict) == ("vault index", "warn")
        assert "reads all 2 segments" in found
        (ground.state / "vault/index").write_bytes(b"something else")
        assert name(ground.wrong()) == [("vault index", "warn")]

    def test_a_segment_that_the_medium_refuses(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        refused, *_ = ground.segments
        real = os.open

        def refuse(path: Any, *how: Any, **more: Any) -> int:
            if Path(path) == refused:
                raise OSError(errno.EIO, "Input/output error")
            return real(path, *how, **more)

        monkeypatch.setattr(os, "open", refuse)
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict) == ("vault", "fail")
        assert "1 segments cannot be read" in found

    def test_an_index_that_is_damaged_inside(self, ground: Ground) -> None:
        index = ground.state / "vault/index"
        index.write_bytes(index.read_bytes()[:4096] + os.urandom(index.stat().st_size - 4096))
        assert name(ground.wrong()) == [("vault index", "warn")]

    @pytest.mark.parametrize(
        ("spoil", "thorough", "said"),
        [
            (lambda path: flip(path, 4), False, "1 segments are damaged"),
            (lambda path: flip(path, 33), False, "1 segments are damaged"),
            (lambda path: flip(path, 200), True, "1 segments are damaged"),
            (lambda path: path.write_bytes(path.read_bytes()[:28] + path.read_bytes()[500:]), False, "damaged"),
        ],
    )
    def test_damage(self, ground: Ground, spoil: Callable[[Path], object], said: str, *, thorough: bool) -> None:
        spoil(ground.segments[0])
        [(check, verdict, found)] = ground.wrong(thorough=thorough)
        assert (check, verdict, said in found) == ("vault", "warn", True)

    def test_a_segment_of_another_kind(self, ground: Ground) -> None:
        one, other = ground.segments
        shutil.copy(other, one)
        [(_, _, found)] = ground.wrong()
        assert "the pictures of 1 segments are lost" in found

    def test_a_page_that_is_gone(self, ground: Ground) -> None:
        storage = ground.opened()
        with storage.ring.change():
            storage.vault.erase(Scope(cameras=("back",), end=NOW + timedelta(seconds=4)), NOW + timedelta(hours=1))
        ground.end(storage)
        assert ground.wrong(thorough=True) == []
        [page] = (ground.state / "vault/pages").iterdir()
        flip(page, 40)
        assert "the pictures of 1 segments are lost" in ground.wrong()[0][2]

    def test_a_torn_tail_is_no_fault(self, ground: Ground) -> None:
        with ground.segments[0].open("ab") as file:
            file.write(b"PVSR torn")
        assert ground.wrong() == []
        assert any("1 segments have a torn tail" in check.found for check in ground.examine())

    def test_dead_files_wait(self, ground: Ground) -> None:
        (ground.state / "vault/segments" / ("ab" * 16)).write_bytes(b"nobody's")
        assert ground.wrong() == []
        assert any("1 wait to be unlinked" in check.found for check in ground.examine())

    def test_foreign_files_are_named_and_left_alone(self, ground: Ground) -> None:
        (ground.state / "vault/segments/holiday.jpg").write_bytes(b"x")
        (ground.state / "vault/pages/link").symlink_to("/etc")
        (ground.state / "vault/notes").mkdir()
        (ground.state / "spool/readme").write_text("x")
        one, other = ground.wrong()
        assert one == (
            "foreign files",
            "warn",
            f"3 in {ground.state}/vault are not ours: notes, segments/holiday.jpg, pages/link",
        )
        assert other[2] == f"1 in {ground.state}/spool are not ours: readme"

    def test_what_is_past_its_limit_while_nobody_runs(self, ground: Ground) -> None:
        late = NOW + timedelta(days=1, hours=2)
        [(check, verdict, found)] = ground.wrong(now=late)
        assert (check, verdict, found) == ("limit of snapshot", "fail", "1 files are past their limit")
        assert ground.wrong(now=NOW + timedelta(days=8))[0][2] == "2 files are past their limit"
        storage = ground.opened()
        storage.holds.place(Reason.POLICE_REPORT, Scope(cameras=("front",)), Actor("cli", Role.OWNER))
        ground.end(storage)
        [(_, verdict, found)] = ground.wrong(now=late)
        assert (verdict, found) == ("warn", "1 files are past their limit, unless a hold keeps them")

    def test_a_file_where_a_folder_is_wanted(self, ground: Ground) -> None:
        shutil.rmtree(ground.state / "vault/segments")
        (ground.state / "vault/segments").write_text("x")
        shutil.rmtree(ground.state / "spool")
        (ground.state / "spool").write_text("x")
        assert name(ground.wrong()) == [("vault", "fail"), ("spool", "fail")]

    def test_entries_of_a_later_version_have_no_date(self, ground: Ground) -> None:
        storage = ground.opened()
        storage.ring.add("spool", b"\xc1")
        storage.ring.add("snapshots", b"\xc1")
        storage.ring.sync()
        os.close(storage.lock)
        storage.vault._catalogue.close()
        assert ground.wrong() == []


class TestMedium:
    def test_a_directory_that_this_user_cannot_write(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert name(ground.wrong()) == [("state directory", "fail")]

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("ext4", "rw,data=journal", "writes all data twice"),
            ("btrfs", "rw", "never writes in place"),
            ("f2fs", "rw", "never writes in place"),
            ("overlay", "rw,lowerdir=/", "above a file system"),
            ("nfs4", "rw", "nobody here knows"),
        ],
    )
    def test_a_file_system_that_keeps_copies(self, ground: Ground, kind: str, options: str, said: str) -> None:
        ground.mounted(kind, options)
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict, said in found) == ("erasing in place", "warn", True)
        assert "raw partition" in next(c.mend for c in ground.examine() if c.name == "erasing in place")

    @pytest.mark.parametrize(("kind", "options"), [("ext4", "rw"), ("xfs", "rw"), ("vfat", "rw")])
    def test_one_that_overwrites(self, ground: Ground, kind: str, options: str) -> None:
        ground.mounted(kind, options)
        assert ground.wrong() == []

    def test_read_only(self, ground: Ground) -> None:
        ground.mounted("ext4", "ro,data=ordered")
        [(check, verdict, found)] = ground.wrong()
        assert (check, verdict, "read-only" in found) == ("medium", "fail", True)

    def test_in_memory(self, ground: Ground) -> None:
        ground.mounted("tmpfs", "rw")
        assert name(ground.wrong()) == [("medium", "warn")]

    def test_reserve_and_quota(self, ground: Ground) -> None:
        ground.configure("[vault]\nreserve_mb = 1000000000")
        assert name(ground.wrong()) == [("reserve", "warn")]
        ground.configure("[vault]\nquota_mb = 1")
        assert ground.wrong() == []
        (ground.state / "vault/segments" / ("cd" * 16)).write_bytes(bytes(1024 * 1024))
        assert name(ground.wrong()) == [("quota", "warn")]


class TestMemory:
    def test_swap_and_core_dumps(self, ground: Ground) -> None:
        swaps = ground.machine.proc / "swaps"
        swaps.write_text("Filename\tType\n/dev/zram0 partition 1 0 -2\n")
        assert ground.wrong() == []
        swaps.write_text("Filename\tType\n/dev/sda2 partition 1 0 -2\n")
        assert name(ground.wrong()) == [("swap", "warn")]
        process = ground.locked()
        (process / "status").write_text("Name:\tportvakt\nVmLck:\t       0 kB\n")
        (process / "limits").write_text("Limit  Soft Limit\nMax core file size        unlimited   unlimited  bytes\n")
        (process / "cgroup").write_text("0::/system.slice/portvakt.service\n")
        assert name(ground.wrong()) == [("swap", "warn"), ("core dumps", "warn")]
        (process / "limits").write_text("Limit  Soft Limit\nMax core file size        0           unlimited  bytes\n")
        (process / "status").write_text("Name:\tportvakt\nVmLck:\t   81920 kB\n")
        assert ground.wrong() == []
        (process / "status").write_text("Name:\tportvakt\nVmLck:\t       0 kB\n")
        group = ground.machine.cgroups / "system.slice/portvakt.service"
        group.mkdir(parents=True)
        (group / "memory.swap.max").write_text("0\n")
        assert ground.wrong() == []

    def test_an_agent_at_work_is_not_disturbed(self, ground: Ground) -> None:
        """Its tails are no damage, and what it is just changing is looked at again."""
        ground.locked()
        with ground.segments[0].open("ab") as file:
            file.write(b"PVSR half a rec")
        assert ground.wrong() == []
        assert not any("torn" in check.found for check in ground.examine())

    def test_this_machine_can_be_asked(self, ground: Ground) -> None:
        storage = ground.opened()
        here = Machine()
        assert here.locked_by(ground.state / "lock") == os.getpid()
        ground.end(storage)
        assert here.locked_by(ground.state / "lock") is None
        assert here.mount_of(ground.state) is not None
        assert here.dumps_core(os.getpid()) in {True, False}
