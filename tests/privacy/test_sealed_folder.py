"""The folder under most stores: its files, its keys, and the power cut at every step of what it does."""

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from privacy.errors import StoreBroken
from privacy.keyring import KeyRing
from privacy.log_directory import LogDirectory
from privacy.records import Scope
from privacy.sealed_file import Concerns
from privacy.sealed_folder import SealedFolder
from privacy.sealed_log import HEADER_BYTES, RECORD_MAGIC
from privacy.timekeeping import TimeKeeper, Witness

ALL = Scope(everything=True)
KARI = Scope(subjects=("kari",))
STEPS = ("open", "write", "fsync", "fdatasync", "ftruncate", "truncate", "replace", "unlink", "mkdir")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Records = list[tuple[Concerns, bytes]]

DEAD = b"PVLOG1\r\n, and nobody has the key"


def describe(payload: bytes) -> Concerns | None:
    try:
        return msgspec.msgpack.decode(payload, type=Concerns)
    except msgspec.DecodeError:
        return None


@pytest.fixture
def reopened(tmp_path: Path, open_ring: Callable[[], KeyRing], keeper: TimeKeeper) -> Callable[[], SealedFolder]:
    """The folder as after a restart."""
    return lambda: SealedFolder(tmp_path / "folder", open_ring(), "test", describe, keeper.moment, redates=True)


@pytest.fixture
def folder(reopened: Callable[[], SealedFolder]) -> SealedFolder:
    return reopened()


@pytest.fixture
def records(clock: Any) -> Callable[..., Records]:
    def make(*people: str) -> Records:
        concerns = [Concerns(clock.now(), subjects=(person,)) for person in people]
        return [(each, msgspec.msgpack.encode(each)) for each in concerns]

    return make


def people(folder: SealedFolder) -> list[str]:
    return [person for file in folder.files() for _, item, _ in file.records() for person in item.subjects]


def scanned(folder: SealedFolder, clock: Any, scope: Scope = ALL) -> int:
    return sum(folder.scan(scope, clock.now() + HOUR))


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "folder").iterdir())


class PowerCut(BaseException):
    """Not to be caught by anybody."""


class Medium:
    """Fails at the step `strike`: the power goes, for good, or one step is refused."""

    def __init__(self, strike: int, *, cut: bool) -> None:
        self.steps: list[str] = []
        self._strike = strike
        self._cut = cut

    @property
    def struck(self) -> bool:
        return len(self.steps) >= self._strike

    @contextmanager
    def running(self, slots: Any) -> Iterator[None]:
        real = {name: getattr(os, name) for name in STEPS}
        watched = {name: self._watched(name, call) for name, call in real.items()}
        root = {name: self._watched(f"slot {name}", getattr(slots, name)) for name in ("write", "destroy")}
        with patch.multiple(os, **watched), patch.multiple(slots, **root):
            yield

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            self.steps.append(name)
            if self._cut and self.struck:
                raise PowerCut
            if len(self.steps) == self._strike:
                if name.startswith("slot"):
                    raise StoreBroken("the slot refused")
                raise OSError(errno.EIO, "Input/output error")
            return real(*args, **kwargs)

        return step


def test_what_was_appended_is_there_after_a_restart(
    folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records], clock: Any
) -> None:
    assert folder.append("one", records("kari", "ola")) == 0
    assert folder.append("one", records("kari")) == 2
    assert folder.append("two", records("anne")) == 0
    again = reopened()
    assert again.names() == ["one", "two"]
    assert people(again) == ["kari", "ola", "kari", "anne"]
    assert [sequence for sequence, _, _ in again.records("one")] == [0, 1, 2]
    assert list(again.records("three")) == []


