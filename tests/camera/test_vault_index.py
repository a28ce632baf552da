import contextlib
import errno
import logging
import os
import sqlite3
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camera.vault.index import Index
from camera.vault.record import Placed
from privacy.errors import StoreBroken

ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))
SLOW_DISK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def placed(count: int) -> list[Placed]:
    return [
        Placed(number.to_bytes(2, "big") * 8, 28 + number * 1000, (116, 200, 300 + number)) for number in range(count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(path: Path) -> Index:
    return Index(path)


def edit(path: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement, values)


def test_what_was_put_is_there_after_reopening(path: Path, index: Index) -> None:
    index.put(ONE, 5000, placed(3))
    index.put(TWO, 28, [])
    index.close()
    index.close()
    again = Index(path)
    assert again.get(ONE) == (5000, placed(3))
    assert again.get(TWO) == (28, [])
    assert again.get(THREE) is None
    assert list(again.record_ids(ONE) or ()) == [record.id for record in placed(3)]
    assert [again.record(ONE, position) for position in range(-1, 4)] == [None, *placed(3), None]
    assert again.record(THREE, 0) is None
    assert again.record_ids(TWO) == ()
    assert again.record_ids(THREE) is None
    assert again.counts() == {ONE: 3, TWO: 0}
    assert again.sizes() == {ONE: 5000, TWO: 28}
    assert sorted(again.ids()) == [ONE, TWO]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_last_word_counts_and_what_is_dropped_is_unknown(index: Index) -> None:
    index.put(ONE, 10, placed(1))
    index.put(ONE, 20, placed(2))
    index.put(TWO, 30, placed(3))
    assert index.counts() == {ONE: 2, TWO: 3}
    index.drop([ONE, THREE])
    assert index.ids() == [TWO]


def test_the_bytes_are_those_of_the_format(path: Path, index: Index) -> None:
    index.put(ONE, 1234, placed(1))
    index.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        ((identity, size, ids, ids_crc, crc, places),) = database.execute("SELECT * FROM segments").fetchall()
        assert database.execute("PRAGMA user_version").fetchall() == [(2,)]
    assert (identity, size, ids) == (ONE, 1234, bytes(16))
    assert places == (28).to_bytes(8, "big") + b"".join(n.to_bytes(4, "big") for n in (116, 200, 300))
    assert ids_crc == zlib.crc32(ONE + (1234).to_bytes(8, "big") + ids)
    assert crc == zlib.crc32(ONE + (1234).to_bytes(8, "big") + ids + places)


def test_nothing_lies_beside_it(path: Path, index: Index) -> None:
    with index.batch():
        index.put(ONE, 10, placed(300))
        assert {file.name for file in path.parent.iterdir()} <= {"index", "index-journal"}
    assert [file.name for file in path.parent.iterdir()] == ["index"]


def test_a_batch_is_written_at_its_end_or_not_at_all(path: Path, index: Index) -> None:
    with index.batch():
        index.put(ONE, 10, placed(1))
        with index.batch():
            index.put(TWO, 10, placed(1))
        assert Index(path).ids() == []
    assert Index(path).ids() == [ONE, TWO]
    with contextlib.suppress(KeyError), index.batch():
        index.drop([ONE])
        index.put(THREE, 10, placed(1))
        raise KeyError
    assert index.ids() == Index(path).ids() == [ONE, TWO]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ids", b"short"),
        ("ids", b""),
        ("ids", "text"),
        ("ids", None),
        ("ids", bytes(32)),
        ("ids_crc", 0),
        ("ids_crc", None),
        ("bytes", 11),
        ("bytes", -1),
        ("bytes", "many"),
        ("id", TWO),
    ],
)
def test_a_row_that_lies_is_not_believed(
    path: Path, index: Index, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    index.put(ONE, 10, placed(2))
    edit(path, f"UPDATE segments SET {column} = ?", values=(value,))  # noqa: S608 - from the list above
    asked = TWO if column == "id" else ONE
    with caplog.at_level(logging.WARNING):
        assert index.get(asked) is None
        assert index.record_ids(asked) is None
    (said,) = caplog.messages
    assert "is read anew" in said, "once, however many rows are wrong"
    index.counts()
    index.sizes()
    index.put(asked, 10, placed(2))
    assert index.get(asked) == (10, placed(2))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("places", b"short"),
        ("places", b""),
        ("places", "text"),
        ("places", None),
        ("places", bytes(40)),
        ("crc", 0),
        ("crc", None),
    ],
)
def test_places_that_lie_are_not_believed_and_the_ids_are(
    path: Path, index: Index, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    index.put(ONE, 10, placed(2))
    edit(path, f"UPDATE segments SET {column} = ?", values=(value,))  # noqa: S608 - from the list above
    ids = tuple(record.id for record in placed(2))
    with caplog.at_level(logging.WARNING):
        assert index.record_ids(ONE) == ids
        assert index.get(ONE) is None
        assert index.record(ONE, 0) is None
    (said,) = caplog.messages
    assert "is read anew" in said
    assert index.record_ids(ONE) == ids
    index.put(ONE, 10, placed(2))
    assert index.get(ONE) == (10, placed(2))


def test_ids_that_end_within_one_are_not_believed(path: Path, index: Index) -> None:
    ids = bytes(40)
    ids_crc = zlib.crc32(ONE + (10).to_bytes(8, "big") + ids)
    edit(path, "INSERT INTO segments VALUES (?, ?, ?, ?, ?, x'')", values=(ONE, 10, ids, ids_crc, ids_crc))
    assert index.get(ONE) is None
    assert index.record_ids(ONE) is None


@pytest.mark.parametrize("key", [None, 7, 7.0, "text"])
def test_a_key_that_is_damaged_is_not_believed(index: Index, monkeypatch: pytest.MonkeyPatch, key: object) -> None:
    """SQLite finds the row by its own index of keys, and returns what stands in the table."""
    row = (key, 10, bytes(16), 0)
    monkeypatch.setattr(index, "_rows", lambda _query, _values: [row])
    assert index.record_ids(ONE) is None


def test_an_index_that_a_later_sqlite_wrote_is_made_anew(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(1))
    index.close()
    data = bytearray(path.read_bytes())
    data[18] = 3  # "file format write version": read-only for this one
    path.write_bytes(data)
    again = Index(path)
    again.put(TWO, 10, placed(1))
    assert again.ids() == [TWO]


def test_what_was_looked_up_ahead_is_as_what_is_asked_for(index: Index) -> None:
    def known() -> list[list[bytes] | None]:
        rows = [index.record_ids(segment_id) for segment_id in (ONE, TWO, THREE)]
        return [None if row is None else list(row) for row in rows]

    index.put(ONE, 10, placed(1))
    index.put(TWO, 20, placed(2))
    index.read_ahead([ONE, TWO, THREE])
    one, two = ([record.id for record in placed(count)] for count in (1, 2))
    assert known() == [one, two, None]
    assert index.get(TWO) == (20, placed(2)), "its places are looked up as well"
    assert known() == [one, two, None]
    index.put(TWO, 10, placed(1))
    assert known() == [one, one, None], "what changed since is not what was looked up"
    index.read_ahead([ONE, TWO])
    index.drop([ONE])
    assert known() == [None, one, None]


def test_keys_that_are_no_ids_are_passed_over(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(1))
    others = "('text', 1, x'', 0, 0, x''), (x'00', 1, x'', 0, 0, x''), (NULL, 1, x'', 0, 0, x'')"
    edit(path, f"INSERT INTO segments VALUES {others}")  # noqa: S608 - from the line above
    assert index.ids() == [ONE]
    assert index.counts() == {ONE: 1}


def foreign_program(path: Path) -> None:
    path.unlink()
    edit(path, "CREATE TABLE bookmarks(url)", "PRAGMA journal_mode=WAL", "INSERT INTO bookmarks VALUES ('x')")


UNUSABLE = {
    "noise": lambda path: path.write_bytes(os.urandom(9000)),
    "head overwritten": lambda path: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
    "root page overwritten": lambda path: path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20000),
    "another version": lambda path: edit(path, "PRAGMA user_version = 1"),
    "a trigger": lambda path: edit(path, "CREATE TRIGGER t AFTER INSERT ON segments BEGIN SELECT 1; END"),
    "another table": lambda path: edit(path, "ALTER TABLE segments ADD COLUMN camera TEXT"),
    "another program's": foreign_program,
}


