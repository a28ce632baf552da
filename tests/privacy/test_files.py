import os
from collections.abc import Callable
from pathlib import Path

import pytest

from privacy.errors import StoreBroken
from privacy.files import OURS, sweep, write_new

UNFINISHED = [
    "root.key.new",
    "root.key.check.new",
    "receipt.jwk.new",
    "receipt-public.jwk.new",
    "local-issuer.jwk.new",
    "journal.new",
    "keys/table.a.new",
    "keys/table.b.new",
    *(f"{folder}/{'0a' * 16}.log.new" for folder in ("operation-log", "spool", "devices", "tags", "holds")),
    "spool/state.new",
]
NOT_OURS = [
    "root.key",
    "holiday.new",
    "notes.txt.new",
    "journal.new.new",
    "spool/root.key.new",
    "elsewhere/journal.new",
    "keys/slots.new",
    "keys/table.c.new",
    "spool/0000000001.log.new",
    f"holds/{'0A' * 16}.log.new",
    f"vault/segments/{'0a' * 16}.new",
    "vault/index.new",
    ".new",
]


def planted(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_what_is_unfinished_goes_and_nothing_else(tmp_path: Path) -> None:
    planted(tmp_path, [*UNFINISHED, *NOT_OURS])
    assert sweep(tmp_path) == len(UNFINISHED)
    assert files(tmp_path) == set(NOT_OURS)
    assert sweep(tmp_path) == 0


def test_links_are_neither_followed_nor_removed(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    state.mkdir()
    unfinished = f"{'0a' * 16}.log.new"
    planted(elsewhere, [unfinished, "target"])
    (state / "spool").symlink_to(elsewhere)
    (state / "journal.new").symlink_to(elsewhere / "target")
    (state / "receipt.jwk.new").mkdir()
    os.mkfifo(state / "root.key.new")
    assert sweep(state) == 0
    assert files(elsewhere) == {unfinished, "target"}
    assert {path.name for path in state.iterdir()} == {"spool", "journal.new", "receipt.jwk.new", "root.key.new"}


def test_a_medium_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, ["journal.new"])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("os.unlink", refuse)
        with pytest.raises(StoreBroken, match="Read-only"):
            sweep(tmp_path)
    assert sweep(tmp_path) == 1


@pytest.mark.parametrize("step", ["os.write", "os.fsync", "os.replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    write_new(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(step, full)
        with pytest.raises(StoreBroken, match="No space left"):
            write_new(path, b"new")
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == {"file"}


@pytest.mark.parametrize("taken", [1, 2, 1000])
def test_a_system_that_takes_little_at_a_time_gets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    real: Callable[..., int] = os.write
    with monkeypatch.context() as patched:
        patched.setattr("os.write", lambda handle, data: real(handle, data[:taken]))
        write_new(tmp_path / "file", b"all of it")
    assert (tmp_path / "file").read_bytes() == b"all of it"


def test_no_name_is_ours_twice() -> None:
    assert not any(OURS.fullmatch(name) for name in UNFINISHED)