def test_a_file_that_a_part_dies_of_lives_on_under_another_name_and_key(
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
) -> None:
    folder.append("one", records("kari", "ola"))
    (before,) = files(tmp_path)
    old = before.read_bytes()
    later = clock.now() + HOUR
    assert folder.erase(KARI, later).erased == 1
    (after,) = files(tmp_path)
    assert after != before
    before.write_bytes(old)
    assert scanned(folder, clock, KARI) == 0
    assert [(sequence, item.subjects) for sequence, item, _ in folder.records("one")] == [(1, {"ola"})]
    assert folder.append("one", records("anne")) == 2, "no sequence comes twice"
    again = reopened()
    assert files(tmp_path) == [after], "the dead are unlinked at the start"
    assert people(again) == ["ola", "anne"]
    assert again.erase(ALL, later).erased == 2
    assert files(tmp_path) == []
    assert again.names() == reopened().names() == []


def test_files_expire_as_a_whole_by_their_first_moment(
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
) -> None:
    folder.append("early", records("kari"))
    began = folder.file("early").info.moment
    clock.move(hours=1)
    folder.append("early", records("kari"))
    folder.append("late", records("ola"))
    assert folder.file("early").info.moment == began
    assert folder.expire(lambda moment: moment.wall <= began.wall) == 2
    assert folder.expire(lambda moment: moment.wall <= began.wall) == 0
    assert people(reopened()) == ["ola"]
    assert len(files(tmp_path)) == 1


def test_a_file_of_which_nothing_opens_expires_as_well(
    tmp_path: Path, folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records]
) -> None:
    folder.append("one", records("kari"))
    (file,) = files(tmp_path)
    file.unlink()
    again = reopened()
    assert again.names() == ["one"]
    assert again.expire(lambda _moment: True) == 0
    assert reopened().names() == []
    assert files(tmp_path) == []


def test_what_waited_in_memory_is_as_old_as_it_is(
    folder: SealedFolder, records: Callable[..., Records], clock: Any, keeper: TimeKeeper
) -> None:
    waiting = records("kari")
    clock.move(hours=5)
    folder.append("one", waiting)
    assert keeper.age(folder.file("one").info.moment).at_least == timedelta(hours=5)
    early = [(Concerns(clock.now() - timedelta(days=365 * 90)), b"")]
    folder.append("two", early)
    assert folder.file("two").info.moment.since_boot == 0, "but no older than this boot"
    folder.append("three", [(Concerns(clock.now() + MINUTE), b"")])
    assert folder.file("three").info.moment == keeper.moment()


def test_moments_can_be_corrected_once_the_time_is_known(
    folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records]
) -> None:
    folder.append("one", records("kari"))
    moment = folder.file("one").info.moment
    right = msgspec.structs.replace(moment, wall=moment.wall + HOUR, trusted=True)
    folder.redate(lambda moment: moment)
    folder.redate(lambda _moment: right)
    assert folder.file("one").info.moment == reopened().file("one").info.moment == right
    assert people(folder) == ["kari"]


def test_what_lies_there_beside_it_is_left_alone(
    tmp_path: Path,
    open_ring: Callable[[], KeyRing],
    keeper: TimeKeeper,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "holiday.jpg").write_bytes(b"not ours")
    (path / ("a" * 32 + ".log")).symlink_to(path / "holiday.jpg")
    (path / ("b" * 32 + ".log")).mkdir()
    (path / ("c" * 31 + ".log")).write_bytes(b"not ours")
    (path / "state").write_bytes(b"a file of ours")
    (path / ("d" * 32 + ".log")).write_bytes(DEAD)
    (path / ("e" * 32 + ".log.new")).write_bytes(b"unfinished")
    (path / ("f" * 32 + ".log")).write_bytes(b"not ours")
    with caplog.at_level(logging.WARNING):
        SealedFolder(path, open_ring(), "test", describe, keeper.moment, beside=frozenset({"state"}))
    assert len(files(tmp_path)) == 6
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == [
        "5 names there are not ours, and are left alone"
    ]


