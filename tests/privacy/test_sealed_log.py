import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.errors import StoreBroken
from privacy.seal import Keys
from privacy.sealed_log import FILE_BYTES, HEADER_BYTES, SKIPPED, NotALog, SealedLog, resembles_log

SLOW_DISK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def open_log(path: Path, keys: Keys, purpose: str = "test") -> SealedLog:
    return SealedLog(path, keys.seal(purpose), purpose.encode())


def payloads(path: Path, keys: Keys) -> list[bytes]:
    return [payload for _, payload in open_log(path, keys).replay()]


def test_what_was_appended_is_there_after_reopening(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    assert log.append([b"one", b"two"]) == 0
    assert log.append([b"three"]) == 2
    again = open_log(path, keys)
    assert list(again.replay()) == [(0, b"one"), (1, b"two"), (2, b"three")]
    assert again.size == path.stat().st_size
    assert b"three" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


@SLOW_DISK
@given(cut=st.integers(min_value=1, max_value=200))
def test_a_torn_tail_is_cut_and_what_was_before_it_stays(tmp_path: Path, keys: Keys, cut: int) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    log = open_log(path, keys)
    log.append([b"first"])
    whole = path.stat().st_size
    log.append([b"second" * 20])
    data = path.read_bytes()
    path.write_bytes(data[: max(whole, len(data) - cut)])
    assert payloads(path, keys) == [b"first"]
    assert path.stat().st_size == whole
    assert open_log(path, keys).append([b"third"]) >= 1
    assert payloads(path, keys) == [b"first", b"third"]


@SLOW_DISK
@given(data=st.data())
def test_damage_anywhere_costs_only_the_record_it_hits(tmp_path: Path, keys: Keys, data: st.DataObject) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    written = [bytes([i]) * 30 for i in range(6)]
    log = open_log(path, keys)
    ends = []
    for payload in written:
        log.append([payload])
        ends.append(log.size)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(FILE_BYTES, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    hit = next(i for i, end in enumerate(ends) if at < end)
    assert payloads(path, keys) == [p for i, p in enumerate(written) if i != hit]


def test_rewriting_drops_and_changes_and_never_reuses_a_sequence(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    log.append([b"a", b"b", b"c"])
    assert log.rewrite(lambda sequence, payload: payload.upper() if sequence < 1 else None) == 2
    assert list(log.replay()) == [(0, b"A")]
    assert open_log(path, keys).append([b"d"]) == 3


def test_records_cannot_be_moved_or_opened_for_another_purpose(tmp_path: Path, keys: Keys) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    open_log(first, keys, "first").append([b"secret"])
    second.write_bytes(first.read_bytes())
    assert list(open_log(second, keys, "second").replay()) == []


@SLOW_DISK
@given(data=st.data())
def test_damage_to_the_head_costs_no_record_and_no_sequence(tmp_path: Path, keys: Keys, data: st.DataObject) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    log = open_log(path, keys)
    log.append([b"one", b"two", b"three"])
    log.rewrite(lambda sequence, payload: payload if sequence < 2 else None)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, FILE_BYTES - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw[data.draw(st.integers(0, FILE_BYTES)) :])
    again = open_log(path, keys)
    assert list(again.replay()) == [(0, b"one"), (1, b"two")]
    assert again.append([b"four"]) == again.first_free - 1 == 2 + SKIPPED, "nobody knows that 2 was used; so none near"
    again = open_log(path, keys)
    assert list(again.replay()) == [(0, b"one"), (1, b"two"), (2 + SKIPPED, b"four")]
    first_free = again.first_free
    again.rewrite(lambda _, payload: payload)
    assert open_log(path, keys).first_free == first_free, "it has a whole head again"


def test_damage_is_said_once_and_not_with_every_reading(
    tmp_path: Path, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    open_log(path, keys).append([b"one", b"two"])
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1
    raw[FILE_BYTES + HEADER_BYTES] ^= 1
    path.write_bytes(raw)
    log = open_log(path, keys)
    for _ in range(3):
        assert list(log.replay()) == [(1, b"two")]
    assert caplog.messages == [
        "log: its head is damaged, which costs no record",
        "log: 1 records do not open and are passed over",
    ]


def plug(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


FOREIGN: dict[str, Callable[[Path], object]] = {
    "notes": lambda path: path.write_bytes(b"somebody else's notes, which are long enough"),
    "nothing": lambda path: path.write_bytes(b""),
    "a head that is damaged, and no record": lambda path: path.write_bytes(b"PVLOG1\r\n" + bytes(12)),
    "directory": lambda path: path.mkdir(),
    "link": lambda path: path.symlink_to("another"),
    "pipe": os.mkfifo,
    "socket": plug,
}


@pytest.mark.parametrize("lay", FOREIGN.values(), ids=FOREIGN)
def test_what_is_foreign_is_refused_and_left_alone(
    tmp_path: Path, keys: Keys, lay: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    open_log(tmp_path / "another", keys).append([b"a link leads to it"])
    path = tmp_path / "log"
    lay(Path("log"))
    before = path.lstat()
    with pytest.raises(NotALog, match="not written by this program"):
        open_log(path, keys)
    after = path.lstat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def test_the_records_of_another_file_are_not_taken_for_a_torn_tail(
    tmp_path: Path, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    open_log(path, keys, "another").append([b"secret"])
    before = path.read_bytes()
    log = open_log(path, keys)
    assert (log.shut, list(log.replay()), path.read_bytes()) == (True, [], before)
    assert caplog.messages == ["log: no record opens; what lies there is passed over"]
    assert not open_log(tmp_path / "new", keys).shut
    assert [payload for _, payload in open_log(path, keys, "another").replay()] == [b"secret"]
    log.append([b"mine"])
    assert payloads(path, keys) == [b"mine"]


def test_a_first_record_that_was_cut_short_is_a_torn_tail(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "log"
    open_log(path, keys).append([b"one"])
    os.truncate(path, path.stat().st_size - 1)
    log = open_log(path, keys)
    assert (log.shut, log.size, path.stat().st_size) == (False, FILE_BYTES, FILE_BYTES)


def test_whether_something_may_be_a_log_can_be_said_without_a_key(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "log"
    open_log(path, keys).append([b"one"])
    whole = path.read_bytes()
    assert resembles_log(whole)
    assert resembles_log(whole[:FILE_BYTES])
    assert resembles_log(bytes(FILE_BYTES) + whole[FILE_BYTES:])
    assert not resembles_log(bytes(FILE_BYTES) + whole[FILE_BYTES + 1 :])
    assert not resembles_log(b"")


def test_a_log_that_goes_away_while_it_is_read_is_our_own_error(tmp_path: Path, keys: Keys) -> None:
    log = open_log(tmp_path / "log", keys)
    (tmp_path / "log").unlink()
    with pytest.raises(StoreBroken, match="cannot read log: No such file"):
        list(log.replay())


def test_a_write_that_fails_leaves_the_log_as_it_was(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    log.append([b"kept"])

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", full)
        with pytest.raises(StoreBroken, match="No space left"):
            log.append([b"lost"])
    log.append([b"later"])
    assert payloads(path, keys) == [b"kept", b"later"]


@pytest.mark.parametrize("whole", range(4))
def test_of_a_batch_that_was_cut_short_a_prefix_stays_in_order(tmp_path: Path, keys: Keys, whole: int) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    sizes = [log.size]
    for payload in (b"one", b"two", b"three"):
        log.append([payload])
        sizes.append(log.size)
    path.unlink()
    open_log(path, keys).append([b"one", b"two", b"three"])
    os.truncate(path, sizes[whole] + (0 if whole == 3 else 7))
    assert payloads(path, keys) == [b"one", b"two", b"three"][:whole]


@pytest.mark.parametrize("refused", ["os.open", "os.fstat", "os.fdopen"])
def test_a_medium_that_refuses_at_the_opening_is_our_own_error(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    if refused != "os.open":
        open_log(tmp_path / "log", keys)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(refused, refuse)
        with pytest.raises(StoreBroken, match="Permission denied"):
            open_log(tmp_path / "log", keys)


def test_an_append_that_failed_and_could_not_be_cut_was_never_made(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The medium turns read-only between the write and its sync: whoever was told of the failure brings it again."""

    def refuse(_handle: int, _size: int = 0) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "log"
    log = open_log(path, keys)
    log.append([b"one"])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        broken.setattr(os, "ftruncate", refuse)
        with pytest.raises(StoreBroken):
            log.append([b"two"])
    assert [payload for _, payload in log.replay()] == [b"one"]
    log.rewrite(lambda _, payload: payload)
    log.append([b"two"])
    assert payloads(path, keys) == [b"one", b"two"]


def test_after_a_rewrite_that_failed_at_its_last_step_nothing_is_cut_off(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new and longer file is in place, only its directory could not be synced; then an append fails as well."""

    def refuse(_handle: object) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "log"
    log = open_log(path, keys)
    log.append([b"one", b"two"])
    with monkeypatch.context() as broken:
        broken.setattr("privacy.files.sync_directory", refuse)
        with pytest.raises(StoreBroken):
            log.rewrite(lambda _, payload: payload * 100)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        with pytest.raises(StoreBroken):
            log.append([b"three"])
    assert payloads(path, keys) == [b"one" * 100, b"two" * 100]


def test_what_could_not_be_cut_off_is_cut_with_the_next_append(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int, _size: int = 0) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "log"
    log = open_log(path, keys)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        broken.setattr(os, "ftruncate", refuse)
        with pytest.raises(StoreBroken):
            log.append([b"a longer one that was never made"])
    log.append([b"one"])
    assert payloads(path, keys) == [b"one"]
    assert path.stat().st_size == log.size


def test_a_tail_that_cannot_be_cut_is_our_own_error(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    open_log(path, keys).append([b"one"])
    torn = path.read_bytes() + b"a torn tail"
    path.write_bytes(torn)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "truncate", refuse)
        with pytest.raises(StoreBroken, match="cannot cut log: Read-only"):
            open_log(path, keys)
    assert path.read_bytes() == torn


def test_a_rewrite_of_a_log_that_is_gone_is_our_own_error(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    monkeypatch.setattr(log, "replay", lambda: iter([(0, b"one")]))
    path.unlink()
    with pytest.raises(StoreBroken, match="cannot read log: No such file"):
        log.rewrite(lambda _, payload: payload)


def test_a_rewrite_that_fails_early_leaves_the_log_as_it_was(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    log = open_log(path, keys)
    log.append([b"one"])
    size = log.size

    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(StoreBroken):
            log.rewrite(lambda _, payload: payload * 100)
    assert log.size == size
    log.append([b"two"])
    assert payloads(path, keys) == [b"one", b"two"]


def test_a_record_that_no_reader_would_believe_is_refused(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("privacy.sealed_log.LARGEST_PAYLOAD", 100)
    log = open_log(tmp_path / "log", keys)
    with pytest.raises(StoreBroken, match="a record of 100 bytes is too large for log"):
        log.append([bytes(100)])
    assert payloads(tmp_path / "log", keys) == []
