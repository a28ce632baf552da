"""The medium shows what a power cut leaves: what was synced, what was deleted, and not what was only in memory."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.forensics.image import BLOCK, NoMedium, after_a_cut, blank, sync

pytestmark = pytest.mark.root


def write(path: Path, data: bytes, *, durable: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, data)
    if durable:
        os.fsync(fd)
    os.close(fd)
    if durable:
        sync(path.parent)


def test_a_cut_has_what_was_synced_and_after_it_also_what_was_deleted(tmp_path: Path) -> None:
    with blank(tmp_path) as medium:
        write(medium.root / "kept", b"the kept file" * 900, durable=True)
        write(medium.root / "lost", b"never synced" * 900, durable=False)
        cut = medium.cut()
        (medium.root / "kept").unlink()
        sync(medium.root)
        later = medium.cut()
    assert b"the kept file" in cut
    assert b"never synced" not in cut
    assert b"the kept file" in later, "an unlinked file leaves its bytes"
    with after_a_cut(tmp_path, cut) as medium:
        assert (medium.root / "kept").read_bytes() == b"the kept file" * 900
        lost = medium.root / "lost"
        assert not (lost.exists() and lost.read_bytes())
    with after_a_cut(tmp_path, later) as medium:
        assert not (medium.root / "kept").exists()


def test_overwritten_in_place_and_synced_is_gone_from_the_medium(tmp_path: Path) -> None:
    with blank(tmp_path) as medium:
        write(medium.root / "slot", b"a slot's secret" * 900, durable=True)
        assert b"a slot's secret" in medium.cut()
        fd = os.open(medium.root / "slot", os.O_WRONLY)
        os.pwrite(fd, bytes(15 * 900), 0)
        os.fsync(fd)
        os.close(fd)
        assert b"a slot's secret" not in medium.cut()


def test_a_file_in_pieces_is_put_together_from_what_was_written(tmp_path: Path) -> None:
    with blank(tmp_path) as medium:
        whole = b"".join(b"%06d of the one," % number for number in range(3 * BLOCK // 17 + 1))[: 3 * BLOCK]
        for begins in range(0, len(whole), BLOCK):
            for name, data in (("one", whole), ("between", bytes(len(whole)))):
                with (medium.root / name).open("ab") as file:
                    file.write(data[begins : begins + BLOCK])
                    file.flush()
                    os.fsync(file.fileno())
        with (medium.root / "one").open("ab") as file:
            file.write(b"in memory alone")
            file.flush()
            cut = medium.cut()
            joined = medium.scattered(cut)
    assert whole not in cut, "else this shows nothing"
    assert whole in joined
    assert b"in memory alone" not in joined


def test_it_is_unmounted_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the test"), blank(tmp_path):
        raise RuntimeError("the test")
    assert not list(tmp_path.iterdir())
    loops = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in loops


def test_what_is_no_file_system_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoMedium, match="cannot be mounted"), after_a_cut(tmp_path, bytes(1 << 20)):
        pass
    assert not list(tmp_path.iterdir())
