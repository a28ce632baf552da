"""What the kernel says of a process that keeps its memory off the disk."""

import subprocess
import sys

ASKS = """
import ctypes, resource, sys
resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 << 10, 64 << 10))
if sys.argv[1:]:
    real = resource.getrlimit
    resource.getrlimit = lambda which: (-1, -1) if which == resource.RLIMIT_MEMLOCK else real(which)
from agent.memory import keep_off_the_disk
import logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
keep_off_the_disk()
print("core", resource.getrlimit(resource.RLIMIT_CORE))
print("dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
print(next(line.strip() for line in open("/proc/self/status") if line.startswith("VmLck")))
bytes(64 << 20)
"""


def said(*arguments: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", ASKS, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_no_core_dumps_and_below_a_limit_no_lock_that_would_starve_the_program() -> None:
    core, dumpable, locked = said()
    assert (core, dumpable, locked.split()[1]) == ("core (0, 0)", "dumpable 0", "0")


def test_a_lock_that_is_refused_is_said_and_survived() -> None:
    """The kernel does refuse it here, although we were told that there is no limit (unless we may do everything)."""
    told = said("told that there is no limit")
    assert told[-3:-1] == ["core (0, 0)", "dumpable 0"]
    locked = int(told[-1].split()[1])
    assert locked > 0 or told[0].startswith("memory could not be locked")
