"""The vault and its neighbours: damage, dead files, strangers in the folders, and what is past its limit while off."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from agent.config import Config
from agent.doctor.check import Check, broken
from agent.doctor.keys import Ring
from agent.inventory import GRACE
from camera.vault.look import IndexState, VaultLook, look_at_vault
from camera.vault.metadata import KIND as SEGMENTS
from camera.vault.metadata import SegmentInfo
from camera.vault.retention import Limits
from privacy.activity import ActivityLog
from privacy.errors import StoreBroken
from privacy.hold_book import KIND as HOLDS
from privacy.key_table import KeyEntry
from privacy.moment import Moment
from privacy.operation_log import PURPOSE as OPERATION_LOG
from privacy.policy import policies
from privacy.records import RecordClass
from privacy.sealed_file import Info
from privacy.spool import PURPOSE as SPOOL

MIB: Final = 1024 * 1024
NAMED_AT_MOST: Final = 3
"""Of strangers, in one line: enough to find them."""
SEALED_LOGS: Final = (
    "operation-log",
    "spool",
    "devices",
    "people",
    "credentials",
    "sessions",
    "grants",
    "consents",
    "activity",
    "exports",
    "tags",
    "holds",
)
_DATED: Final = {
    SEGMENTS: RecordClass.SNAPSHOT,
    OPERATION_LOG: RecordClass.OP_LOG,
    SPOOL: RecordClass.OP_LOG,
    ActivityLog.name: RecordClass.ACTIVITY,
}
"""The kinds of keys whose files die by their first record, and the class of that."""
_LOG: Final = re.compile(r"[0-9a-f]{32}\.log(\.new)?|state(\.new)?|hashes-[0-3](\.new)?")
_WORN: Final = "nothing brings them back, and the others are well; if it grows, replace the medium"
_MEDIUM: Final = "look at the cable and the system's log; copy what can be read, and replace the medium"
_ALONE: Final = "they are left alone and mean nothing: move them away"


def pictures(state: Path, ring: Ring, *, at_rest: bool, thorough: bool) -> Iterator[Check]:
    """What is wrong with the files of the vault."""
    root = state / "vault"
    if not root.is_dir():
        return
    try:
        look = look_at_vault(root, ring.look, at_rest=at_rest, thorough=thorough)
    except StoreBroken as error:
        yield broken("vault", error, "is the medium well, and may this user read it?")
        return
    depth = "opened" if thorough else "found"
    if look.opened:
        found = f"{look.pictures} pictures {depth} in {look.segments} segments, {look.bytes // MIB} MiB"
        yield Check("vault", "ok", found)
    elif look.bytes and not ring.withheld:
        found = f"{look.bytes // MIB} MiB of pictures lie here, and no keys that open them"
        yield Check("vault", "fail", found, "mend `keys` first: until then do not start the agent")
    yield from _damage(look, at_rest=at_rest)
    if look.index is not IndexState.WHOLE and look.segments:
        found = f"the index is {look.index}: the next start reads all {look.segments} segments and makes it anew"
        yield Check("vault index", "warn", found, "nothing; the start takes longer, once")
    if look.dead:
        when = "a few at a time" if not at_rest else "once the agent runs"
        yield Check("dead files", "ok", f"{look.dead} wait to be unlinked, {when}; nobody can open them")
    if look.foreign:
        yield _strangers(root, look.foreign)


def strangers(state: Path) -> Iterator[Check]:
    """Names in the folders of the sealed logs that are none of ours."""
    for name in SEALED_LOGS:
        try:
            found = sorted(entry.name for entry in (state / name).iterdir() if not _LOG.fullmatch(entry.name))
        except FileNotFoundError:
            continue
        except OSError as error:
            mend = "move it away: a folder of that name is made at the next start; is the medium well?"
            yield Check(name, "fail", f"{state / name}: {error.strerror}", mend)
            continue
        if found:
            yield _strangers(state / name, found)


def limits(config: Config, ring: Ring, now: datetime) -> Iterator[Check]:
    """What is past its limit while nobody runs to take it; by the wall clock, where that was known."""
    look = ring.look()
    if look is None:
        return
    site = {RecordClass.OP_LOG: timedelta(hours=config.log.keep_hours)}
    rules = policies(config.gateway.systems, site)
    of_pictures = Limits(cameras={camera.id: timedelta(seconds=camera.keep_seconds) for camera in config.camera})
    late: Counter[RecordClass] = Counter()
    for entry in look.entries.values():
        limit = rules[_DATED[entry.kind]].limit if entry.kind in _DATED else None
        if entry.kind == SEGMENTS and (info := SegmentInfo.from_bytes(entry.info)):
            limit = of_pictures.of(info.camera, info.limit)
        began = _began(entry)
        if began and limit and began.trusted and began.wall + limit + GRACE < now:
            late[_DATED[entry.kind]] += 1
    held = any(entry.kind == HOLDS for entry in look.entries.values())
    for class_, count in late.items():
        mend = "start the agent: what is due goes at the start, before anything is shown"
        found = f"{count} files are past their limit" + ", unless a hold keeps them" * held
        yield Check(f"limit of {class_}", "warn" if held else "fail", found, mend)


def _began(entry: KeyEntry) -> Moment | None:
    """When the first record of a file was captured or written, if that limits its life and can be read."""
    if entry.kind == SEGMENTS:
        info = SegmentInfo.from_bytes(entry.info)
        return info.moment if info else None
    if entry.kind not in _DATED:
        return None
    try:
        return Info.of(entry).moment
    except StoreBroken:
        return None


def _damage(look: VaultLook, *, at_rest: bool) -> Iterator[Check]:
    if look.lost:
        yield Check("vault", "warn", f"the pictures of {look.lost} segments are lost: damaged or foreign files", _WORN)
    if look.unread:
        said = f"{look.unread} segments cannot be read: the medium refuses; an order that has to look inside waits"
        yield Check("vault", "fail", said, _MEDIUM)
    if look.damaged:
        yield Check("vault", "warn", f"{look.damaged} segments are damaged: some of their pictures are lost", _WORN)
    if look.torn and at_rest:
        yield Check("vault", "ok", f"{look.torn} segments have a torn tail, as a power cut leaves it; it is cut")


def _strangers(folder: Path, names: list[str]) -> Check:
    more = " …" if len(names) > NAMED_AT_MOST else ""
    shown = ", ".join(names[:NAMED_AT_MOST])
    return Check("foreign files", "warn", f"{len(names)} in {folder} are not ours: {shown}{more}", _ALONE)
