"""Keys in memory do not reach the disk: no core dumps, no swap. Python cannot wipe its bytes, so this has to do."""

import ctypes
import logging
import os
import resource

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
"""mlockall(2). On fault: what is never touched, such as most of a thread's stack, costs nothing."""


def keep_off_the_disk() -> None:
    """For this process, from now on; its children are on their own. What the system refuses is logged."""
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Neither a handler of core dumps nor another process of the same user gets at the memory.
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        log.warning("core dumps could not be forbidden: %s", os.strerror(ctypes.get_errno()))
    # Below a limit the lock would make a later allocation fail instead. The unit allows no swap (MemorySwapMax).
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    if unlimited and libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        log.warning("memory could not be locked, keys may reach the swap: %s", os.strerror(ctypes.get_errno()))
