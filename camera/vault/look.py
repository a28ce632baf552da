"""A look at the files of a vault that changes nothing: for who asks what is wrong while an agent may be running."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from camera.vault.file import HEAD_BYTES, FileUnreadable, head_checks, open_to_read, read_at
from camera.vault.folder import NAME
from camera.vault.index import VERSION
from camera.vault.metadata import KIND, SegmentInfo
from camera.vault.page import Page, read_page
from camera.vault.picture_keys import PictureKeys
from camera.vault.segment import SegmentReader, opens
from privacy.errors import SealBroken, StoreBroken
from privacy.key_look import KeyLook
from privacy.key_table import KeyEntry

_FOLDERS: Final = ("segments", "pages")
_OURS: Final = frozenset({*_FOLDERS, "index", "index-journal"})
_SQLITE: Final = b"SQLite format 3\0"
_USER_VERSION: Final = slice(60, 64)
"""Of the database's head (SQLite's file format, 1.3)."""


class IndexState(StrEnum):
    """How the index is. It can be thrown away in any state."""

    WHOLE = "whole"
    MISSING = "missing"
    UNUSABLE = "damaged, or another program's"


@dataclass(slots=True)
class VaultLook:
    """What lies there, and what is wrong with it."""

    index: IndexState
    opened: bool = False
    """Whether there are keys. Without them nobody can say what is living and what is dead."""
    segments: int = 0
    """Living ones that have a file."""
    pictures: int = 0
    """Of which the headers check; in a partly erased segment, those that have keys."""
    bytes: int = 0
    """Of all files, dead ones too."""
    lost: int = 0
    """Living segments of which nothing can be read: the file is another's, or the page is damaged or gone."""
    unread: int = 0
    """Living segments that the medium refused to read. What is in them may be well."""
    damaged: int = 0
    """Others with damage in head or pictures."""
    torn: int = 0
    """Segments with a torn tail; one that is being written looks like that, too."""
    dead: int = 0
    """Files that no entry names: nobody can open them, and they wait to be unlinked."""
    foreign: list[str] = field(default_factory=list)
    """Names, within the vault, that are none of ours. They are left alone."""


def look_at_vault(
    root: Path, look_at_keys: Callable[[], KeyLook | None], *, at_rest: bool, thorough: bool = False
) -> VaultLook:
    """What is under `root`. Blocks; reads the header of each picture, and where `thorough` opens all of it.

    Args:
        root: the vault's folder.
        look_at_keys: called after the folders were listed, so that no file that is born meanwhile looks dead.
        at_rest: no agent works there. Otherwise the index is asked for its head alone.
        thorough: open every part of every picture.

    Raises:
        StoreBroken: the medium refused.
    """
    try:
        files = {name: _listed(root / name) for name in _FOLDERS}
        look = VaultLook(_index(root / "index", at_rest=at_rest))
        look.foreign = sorted(entry.name for entry in _listed(root) if entry.name not in _OURS)
        for name, entries in files.items():
            look.foreign += sorted(f"{name}/{entry.name}" for entry in entries if not _is_ours(entry))
        sizes = {name: {e.name: _size(e) for e in entries if _is_ours(e)} for name, entries in files.items()}
    except OSError as error:
        raise StoreBroken(f"cannot list the vault: {error.strerror}", hint="is the medium well?") from error
    look.bytes = sum(size for folder in sizes.values() for size in folder.values())
    keys = look_at_keys()
    if keys is None:
        return look
    look.opened = True
    living = [entry for entry in keys.entries.values() if entry.kind == KIND]
    infos = {entry.id: SegmentInfo.from_bytes(entry.info) for entry in living}
    segments = {entry.id.hex() for entry in living}
    pages = {info.page.file_id.hex() for info in infos.values() if info and info.page}
    look.dead = len(sizes["segments"].keys() - segments) + len(sizes["pages"].keys() - pages)
    for entry in living:
        if entry.id.hex() in sizes["segments"]:
            look.segments += 1
            try:
                _segment(root, look, keys, entry, infos[entry.id], thorough=thorough)
            except SealBroken:
                look.lost += 1
            except FileUnreadable:
                look.unread += 1
    return look


def _segment(  # noqa: PLR0913 - one segment, and all that says how to read it
    root: Path, look: VaultLook, keys: KeyLook, entry: KeyEntry, info: SegmentInfo | None, *, thorough: bool
) -> None:
    page: Page | None = None
    if info and (place := info.page):
        file = root / "pages" / place.file_id.hex()
        page = read_page(file, place.offset, place.length, entry.id, place.file_id, keys.seal(entry))
    with SegmentReader(root / "segments" / entry.id.hex(), keys.cipher) as reader:
        records = list(reader.records())
        ends = [HEAD_BYTES, *(record.end for record in records)]
        gaps = any(record.offset != end for record, end in zip(records, ends, strict=False))
        key_of = PictureKeys(entry.key).of if page is None else page.of
        mine = [(key, record) for record in records if (key := key_of(record.id)) is not None]
        look.pictures += len(mine)
        look.torn += ends[-1] < reader.size and reader.footer() is None
        missing = page is not None and len(mine) < len(page)
        if (
            _headless(root / "segments" / entry.id.hex())
            or gaps
            or missing
            or (thorough and not all(opens(reader, *one) for one in mine))
        ):
            look.damaged += 1


def _headless(path: Path) -> bool:
    """Whether the head is damaged. The pictures are read all the same."""
    handle = open_to_read(path)
    try:
        return not head_checks(read_at(handle, HEAD_BYTES, 0))
    finally:
        os.close(handle)


def _listed(folder: Path) -> "list[os.DirEntry[str]]":
    """What is there, in no order; nothing where there is no such folder yet."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    return bool(NAME.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # dead, and unlinked since
        return 0


def _index(path: Path, *, at_rest: bool) -> IndexState:
    try:
        with path.open("rb") as file:
            head = file.read(_USER_VERSION.stop)
    except FileNotFoundError:
        return IndexState.MISSING
    if not head.startswith(_SQLITE) or int.from_bytes(head[_USER_VERSION]) != VERSION:
        return IndexState.UNUSABLE
    # A journal beside it is rolled back by who opens it to write.
    sound = not at_rest or path.with_name("index-journal").exists() or _checks(path)
    return IndexState.WHOLE if sound else IndexState.UNUSABLE


def _checks(path: Path) -> bool:
    """Whether SQLite finds it whole. `immutable`: it takes no lock, and makes no file beside it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?immutable=1", uri=True)) as database:
            return bool(database.execute("PRAGMA quick_check").fetchall() == [("ok",)])
    except sqlite3.DatabaseError:
        return False
