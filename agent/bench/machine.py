"""What the figures were measured on: without it they say nothing, and busy neighbours must be seen."""

import os
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

Load = tuple[float, float, float]


def machine(load_before: Load) -> Mapping[str, object]:
    """Facts about this machine; `load_before` is its load average before anything was measured."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "file_system": _file_system(Path(tempfile.gettempdir())),
        "python": platform.python_version(),
        "bytecode_stored": _bytecode_stored(),
        "portvakt": version("portvakt"),
        "load_before": [round(each, 2) for each in load_before],
        "load_after": [round(each, 2) for each in os.getloadavg()],
    }


def _bytecode_stored() -> bool:
    """Whether the libraries' bytecode is on disk; if not, each start compiles them anew: twice the time, 5 MB more."""
    return bool(msgspec.__spec__ and msgspec.__spec__.cached and Path(msgspec.__spec__.cached).exists())


def _field(path: Path, name: str) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _file_system(path: Path) -> str:
    """Of the place where the suites have their folders: an fsync on a tmpfs costs nothing (proc_pid_mountinfo(5))."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == number:
            return source.split()[0]
    return "unknown"
