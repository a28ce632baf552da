"""Reading the backend's folder, and making folders in it. Foreign errors become ours here."""

from pathlib import Path
from typing import TypeVar

import msgspec

from privacy.errors import StoreBroken
from privacy.files import sync_directory

T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T | None:
    """What is in `path`, or None when it is not there."""
    data = _bytes(path)
    try:
        return None if data is None else msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreBroken(f"{path} is damaged: {error}", hint="restore it from a backup") from error


def read_text(path: Path) -> str | None:
    """As `read`. What is no text shows as such, and will not verify."""
    data = _bytes(path)
    return None if data is None else data.decode(errors="replace")


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreBroken(f"cannot read {path}: {error.strerror}", hint="is it yours?") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, for this user alone."""
    if folder.exists():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_directory(folder.parent)
    except OSError as error:
        raise StoreBroken(f"cannot make {folder}: {error.strerror}", hint="choose another --dir") from error