def test_a_dead_file_that_cannot_be_unlinked_stops_nobody(
    tmp_path: Path,
    reopened: Callable[[], SealedFolder],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reopened()
    (tmp_path / "folder" / ("d" * 32 + ".log")).write_bytes(DEAD)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", refuse)
        assert reopened().names() == []
    assert "is dead but cannot be unlinked yet: Read-only" in caplog.text
    caplog.clear()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdopen", refuse)
        directory = LogDirectory(tmp_path / "folder", frozenset())
        directory.unlink(directory.logs())
    assert "is dead but cannot be unlinked yet: cannot read" in caplog.text
    assert len(files(tmp_path)) == 1
    reopened()
    assert files(tmp_path) == []


# Something else lies in the place of a file of ours, or the file is damaged.


def notes(path: Path) -> None:
    path.write_bytes(b"somebody else's notes, which are long enough")


def link(path: Path) -> None:
    notes(path.parent.parent / "notes")
    path.symlink_to(path.parent.parent / "notes")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "notes": notes,
    "nothing": lambda path: path.write_bytes(b""),
    "directory": lambda path: path.mkdir(),
    "link": link,
    "pipe": os.mkfifo,
}


def lying(path: Path) -> tuple[int, int, int]:
    there = path.lstat()
    return there.st_ino, there.st_size, there.st_mtime_ns


def take_away(path: Path) -> None:
    path.rmdir() if path.is_dir() else path.unlink()


foreign = pytest.mark.parametrize("lay", FOREIGN.values(), ids=FOREIGN)


@foreign
@pytest.mark.parametrize("seen", [False, True], ids=["after a restart", "while it runs"])
def test_what_is_foreign_costs_no_other_file_and_is_left_alone(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
    caplog: pytest.LogCaptureFixture,
    lay: Callable[[Path], object],
    seen: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    folder.append("one", records("kari"))
    folder.append("two", records("ola"))
    file = folder.file("one").path
    ours = file.read_bytes()
    file.unlink()
    lay(file)
    before = lying(file)
    caplog.clear()
    later = clock.now() + HOUR
    folder = folder if seen else reopened()
    for _ in range(2):
        assert people(folder) == ["ola"]
        assert folder.file("one").state() == (0, None)
        assert (folder.file("one").size, folder.file("one").first_free) == (0, 0)
        assert folder.file("one").count_reached(ALL, later) == 0
        assert scanned(folder, clock) == 1
    folder.append("one", records("anne"))
    folder.append("one", records("anne"))
    assert (folder.names(), people(folder)) == (["one", "one+", "two"], ["anne", "anne", "ola"])
    erasure = folder.erase(Scope(subjects=("nobody",)), later)
    assert (erasure.found, folder.names()) == (0, ["one+", "two"]), "it may have been meant"
    assert [line for line in caplog.messages if file.name in line] == [
        (
            f"{file} is not ours, or damaged from end to end: it counts as missing and is left alone "
            "(bring the right one back before the next erasure, or move this one away)"
        )
    ]
    again = reopened()
    assert lying(file) == before
    assert "1 names there are not ours" in caplog.text
    take_away(file)
    file.write_bytes(ours)
    assert people(again) == people(reopened()) == ["anne", "anne", "ola"]
    assert scanned(again, clock) == 3
    assert not file.exists(), "what is ours and dead is unlinked at the start"


@foreign
@pytest.mark.parametrize("end", ["expire", "lose", "forget_unread", "rewrite"])
def test_what_is_foreign_stops_nothing_that_dies(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
    lay: Callable[[Path], object],
    end: str,
) -> None:
    folder.append("one", records("kari"))
    (file,) = files(tmp_path)
    ours = file.read_bytes()
    file.unlink()
    lay(file)
    before = lying(file)
    folder = reopened()
    ends: dict[str, Callable[[], object]] = {
        "expire": lambda: folder.expire(lambda _moment: True),
        "lose": lambda: folder.lose("one", lambda *_: False),
        "forget_unread": folder.forget_unread,
        "rewrite": lambda: folder.rewrite("one", []),
    }
    ends[end]()
    assert folder.names() == []
    assert lying(file) == before
    take_away(file)
    file.write_bytes(ours)
    assert scanned(folder, clock) == 0


def test_a_link_that_is_laid_there_while_somebody_scans_is_not_followed(tmp_path: Path) -> None:
    directory = LogDirectory(tmp_path / "folder", frozenset())
    path = directory.path_of(bytes(16))
    link(path)
    assert (directory.logs(), directory.read(path)) == ([], b"")


def test_what_is_foreign_for_a_while_counts_again(
    folder: SealedFolder, records: Callable[..., Records], clock: Any
) -> None:
    folder.append("one", records("kari"))
    file = folder.file("one")
    ours = file.path.read_bytes()
    notes(file.path)
    assert people(folder) == []
    file.path.write_bytes(ours)
    assert people(folder) == ["kari"]
    assert file.state() == (1, clock.now())
    assert folder.append("one", records("ola")) == 1


def test_the_log_of_another_name_is_foreign_too(
    folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records], clock: Any
) -> None:
    """Somebody has moved one of our files over another."""
    folder.append("one", records("kari"))
    folder.append("two", records("ola"))
    one, two = folder.file("one").path, folder.file("two").path
    ola = two.read_bytes()
    two.rename(one)
    again = reopened()
    assert (people(again), one.read_bytes()) == ([], ola), "it is no torn tail"
    again.append("one", records("anne"))
    assert (again.names(), people(again)) == (["one", "one+", "two"], ["anne"])
    one.rename(two)
    assert people(reopened()) == ["anne", "ola"], "back where it was"