@pytest.mark.parametrize("how", UNUSABLE)
def test_an_index_that_is_not_ours_or_damaged_is_made_anew(
    path: Path, index: Index, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    index.put(ONE, 10, placed(2))
    index.close()
    UNUSABLE[how](path)
    with caplog.at_level(logging.WARNING):
        again = Index(path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "it is made anew" in caplog.text
    assert again.ids() == []
    assert again.get(ONE) is None
    again.put(TWO, 10, placed(1))
    again.close()
    assert [file.name for file in path.parent.iterdir()] == ["index"]
    assert Index(path).ids() == [TWO]


def test_a_lost_or_empty_index_knows_nothing(path: Path, index: Index, caplog: pytest.LogCaptureFixture) -> None:
    index.put(ONE, 10, placed(2))
    index.close()
    path.unlink()
    lost = Index(path)
    assert lost.ids() == []
    lost.close()
    path.write_bytes(b"")
    assert Index(path).ids() == []
    assert caplog.records == []


def test_an_index_that_goes_while_it_is_open_is_made_anew(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(1))
    path.unlink()
    index.put(TWO, 10, placed(1))
    assert index.ids() == []
    index.put(TWO, 10, placed(1))
    assert Index(path).ids() == [TWO]


def test_an_index_that_is_damaged_while_it_is_open_is_made_anew(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(1))
    with index.batch():
        index.put(TWO, 10, placed(200))
        path.write_bytes(os.urandom(path.stat().st_size))
        index._trying(lambda: index._database.execute("no such statement"), instead=None)
        index.put(THREE, 10, placed(1))
    assert index.ids() == [THREE]


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"somebody's")
    path.symlink_to(other)
    Index(path).put(ONE, 10, placed(1))
    assert other.read_bytes() == b"somebody's"
    assert not path.is_symlink()


def test_damage_that_is_no_text_in_what_sqlite_says_of_it(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(2))
    index.close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE \x80ABLE"))
    again = Index(path)
    assert again.get(ONE) is None
    again.put(ONE, 10, placed(2))
    assert again.get(ONE) == (10, placed(2))


@SLOW_DISK
@given(at=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=2000))
def test_whatever_is_damaged_nothing_wrong_is_said(tmp_path: Path, at: float, noise: bytes) -> None:
    path = tmp_path / "index"
    path.unlink(missing_ok=True)
    index = Index(path)
    truth = {bytes([number]) * 16: (number, placed(number % 7 * 30)) for number in range(60)}
    with index.batch():
        for segment, (size, records) in truth.items():
            index.put(segment, size, records)
    index.close()
    raw = path.read_bytes()
    begin = int(at * len(raw))
    path.write_bytes(raw[:begin] + noise + raw[begin + len(noise) :])
    again = Index(path)
    for segment, row in truth.items():
        assert again.get(segment) in (row, None)
    again.counts()
    again.drop([ONE])
    again.put(ONE, 7, placed(7))
    assert again.get(ONE) in ((7, placed(7)), None)
    again.close()


