"""How the worker locks itself in: after `isolate` it can compute, read fd 0, write fds 1 and 2, and end.

A default-deny seccomp filter is what counts; the rest (no new privileges, limits, not dumpable, no open descriptor but
three) holds where the filter does not look. Whose process it is does not matter then: no call is left that asks.
"""

import ctypes
import os
import resource
import signal
from typing import Final

import pyseccomp

ADDRESS_SPACE_BYTES: Final = 1024**3
"""Python and OpenCV map 280 MB at rest; 40 megapixels, rotated and encoded, add 360 MB (measured)."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PROT_EXEC: Final = 4

HARMLESS: Final = (
    # memory
    "brk", "munmap", "mremap", "madvise",
    # time, and the locks of a single thread
    "clock_gettime", "gettimeofday", "futex", "sched_yield", "getrandom",
    # its own signals, and its end
    "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "restart_syscall", "exit", "exit_group",
)  # fmt: skip


class CannotIsolate(Exception):
    """The worker could not lock itself in, so it must not decode."""


def isolate() -> None:
    """Drop everything, for good.

    Raises:
        CannotIsolate: the kernel or libseccomp refused a step.
    """
    try:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a decoder that hangs does not outlive the agent
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_NPROC, 0)
        _limit(resource.RLIMIT_NOFILE, 0)
        _limit(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
        _filter().load()
    except (OSError, ValueError, RuntimeError) as error:
        raise CannotIsolate(str(error)) from error


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _filter() -> pyseccomp.SyscallFilter:
    # What is denied fails with EPERM rather than kills: a libc that tries something new then costs nothing.
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(1))
    rules.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)  # every thread, should a library have started one
    for name in HARMLESS:
        rules.add_rule(pyseccomp.ALLOW, name)
    rules.add_rule(pyseccomp.ALLOW, "read", pyseccomp.Arg(0, pyseccomp.EQ, 0))
    for descriptor in (1, 2):
        rules.add_rule(pyseccomp.ALLOW, "write", pyseccomp.Arg(0, pyseccomp.EQ, descriptor))
    for name in ("mmap", "mprotect"):  # no new code
        rules.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0))
    return rules
