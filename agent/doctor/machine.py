"""The machine: its mounts and locks, swap and core dumps, its clock. Read from `/proc`, `/run` and `/sys`."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.doctor.check import Check

NOT_BEFORE: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""Older than this software no true clock can be; raised with each release."""
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (proc_pid_mountinfo(5))."""

    point: Path
    kind: str
    """`ext4` and its like."""
    options: frozenset[str]
    """Of the mount and of its file system."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel and systemd tell of themselves."""

    proc: Path = Path("/proc")
    run: Path = Path("/run")
    cgroups: Path = Path("/sys/fs/cgroup")

    def mount_of(self, path: Path) -> Mount | None:
        """What `path` lies on; None where nobody can say."""
        path = path.resolve()
        found: Mount | None = None
        for line in _lines(self.proc / "self/mountinfo"):
            before, _, after = line.partition(" - ")
            fields, kinds = before.split(), after.split()
            point = Path(_ESCAPE.sub(lambda digits: chr(int(digits[1], 8)), fields[4]))
            # Of two on one point, the later lies on top.
            if path.is_relative_to(point) and (found is None or point.is_relative_to(found.point)):
                found = Mount(point, kinds[0], frozenset((*fields[5].split(","), *kinds[2].split(","))))
        return found

    def locked_by(self, path: Path) -> int | None:
        """The process that holds `path` (flock); None where none does. Takes no lock itself."""
        try:
            status = path.stat()
        except OSError:
            return None
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        for line in _lines(self.proc / "locks"):
            fields = line.split()
            if fields[1:2] == ["FLOCK"] and fields[5:6] == [device]:
                return int(fields[4])
        return None

    def swaps(self) -> list[str]:
        """Where memory is swapped to. Compressed memory is none."""
        names = [line.split()[0] for line in _lines(self.proc / "swaps")[1:] if line.strip()]
        return [name for name in names if not Path(name).name.startswith("zram")]

    def off_the_swap(self, pid: int) -> bool:
        """Whether no memory of that process can reach the swap: it is locked, or its group may have none."""
        status = _lines(self.proc / str(pid) / "status")
        locked = any(line.startswith("VmLck:") and line.split()[1] != "0" for line in status)
        groups = [line.partition("::")[2] for line in _lines(self.proc / str(pid) / "cgroup") if line.startswith("0::")]
        files = [self.cgroups / group.lstrip("/") / "memory.swap.max" for group in groups]
        return locked or any(_lines(file) == ["0"] for file in files)

    def dumps_core(self, pid: int) -> bool | None:
        """Whether a crash of that process may write its memory to a disk; None where nobody can say."""
        for line in _lines(self.proc / str(pid) / "limits"):
            if line.startswith("Max core file size"):
                return line.removeprefix("Max core file size").split()[0] != "0"
        return None


def memory(machine: Machine, pid: int | None) -> Iterator[Check]:
    """Keys lie in memory; they must not get to a disk from there. `pid`: the agent's, if it runs."""
    swaps = machine.swaps()
    if not swaps:
        yield Check("swap", "ok", "there is none on a disk")
    elif pid and machine.off_the_swap(pid):
        yield Check("swap", "ok", f"{', '.join(swaps)}; the agent's memory stays off it")
    else:
        found = f"{', '.join(swaps)}: keys may get there from memory, and stay"
        mend = "run the agent by its systemd unit (MemorySwapMax=0), or `swapoff -a`, or encrypt the swap"
        yield Check("swap", "warn", found, mend)
    dumps = machine.dumps_core(pid) if pid else None
    if dumps:
        mend = "restart the agent: it forbids them itself; run it by its systemd unit (LimitCORE=0)"
        yield Check("core dumps", "warn", "a crash of the agent may write its memory, keys too, to a disk", mend)
    elif dumps is not None:
        yield Check("core dumps", "ok", "the agent makes none")


def clock(now: datetime, machine: Machine) -> Iterator[Check]:
    """The wall clock, as far as one can tell from outside."""
    said = f"{now:%Y-%m-%d %H:%M} UTC"
    time_sync = machine.run / "systemd/timesync"
    if now < NOT_BEFORE:
        mend = "connect to the internet and see `timedatectl`; fit a battery clock"
        yield Check("clock", "fail", f"{said} is before this software was built", mend)
    elif time_sync.is_dir() and not (time_sync / "synchronized").exists():
        found = f"{said}, not yet confirmed by the network since the start"
        yield Check("clock", "warn", found, "see `timedatectl timesync-status`")
    else:
        yield Check("clock", "ok", said)


def _lines(path: Path) -> list[str]:
    """Nothing where it cannot be read: such files come and go, and some are for root alone."""
    with contextlib.suppress(OSError):
        return path.read_text("utf-8", "replace").splitlines()
    return []
