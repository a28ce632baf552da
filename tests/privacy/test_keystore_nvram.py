"""The NVRAM: which files are one, and what their drivers do."""

import errno
import os
import stat
from pathlib import Path

import pytest

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held
from privacy.keystore.nvram import Nvram

HELD = Held(1, bytes(range(32)))


@pytest.fixture
def nvram(tmp_path: Path) -> Nvram:
    """As a driver shows it in sysfs: behind links."""
    device = tmp_path / "sys" / "devices" / "i2c-1" / "fram"
    device.mkdir(parents=True)
    (device / "nvmem").write_bytes(bytes(236))
    (tmp_path / "sys" / "bus").symlink_to(device)
    return Nvram(tmp_path / "sys" / "bus" / "nvmem", sysfs=tmp_path / "sys")


def test_its_bytes_are_where_they_are_said_to_be(nvram: Nvram) -> None:
    nvram.write(1, HELD)
    content = nvram._path.read_bytes()
    assert content[:128] == b"PVSLOTS\n".rjust(128, b"\0")
    assert content[128:136] == b"PVSLOT1\n"
    assert content[176:208] == HELD.secret
    assert content[208:] == bytes(28)


def test_sysfs_has_no_fsync(nvram: Nvram, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fsync)
    nvram.write(1, HELD)
    assert nvram.read(1) == HELD
    nvram.destroy(1)
    assert nvram.read(1) is None


def test_a_driver_that_gives_little_at_a_time(nvram: Nvram, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda handle, length, at: pread(handle, min(length, 7), at))
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: pwrite(handle, data[:7], at))
    nvram.write(1, HELD)
    assert nvram.read(1) == HELD


def test_a_new_one_that_is_not_blank_is_taken_on_purpose_alone(nvram: Nvram) -> None:
    nvram._path.write_bytes(b"\xff" * 236)
    with pytest.raises(StoreBroken, match="not ours"):
        nvram.write(1, HELD)
    nvram.provision()
    nvram.write(1, HELD)
    assert nvram.read(1) == HELD
    assert nvram._path.read_bytes()[208:] == b"\xff" * 28, "what is not ours to use"


def test_an_ordinary_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(236))
    with pytest.raises(StoreBroken, match="is no NVRAM"):
        Nvram(file).write(1, HELD)
    inside = tmp_path / "sys"
    inside.mkdir()
    (inside / "link").symlink_to(file)
    with pytest.raises(StoreBroken, match="is no NVRAM"):
        Nvram(inside / "link", sysfs=inside).read(1)


def test_a_block_device_is_none(nvram: Nvram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stat, "S_ISREG", lambda _: False)
    with pytest.raises(StoreBroken, match="is no NVRAM"):
        nvram.read(1)


def test_character_devices_that_keep_nothing() -> None:
    with pytest.raises(StoreBroken, match="too small"):
        Nvram(Path("/dev/null")).read(1)
    with pytest.raises(StoreBroken, match="the medium is full"):
        Nvram(Path("/dev/full")).write(1, HELD)
    with pytest.raises(StoreBroken, match="reads back something else"):
        Nvram(Path("/dev/zero")).write(1, HELD)
    with pytest.raises(StoreBroken, match="not ours"):
        Nvram(Path("/dev/urandom")).read(1)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="is the device connected"):
        Nvram(tmp_path / "nvmem").read(0)
