"""The slot file: how it is made, what it is not, and that it reads the medium and not the cache."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held
from privacy.keystore.slot_file import SlotFile

KIB = 1024
SIZE = 256 * KIB
HELD = Held(1, bytes(range(256)) * 256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def test_it_is_made_once_whole_and_for_this_user_alone(path: Path) -> None:
    SlotFile(path, create=True).write(1, HELD)
    info = path.stat()
    assert stat.filemode(info.st_mode) == "-rw-------"
    assert info.st_size == SIZE
    assert info.st_blocks * 512 >= SIZE, "no holes"
    assert SlotFile(path, create=True).read(1) == HELD
    assert path.stat().st_ino == info.st_ino


def test_its_bytes_are_where_they_are_said_to_be(path: Path) -> None:
    SlotFile(path, create=True).write(1, HELD)
    content = path.read_bytes()
    assert content[132 * KIB : 196 * KIB] == HELD.secret
    assert content[128 * KIB :].startswith(b"PVSLOT1\n")
    assert content[: 128 * KIB] == b"PVSLOTS\n".rjust(128 * KIB, b"\0")
    assert content[196 * KIB :] == bytes(60 * KIB)


def test_none_is_not_an_empty_one(path: Path) -> None:
    with pytest.raises(StoreBroken, match=r"No such file.*the disk mounted"):
        SlotFile(path).read(0)
    assert not path.exists()


@pytest.mark.parametrize("length", [0, 1, 4096, SIZE - 1])
def test_one_that_a_power_cut_left_short_is_finished(path: Path, length: int) -> None:
    path.write_bytes(bytes(length))
    with pytest.raises(StoreBroken, match="too small"):
        SlotFile(path).read(0)
    assert SlotFile(path, create=True).read(0) is None
    assert path.read_bytes() == bytes(SIZE)


def test_a_short_file_of_somebody_elses_stays_as_it_is(path: Path) -> None:
    path.write_bytes(b"letters")
    with pytest.raises(StoreBroken, match="too small"):
        SlotFile(path, create=True).read(0)
    assert path.read_bytes() == b"letters"


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_fault_at_any_step_of_the_making_costs_one_more_try(tmp_path: Path, error: int) -> None:
    names = ("open", "fstat", "pread", "pwrite", "fdatasync", "preadv", "fsync")
    taken = failing(names, 0, error, lambda: SlotFile(tmp_path / "counted", create=True))
    assert taken > len(names)
    for at in range(1, taken + 1):
        path = tmp_path / str(at)
        with pytest.raises(StoreBroken) as caught:
            failing(names, at, error, lambda path=path: SlotFile(path, create=True))
        assert caught.value.hint
        assert not path.exists() or path.read_bytes() == b""
        store = SlotFile(path, create=True)
        store.write(1, HELD)
        assert store.read(1) == HELD


def test_a_fault_beside_a_file_that_holds_something_takes_nothing_from_it(path: Path) -> None:
    SlotFile(path, create=True).write(1, HELD)
    names = ("open", "fstat", "fsync")
    for at in range(1, 5):
        with pytest.raises(StoreBroken):
            failing(names, at, errno.EIO, lambda: SlotFile(path, create=True))
        assert SlotFile(path).read(1) == HELD


def failing(names: tuple[str, ...], at: int, error: int, call: Callable[[], Any]) -> int:
    """Run `call` with the `at`-th call of these functions of `os` failing; returns how many there were."""
    taken = 0

    def around(step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == at:
                raise OSError(error, os.strerror(error))
            return step(*args, **kwargs)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(os, name, around(getattr(os, name)))
        call()
    return taken


def test_a_link_to_a_file_is_refused(path: Path) -> None:
    target = path.with_name("target")
    SlotFile(target, create=True).write(1, HELD)
    path.symlink_to(target)
    with pytest.raises(StoreBroken, match="it is a link"):
        SlotFile(path, create=True)
    with pytest.raises(StoreBroken, match="it is a link"):
        SlotFile(path).destroy(1)
    assert SlotFile(target).read(1) == HELD


def test_what_is_neither_file_nor_partition_is_refused(path: Path) -> None:
    os.mkfifo(path)
    for other in (path, path.parent, Path("/dev/zero")):
        with pytest.raises(StoreBroken, match="neither a file nor a partition"):
            SlotFile(other).read(0)


def test_what_somebody_else_left_is_taken_on_purpose_alone(path: Path) -> None:
    path.write_bytes(b"\xeb\x3c\x90mkfs.fat".ljust(SIZE + 4096, b"\xe5"))
    store = SlotFile(path)
    with pytest.raises(StoreBroken, match="fill it with zeros"):
        store.read(0)
    store.provision()
    assert (store.read(0), store.read(1)) == (None, None)
    assert path.read_bytes()[SIZE:] == b"\xe5" * 4096, "what is not ours to use"
    store.write(1, HELD)
    store.provision()
    assert store.read(1) == HELD, "ours stays"


def test_a_fault_while_it_is_taken_costs_one_more_try(path: Path) -> None:
    foreign = b"mkfs".ljust(SIZE, b"\xe5")
    path.write_bytes(foreign)
    names = ("open", "pwrite", "fdatasync", "preadv")
    taken = failing(names, 0, 0, SlotFile(path).provision)
    for at in range(1, taken + 1):
        path.write_bytes(foreign)
        with pytest.raises(StoreBroken):
            failing(names, at, errno.EIO, SlotFile(path).provision)
        SlotFile(path).provision()
        assert SlotFile(path).read(0) is None


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was asked of each handle by F_SETFL."""
    asked: list[int] = []
    real = fcntl.fcntl

    def spying(handle: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETFL:
            asked.append(value)
        return int(real(handle, command, value))

    monkeypatch.setattr(fcntl, "fcntl", spying)
    return asked


def test_it_reads_past_the_cache(path: Path, flags: list[int]) -> None:
    SlotFile(path, create=True).write(1, HELD)
    assert flags
    assert flags[-2] & os.O_DIRECT
    assert not flags[-1] & os.O_DIRECT


@pytest.mark.parametrize("where", ["fcntl", "preadv"])
def test_without_o_direct_the_cache_is_asked_to_drop_it(
    path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlotFile(path, create=True)
    dropped: list[tuple[int, int]] = []
    direct = False
    real = {"fcntl": fcntl.fcntl, "preadv": os.preadv}

    def control(handle: int, command: int, value: int = 0) -> int:
        nonlocal direct
        if command == fcntl.F_SETFL:
            direct = bool(value & os.O_DIRECT)
            if direct and where == "fcntl":
                direct = False
                raise OSError(errno.EINVAL, "no such thing here")
        return int(real["fcntl"](handle, command, value))

    def read(handle: int, buffers: list[Any], offset: int) -> int:
        if direct:
            raise OSError(errno.EINVAL, "no such thing here")
        return int(real["preadv"](handle, buffers, offset))

    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "preadv", read)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, offset, length, __: dropped.append((offset, length)))
    store.write(1, HELD)
    assert dropped[-1] == (128 * KIB, 68 * KIB)
    assert store.read(1) == HELD