def test_a_flipped_bit_in_the_head_costs_nothing(
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder.append("one", records("kari", "ola"))
    path = folder.file("one").path
    damaged = bytearray(path.read_bytes())
    damaged[9] ^= 1
    path.write_bytes(damaged)
    for living in (folder, reopened()):
        caplog.clear()
        for _ in range(3):
            assert people(living) == ["kari", "ola"]
            assert living.file("one").state() == (2, clock.now())
            assert scanned(living, clock) == 2
        assert caplog.messages == [f"{path.name}: its head is damaged, which costs no record"]
    first = living.append("one", records("anne"))
    assert first > 1
    assert (living.names(), people(living)) == (["one"], ["kari", "ola", "anne"])
    assert living.erase(KARI, clock.now() + HOUR).erased == 1
    assert not path.exists()
    caplog.clear()
    again = reopened()
    assert people(again) == ["ola", "anne"]
    assert again.append("one", records("per")) > first
    assert caplog.messages == [], "what is sealed anew has a head"


# A medium that refuses is another thing: nobody knows what it keeps.


@pytest.mark.parametrize("refused", ["open", "fstat", "fdopen"])
def test_a_medium_that_refuses_is_said_wherever_it_is_asked(
    folder: SealedFolder, records: Callable[..., Records], monkeypatch: pytest.MonkeyPatch, clock: Any, refused: str
) -> None:
    folder.append("one", records("kari"))
    later = clock.now() + HOUR
    asking: list[Callable[[], object]] = [
        lambda: people(folder),
        lambda: folder.file("one").state(),
        lambda: folder.file("one").takes,
        lambda: folder.erase(KARI, later),
        folder.forget_unread,
        lambda: scanned(folder, clock),
        lambda: folder.append("one", records("ola")),
    ]

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for ask in asking:
        with monkeypatch.context() as broken:
            broken.setattr(os, refused, refuse)
            with pytest.raises(StoreBroken, match="Input/output error"):
                ask()
    assert people(folder) == ["kari"]


# What is away says nothing of whom it concerns, and may come back.


@pytest.mark.parametrize("seen", [False, True], ids=["after a restart", "while it runs"])
def test_what_is_written_while_a_file_is_away_has_a_key_of_its_own(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
    seen: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    folder.append("one", records("kari"))
    (file,) = files(tmp_path)
    data = file.read_bytes()
    file.unlink()
    again = folder if seen else reopened()
    assert people(again) == []
    assert again.file("one").state() == (0, None)
    assert (again.file("one").size > 0, again.file("one").first_free) == (seen, int(seen))
    assert not file.exists(), "looking does not make it"
    again.append("one", records("ola"))
    again.append("one", records("ola"))
    assert (again.names(), people(again)) == (["one", "one+"], ["ola", "ola"])
    file.write_bytes(data)
    assert people(reopened()) == ["kari", "ola", "ola"], "back before any order came"
    file.unlink()
    again = reopened()
    assert again.erase(Scope(cameras=("front",)), clock.now() + HOUR).found == 0
    assert people(again) == ["ola", "ola"]
    file.write_bytes(data)
    assert scanned(again, clock) == 2
    assert people(reopened()) == ["ola", "ola"]


def test_a_medium_that_refuses_a_file_again_and_again_gets_one_key(
    folder: SealedFolder, records: Callable[..., Records], monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "replace", refuse)
        full.setattr(Path, "replace", refuse)
        for _ in range(3):
            with pytest.raises(StoreBroken):
                folder.append("one", records("kari"))
    assert len(folder._ring.entries("test")) == 1
    folder.append("one", records("kari"))
    assert (folder.names(), people(folder)) == (["one"], ["kari"])
    assert folder.erase(KARI, clock.now() + HOUR).erased == 1


def test_a_file_that_is_away_is_rewritten_as_if_it_were_empty(
    tmp_path: Path, folder: SealedFolder, records: Callable[..., Records], clock: Any
) -> None:
    folder.append("one", records("kari"))
    (file,) = files(tmp_path)
    data = file.read_bytes()
    file.unlink()
    folder.rewrite("one", [payload for _, payload in records("ola")])
    file.write_bytes(data)
    assert (people(folder), scanned(folder, clock)) == (["ola"], 1)


def test_an_entry_that_cannot_be_read_is_said(ring: KeyRing, reopened: Callable[[], SealedFolder]) -> None:
    ring.add("test", b"of a later version")
    ring.sync()
    with pytest.raises(StoreBroken, match="later version"):
        reopened()


@pytest.mark.parametrize("refused", ["mkdir", "scandir"])
def test_a_directory_that_refuses_is_our_own_error(
    reopened: Callable[[], SealedFolder], monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    reopened()._ring  # noqa: B018 - the key ring is there; the folder alone refuses
    with monkeypatch.context() as broken:
        broken.setattr(Path if refused == "mkdir" else os, refused, refuse)
        with pytest.raises(StoreBroken, match="Permission denied"):
            reopened()


def test_two_folders_share_a_ring_and_one_change(
    tmp_path: Path, ring: KeyRing, keeper: TimeKeeper, records: Callable[..., Records], clock: Any
) -> None:
    one, two = (SealedFolder(tmp_path / kind, ring, kind, describe, keeper.moment) for kind in ("one", "two"))
    for folder in (one, two):
        folder.append("a", records("kari", "ola"))
        folder.append("b", records("ola"))
    generation = ring.generation
    with one.change():
        for folder in (one, two, one):
            folder.erase(KARI, clock.now() + HOUR)
            assert people(folder) == ["kari", "ola", "ola"], "not before the change is committed"
    assert ring.generation == generation + 1
    assert people(one) == people(two) == ["ola", "ola"]


def test_what_a_failed_change_wrote_is_unlinked_with_the_next(
    tmp_path: Path, folder: SealedFolder, records: Callable[..., Records], clock: Any
) -> None:
    folder.append("one", records("kari", "ola"))
    for _ in range(3):
        with suppress(InterruptedError), folder.change():
            folder.erase(KARI, clock.now() + HOUR)
            raise InterruptedError
        assert len(files(tmp_path)) == 2
        assert people(folder) == ["kari", "ola"]
    with folder.change():
        pass
    assert len(files(tmp_path)) == 1


def test_a_file_is_rewritten_in_one_step(
    tmp_path: Path,
    folder: SealedFolder,
    reopened: Callable[[], SealedFolder],
    records: Callable[..., Records],
    clock: Any,
) -> None:
    folder.append("one", records("kari", "ola"))
    before = files(tmp_path)
    folder.rewrite("one", [payload for _, payload in records("anne")])
    assert [(sequence, item.subjects) for sequence, item, _ in reopened().records("one")] == [(2, {"anne"})]
    assert files(tmp_path) != before
    assert len(files(tmp_path)) == 1
    folder.rewrite("one", [b"undated"])
    assert [item.at for _, item, _ in folder.records("one")] == [None]
    folder.rewrite("one", [])
    assert files(tmp_path) == reopened().names() == []


def test_records_are_revised_in_their_places(
    tmp_path: Path, folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records]
) -> None:
    folder.append("one", records("kari", "ola"))
    before = files(tmp_path)
    folder.revise("one", lambda payload: payload)
    folder.revise("two", lambda _payload: None)
    assert files(tmp_path) == before, "nothing was to be changed"
    folder.revise("one", lambda payload: None if b"kari" in payload else payload.replace(b"ola", b"Ola"))
    assert [(sequence, item.subjects) for sequence, item, _ in reopened().records("one")] == [(1, {"Ola"})]
    assert files(tmp_path) != before
    folder.revise("one", lambda _payload: None)
    assert files(tmp_path) == reopened().names() == []


def test_two_files_of_one_name_both_expire(
    folder: SealedFolder, reopened: Callable[[], SealedFolder], records: Callable[..., Records]
) -> None:
    folder.append("one", records("kari"))
    (entry,) = folder._ring.entries("test").values()
    folder._ring.add("test", entry.info)
    folder._ring.sync()
    again = reopened()
    assert again.names() == folder.names() == ["one", "one+"]
    assert again.expire(lambda _moment: True) == 1
    assert reopened().names() == []


# The scan reads what lies there, and nothing else.


def test_the_scan_opens_dead_files_with_every_key(
    tmp_path: Path, folder: SealedFolder, records: Callable[..., Records], clock: Any
) -> None:
    folder.append("one", records("kari", "ola"))
    folder.append("two", records("ola"))
    one, two = sorted(files(tmp_path), key=lambda path: path.stat().st_size, reverse=True)
    (tmp_path / "folder" / ("e" * 32 + ".log.new")).write_bytes(one.read_bytes())
    (tmp_path / "folder" / ("f" * 32 + ".log")).write_bytes(b"nothing in it")
    assert sorted(folder.scan(ALL, clock.now() + HOUR)) == [0, 1, 2, 2]
    assert sorted(folder.scan(KARI, clock.now() + HOUR)) == [0, 0, 1, 1]
    assert scanned(folder, clock, Scope(cameras=("front",))) == 0
    steps = folder.scan(ALL, clock.now() + HOUR)
    one.unlink()
    two.unlink()
    assert sum(steps) == 2, "what has gone since does not open"


def test_damage_at_the_head_of_a_stray_file_does_not_hide_the_rest(
    tmp_path: Path, folder: SealedFolder, records: Callable[..., Records], clock: Any
) -> None:
    folder.append("one", records("kari", "ola", "anne"))
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    for record in range(2):
        at = [found.start() for found in re.finditer(re.escape(RECORD_MAGIC), data)][record]
        data[at + HEADER_BYTES] ^= 1
    (tmp_path / "folder" / ("e" * 32 + ".log")).write_bytes(data)
    file.unlink()
    assert scanned(folder, clock) == 1


def test_a_scan_that_cannot_read_is_no_scan(
    tmp_path: Path, folder: SealedFolder, records: Callable[..., Records], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.append("one", records("kari"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdopen", refuse)
        with pytest.raises(StoreBroken, match="Input/output error"):
            scanned(folder, clock)


# The power goes at every step, and the medium refuses at every step.


def append(folder: SealedFolder, records: Callable[..., Records], _clock: Any) -> None:
    folder.append("one", records("anne"))
    folder.append("three", records("anne"))


def erase_a_part(folder: SealedFolder, _records: Callable[..., Records], clock: Any) -> None:
    folder.erase(KARI, clock.now() + HOUR)


def erase_all(folder: SealedFolder, _records: Callable[..., Records], clock: Any) -> None:
    folder.erase(ALL, clock.now() + HOUR)


def expire(folder: SealedFolder, _records: Callable[..., Records], _clock: Any) -> None:
    folder.expire(lambda _moment: True)


OPERATIONS: dict[str, tuple[Callable[..., None], list[str]]] = {
    "append": (append, ["kari", "ola", "anne", "anne", "kari"]),
    "erase_a_part": (erase_a_part, ["ola"]),
    "erase_all": (erase_all, []),
    "expire": (expire, []),
}
BEFORE = ["kari", "ola", "kari"]
"""Two in the file `one`, one in the file `two`."""


@pytest.mark.parametrize("cut", [True, False], ids=["power cut", "refusal"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_step(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path,
    slots: Any,
    keeper: TimeKeeper,
    records: Callable[..., Records],
    clock: Any,
    operation: str,
    cut: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    act, wanted = OPERATIONS[operation]
    strike = 0
    while True:
        strike += 1
        root, medium = type(slots)(), Medium(strike, cut=cut)
        home = tmp_path / str(strike)
        home.mkdir()

        def opened(home: Path = home, root: Any = root) -> SealedFolder:
            ring = KeyRing.open(home / "keys", root, os.urandom)
            return SealedFolder(home / "folder", ring, "test", describe, keeper.moment)

        folder = opened()
        folder.append("one", records("kari", "ola"))
        folder.append("two", records("kari"))
        try:
            with medium.running(root):
                act(folder, records, clock)
            if not medium.struck:
                break
        except (PowerCut, StoreBroken):
            pass
        if not cut:
            assert people(folder) in (BEFORE, wanted, [*BEFORE[:2], "anne", "kari"]), f"{strike}: {medium.steps}"
        again = opened()
        left = people(again)
        if operation == "append":
            assert [person for person in left if person != "anne"] == BEFORE, f"{strike}: {medium.steps}"
        else:
            assert left in (BEFORE, wanted), f"{strike}: {medium.steps}"
        if not cut:
            again = folder  # it goes on as it is
        if operation != "append":
            act(again, records, clock)
            assert people(again) == people(opened()) == wanted
            assert scanned(again, clock) == len(wanted)
        living = {f"{entry.id.hex()}.log" for entry in opened()._ring.entries("test").values()}
        assert {path.name for path in (home / "folder").iterdir()} <= living, "nothing dead is left lying"
    assert people(folder) == wanted
    assert strike > 10, "the steps were struck"


# The time becomes known: the power goes at every step of that too.


Said = list[tuple[str, bool]]


def said(folder: SealedFolder) -> Said:
    """Each record, and whether it is dated."""
    records = [item for file in folder.files() for _, item, _ in file.records()]
    return [(next(iter(item.subjects)), item.at is not None) for item in records]


@pytest.mark.parametrize("cut", [True, False], ids=["power cut", "refusal"])
def test_every_step_of_dating_anew(
    tmp_path: Path,
    slots: Any,
    clock: Any,
    records: Callable[..., Records],
    cut: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    strike = 0
    before = [(person, False) for person in ("kari", "ola", "kari")]
    wanted = [(person, True) for person, _ in before]
    while True:
        strike += 1
        root, medium = type(slots)(), Medium(strike, cut=cut)
        home = tmp_path / str(strike)
        home.mkdir()
        time = TimeKeeper(clock, bytes(16), lambda: False, lambda: None, lambda _note: None)

        def opened(home: Path = home, root: Any = root, time: TimeKeeper = time) -> SealedFolder:
            ring = KeyRing.open(home / "keys", root, os.urandom)
            return SealedFolder(home / "folder", ring, "test", describe, time.moment, redates=True)

        folder = opened()
        folder.append("one", records("kari", "ola"))
        folder.append("two", records("kari"))
        folder.append("three", records("anne"))
        folder.file("three").path.unlink()  # as where the power went between its key and itself
        folder = opened()
        assert said(folder) == before
        assert time.witness(clock.now(), Witness.PERSON)
        try:
            with medium.running(root):
                folder.redate(time.redated)
            if not medium.struck:
                break
        except (PowerCut, StoreBroken):
            pass
        again = opened() if cut else folder
        assert said(again) in (before, wanted), f"{strike}: {medium.steps}"
        if cut and said(again) == before:
            assert again.erase(Scope(end=clock.now() - HOUR), clock.now() - HOUR).found == 3, "out of no order's reach"
            continue
        again.redate(time.redated)
        assert said(again) == said(opened()) == wanted
        assert again.erase(Scope(end=clock.now() - HOUR), clock.now() - HOUR).found == 0
        assert scanned(again, clock) == 3
    assert said(folder) == said(opened()) == wanted
    assert strike > 5, "the steps were struck"