@SLOW_DISK
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_cut_index_says_nothing_wrong(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "index"
    path.unlink(missing_ok=True)
    index = Index(path)
    for number in range(20):
        index.put(bytes([number]) * 16, number, placed(50))
    index.close()
    raw = path.read_bytes()
    path.write_bytes(raw[: int(cut * len(raw))])
    again = Index(path)
    for number in range(20):
        assert again.get(bytes([number]) * 16) in ((number, placed(50)), None)
    again.close()


def test_a_medium_that_refuses_is_told(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(StoreBroken, match="index of the vault: Read-only"):
            Index(path)
    path.write_bytes(os.urandom(5000))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(StoreBroken, match="index of the vault: Read-only"):
            Index(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreBroken, match="index of the vault"):
        Index(path)


def test_what_the_database_cannot_write_is_told_and_keeps_what_was_there(path: Path, index: Index) -> None:
    index.put(ONE, 10, placed(1))
    index._database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(StoreBroken, match="SQLITE_FULL"), index.batch():
        index.put(TWO, 10, placed(2000))
    assert index.ids() == [ONE]
    index._database.execute("PRAGMA max_page_count = 4000")
    index.put(TWO, 10, placed(2000))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        index._database.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(StoreBroken, match="SQLITE_BUSY"):
            index.ids()
    assert index.counts() == {ONE: 1, TWO: 2000}


def test_a_new_index_that_cannot_be_made_is_told(path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.close()
    path.write_bytes(os.urandom(5000))
    monkeypatch.setattr("camera.vault.index._NEW", "no such statement")
    with pytest.raises(StoreBroken, match="SQLITE_ERROR"):
        Index(path)


def test_a_database_that_cannot_be_connected_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", refusing)
    with pytest.raises(StoreBroken, match=r"cannot use the index of the vault: unable to open .*doctor"):
        Index(tmp_path / "index")