def test_a_system_that_takes_and_gives_little_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, preadv = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: pwrite(handle, bytes(data[: 3 * 4096 + 5]), at))
    monkeypatch.setattr(os, "preadv", lambda handle, buffers, at: preadv(handle, [buffers[0][:8192]], at))
    store = SlotFile(path, create=True)
    store.write(1, HELD)
    assert store.read(1) == HELD
    store.destroy(1)
    assert path.read_bytes()[128 * KIB :] == bytes(128 * KIB)


def test_a_system_that_takes_nothing_is_no_endless_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SlotFile(path, create=True)
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(StoreBroken, match="the medium is full"):
        store.write(1, HELD)


def test_a_partition_is_opened_through_its_link_and_for_us_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = path.with_name("device")
    device.write_bytes(bytes(SIZE))
    path.symlink_to(device)
    monkeypatch.setattr(stat, "S_ISREG", lambda _: False)
    monkeypatch.setattr(stat, "S_ISBLK", lambda _: True)
    monkeypatch.setattr(Path, "is_block_device", lambda _: True)
    opened: list[tuple[Path, int]] = []
    real = os.open

    def spying(name: Path, flags: int, mode: int = 0o777) -> int:
        opened.append((name, flags))
        return real(name, flags, mode)

    monkeypatch.setattr(os, "open", spying)
    store = SlotFile(path, create=True)
    store.write(1, HELD)
    assert store.read(1) == HELD
    assert {name for name, _ in opened} == {device}
    assert all(flags & os.O_EXCL and not flags & os.O_CREAT for _, flags in opened)
    os.truncate(device, SIZE // 2)
    with pytest.raises(StoreBroken, match="too small"):
        store.read(1)


@pytest.fixture
def partition(tmp_path: Path) -> Iterator[Path]:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
    yield Path(made.stdout.strip())
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


@pytest.mark.deep
def test_a_real_block_device(partition: Path, tmp_path: Path) -> None:
    link = tmp_path / "by-partlabel"
    link.symlink_to(partition)
    store = SlotFile(link, create=True)
    store.write(1, HELD)
    assert SlotFile(link).read(1) == HELD
    image = (tmp_path / "image").read_bytes()
    assert image[132 * KIB : 196 * KIB] == HELD.secret
    store.destroy(1)
    image = (tmp_path / "image").read_bytes()
    assert image == b"PVSLOTS\n".rjust(128 * KIB, b"\0").ljust(1 << 20, b"\0")


@pytest.mark.deep
def test_a_partition_in_use_is_refused(partition: Path, tmp_path: Path) -> None:
    subprocess.run([shutil.which("mkfs.ext4") or "mkfs.ext4", "-q", partition], check=True)
    store = SlotFile(partition)
    with pytest.raises(StoreBroken, match="not ours"):
        store.read(0)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    subprocess.run(["mount", partition, mounted], check=True)
    try:
        with pytest.raises(StoreBroken, match="unmount it first"):
            store.provision()
    finally:
        subprocess.run(["umount", mounted], check=True)
