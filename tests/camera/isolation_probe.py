"""A program, not a test: locks itself in as the decoding worker does, then tries to get out.

Reads a JPEG on stdin, writes one JSON object: for each attempt what came of it, and whether decoding still works.
With `open` it does not lock itself in, so that a test can see that the attempts succeed where nothing stops them;
with `unfiltered` it does all but the system call filter.
"""

import ctypes
import json
import mmap
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Mapping

import pyseccomp

from camera.picture import Picture
from camera.worker.decode import decode, warm_up
from camera.worker.isolation import isolate
from camera.worker.protocol import Request

HOW = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)


def raw(name: str, *arguments: int) -> None:
    """A call of libc's that Python has no function for."""
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def fork() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def execute() -> None:
    if HOW != "locked":  # where it works it must not end the probe
        child = os.fork()
        if not child:
            os.execv("/bin/true", ["/bin/true"])  # noqa: S606 - what is tried
        os.waitpid(child, 0)
    else:
        os.execv("/bin/true", ["/bin/true"])  # noqa: S606 - what is tried


def thread() -> None:
    started = threading.Thread(target=int)
    started.start()
    started.join()


def connect() -> None:
    with socket.socket() as opened:
        opened.close()


def pair() -> None:
    for end in socket.socketpair():
        end.close()


def pipe() -> None:
    for end in os.pipe():
        os.close(end)


ATTEMPTS: Mapping[str, Callable[[], object]] = {
    "socket": connect,
    "socketpair": pair,
    "read /etc/passwd": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
    "new file": lambda: os.close(os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)),
    "list /": lambda: os.listdir("/"),  # noqa: PTH208 - the bare call
    "stat /": lambda: os.stat("/"),  # noqa: PTH116 - the bare call
    "memfd": lambda: os.close(os.memfd_create("x")),
    "dup": lambda: os.close(os.dup(0)),
    "pipe": pipe,
    "fork": fork,
    "exec": execute,
    "thread": thread,
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "ptrace": lambda: raw("ptrace", 0, 0, 0, 0),
    "new code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)),
    "who am I": lambda: raw("setuid", os.getuid()),
    "unshare": lambda: raw("unshare", 0),
}


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def main() -> None:
    jpeg = sys.stdin.buffer.read()
    warm_up()
    outcomes = {}
    outcome(lambda: os.close(-1))  # what Python loads to make an error, it loads here
    if HOW == "unfiltered":
        pyseccomp.SyscallFilter.load = lambda _: None
    if HOW != "open":
        isolate()
    for name, attempt in ATTEMPTS.items():
        outcomes[name] = outcome(attempt)
    report = {
        "outcomes": outcomes,
        "decodes": isinstance(decode(Request(jpeg)), Picture),
        "environment": dict(os.environ),
    }
    os.write(1, json.dumps(report).encode())


if __name__ == "__main__":
    main()
