import errno
import logging
import os
from pathlib import Path

import pytest

from camera.vault.folder import VaultFolder
from privacy.errors import StoreBroken

ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))


@pytest.fixture
def folder(tmp_path: Path) -> VaultFolder:
    return VaultFolder(tmp_path / "vault" / "segments")


def plant(folder: VaultFolder, *ids: bytes) -> None:
    for file_id in ids:
        folder.file(file_id).write_bytes(bytes(file_id[0]))


def test_what_is_ours_is_listed_in_order(folder: VaultFolder, caplog: pytest.LogCaptureFixture) -> None:
    assert folder.ids() == []
    plant(folder, TWO, ONE, THREE)
    assert folder.ids() == [ONE, TWO, THREE]
    assert folder.sizes() == {ONE: 1, TWO: 2, THREE: 3}
    assert folder.total() == 6
    assert folder.file(ONE) == folder.path / ("01" * 16)
    assert caplog.records == []


def test_it_is_readable_by_this_user_alone_and_its_name_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr("camera.vault.folder.sync_directory", synced.append)
    folder = VaultFolder(tmp_path / "vault" / "segments")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert synced == [tmp_path / "vault", tmp_path]
    VaultFolder(folder.path)


def test_what_is_not_ours_is_left_alone_and_named_once(
    folder: VaultFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(folder, ONE)
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    (folder.path / TWO.hex()).symlink_to(precious)
    (folder.path / THREE.hex()).mkdir()
    os.mkfifo(folder.path / ("ff" * 16))
    for name in ("a.jpg", "AA" * 16, "01" * 15, "01" * 16 + ".new"):
        (folder.path / name).write_bytes(b"x")
    before = sorted(folder.path.iterdir())
    with caplog.at_level(logging.WARNING):
        assert folder.ids() == [ONE]
        assert folder.sizes() == {ONE: 1}
        assert folder.total() == 1
    assert len(caplog.records) == 1
    assert "left alone in segments, not ours: 010101" in caplog.text
    assert caplog.text.rstrip().endswith("…")
    assert folder.remove([TWO, THREE, bytes([255]) * 16]) == 0
    assert sorted(folder.path.iterdir()) == before
    assert precious.exists()


def test_few_that_are_not_ours_are_all_named(folder: VaultFolder, caplog: pytest.LogCaptureFixture) -> None:
    (folder.path / "a.jpg").write_bytes(b"x")
    folder.ids()
    assert caplog.messages == ["left alone in segments, not ours: a.jpg"]


def test_what_is_removed_is_gone_and_the_rest_stays(folder: VaultFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(folder, ONE, TWO, THREE)
    synced = []
    monkeypatch.setattr("camera.vault.folder.sync_directory", synced.append)
    assert folder.remove([ONE, THREE, bytes(16)]) == 2
    assert synced == [folder.path]
    assert folder.ids() == [TWO]
    assert folder.remove([ONE]) == 0
    assert folder.remove([]) == 0
    assert synced == [folder.path]


def test_a_medium_that_refuses_is_told(folder: VaultFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(folder, ONE)

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreBroken, match="cannot remove files of segments: Read-only"):
            folder.remove([ONE])
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(StoreBroken, match="cannot list segments: Read-only"):
            folder.ids()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StoreBroken, match="cannot make pages: Read-only"):
            VaultFolder(tmp_path / "pages")
    assert folder.ids() == [ONE]
