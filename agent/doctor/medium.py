"""The state directory and what it lies on: whose it is, how much room there is, and whether erasing works there."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.config import Config
from agent.doctor.check import Check
from agent.doctor.machine import Machine, Mount

MIB: Final = 1024 * 1024
ROOM_BYTES: Final = 100 * MIB
"""Less than this, and erasing itself, which writes new key tables, is at risk."""
AMPLE_BYTES: Final = 1024 * MIB
ROOM_FILES: Final = 1000
IN_PLACE: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "jfs", "vfat", "exfat", "msdos"})
"""Overwrite the blocks of a file where they lie. Of these ext4 was measured."""
NEVER_IN_PLACE: Final = frozenset({"btrfs", "bcachefs", "zfs", "f2fs", "nilfs2", "ubifs", "jffs2", "yaffs2", "logfs"})
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
ABOVE_ANOTHER: Final = frozenset({"overlay", "aufs", "ecryptfs"})
_CURE: Final = (
    'before pictures are kept: [keys] root = "tpm" or "nvram", or path = "/dev/…", a raw partition;'
    " it cannot be changed afterwards, so start a new state directory"
)


def state_directory(path: Path) -> Iterator[Check]:
    """It is there, for one user alone, and can be written to."""
    name = "state directory"
    try:
        status = path.stat()
    except OSError as error:
        yield Check(name, "fail", f"{path}: {error.strerror}", f"install -d -m 0700 -o portvakt -g portvakt {path}")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield Check(name, "fail", f"{path} is not a directory", "move it away, or correct gateway.state_dir")
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Check(name, "fail", f"{path} has mode {mode:04o}: others can look in", f"chmod 0700 {path}")
    else:
        yield Check(name, "ok", f"{path} is for one user alone (mode {mode:04o})")
    # Asked for this user; the one who runs the doctor is root or the service's own.
    if not os.access(path, os.W_OK | os.X_OK):
        mend = "mount the medium writable; run the doctor as root or as the service's user"
        yield Check(name, "fail", f"{path} cannot be written to", mend)


def space(config: Config) -> Iterator[Check]:
    """Room for erasing, the reserve, and the quota of the vault."""
    path = config.gateway.state_dir
    try:
        free, files = shutil.disk_usage(path).free, os.statvfs(path)
        used = sum(file.lstat().st_size for file in (path / "vault").glob("*/*"))
    except OSError:
        return  # `state_directory` says why; or a file went while it was measured
    yield room(free, files.f_favail if files.f_files else None)
    reserve, quota = config.vault.reserve_mb * MIB, config.vault.quota_mb * MIB
    early = "the oldest pictures go before their limit"
    if free < reserve:
        mend = "make room on its medium, fit a larger one, or lower vault.reserve_mb"
        yield Check("reserve", "warn", f"{free // MIB} of {config.vault.reserve_mb} MiB are left: {early}", mend)
    if quota and used >= quota * 0.98:
        mend = "raise vault.quota_mb, or shorten keep_seconds of the cameras"
        yield Check("quota", "warn", f"{used // MIB} of {config.vault.quota_mb} MiB are taken: {early}", mend)


def room(free: int, files: int | None) -> Check:
    """Bytes that are free, and how many more files there can be (None: as many as there are bytes)."""
    text = f"{free / MIB:,.0f} MiB free"
    mend = "make room on its medium: shorten limits, or fit a larger one"
    if free < ROOM_BYTES or (files is not None and files < ROOM_FILES):
        return Check("room", "fail", text if files is None else f"{text}, {files} more files", mend)
    return Check("room", "ok", text) if free >= AMPLE_BYTES else Check("room", "warn", text, mend)


def file_system(config: Config, machine: Machine) -> Iterator[Check]:
    """Whether it can be written, and whether overwriting the root slot there destroys it."""
    state = config.gateway.state_dir
    mount = machine.mount_of(state)
    if mount is None or not state.is_dir():
        return
    if "ro" in mount.options:
        found = f"{state} is on {mount.kind}, mounted read-only: nothing can be kept, and nothing erased"
        mend = f"mount -o remount,rw {mount.point}; a card that makes itself read-only is worn: replace it"
        yield Check("medium", "fail", found, mend)
    if mount.kind in IN_MEMORY:
        found = f"{state} is on {mount.kind}: all of it, keys and receipts too, goes with the power"
        yield Check("medium", "warn", found, "put gateway.state_dir on a disk or card")
    if config.keys.root == "file" and not (config.keys.path and config.keys.path.is_block_device()):
        lies_on = machine.mount_of(config.keys.path) if config.keys.path else mount
        if lies_on and (why := keeps_copies(lies_on)):
            yield Check("erasing in place", "warn", f"{why}: a copy of an overwritten key may stay (not tier B)", _CURE)
        elif lies_on:
            found = f"{lies_on.kind} overwrites where a file lies; flash below may keep old cells (tier B)"
            yield Check("erasing in place", "ok", found)


def keeps_copies(mount: Mount) -> str:
    """Why what is overwritten on `mount` may stay there; empty where it does not."""
    if "data=journal" in mount.options:
        return f"{mount.point} is {mount.kind} with data=journal, which writes all data twice"
    if mount.kind in NEVER_IN_PLACE:
        return f"{mount.point} is {mount.kind}, which never writes in place"
    if mount.kind in ABOVE_ANOTHER:
        return f"{mount.point} is {mount.kind}, above a file system that cannot be seen from here"
    if mount.kind in IN_PLACE | IN_MEMORY:
        return ""
    return f"{mount.point} is {mount.kind}, of which nobody here knows how it overwrites"
