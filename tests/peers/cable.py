"""Two network namespaces joined by a veth pair: one is ours, the other a peer's."""

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

OURS, THEIRS = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000


@dataclass
class Namespaces:
    """Two ends of a cable; the test itself is at ours."""

    theirs: str
    interface: str


@contextlib.contextmanager
def laid() -> Iterator[Namespaces]:
    """Lay the cable, and be at our end of it meanwhile."""
    tag = uuid4().hex[:6]
    ours, theirs, near, far = f"pv-a-{tag}", f"pv-b-{tag}", f"va{tag}", f"vb{tag}"
    with contextlib.ExitStack() as undo:
        for name in (ours, theirs):
            ip("netns", "add", name)
            undo.callback(ip, "netns", "delete", name)
        ip("-n", ours, "link", "add", near, "type", "veth", "peer", "name", far, "netns", theirs)
        for name, link, address in ((ours, near, OURS), (theirs, far, THEIRS)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", link)
            for device in ("lo", link):
                ip("-n", name, "link", "set", device, "up")
        wait_for_carrier(theirs, far)
        undo.enter_context(inside(ours))
        yield Namespaces(theirs, far)


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, timeout=20, stdout=subprocess.PIPE, text=True)
    return done.stdout


def wait_for_carrier(namespace: str, interface: str) -> None:
    """Linux tells of a new cable up to a second late, and the peer looks for interfaces every 15 s only."""
    for _ in range(100):
        if "state UP" in ip("-n", namespace, "link", "show", "dev", interface):
            return
        time.sleep(0.05)
    pytest.fail(f"{interface} did not come up")


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread's new sockets are in `namespace`; other threads and processes stay where they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as home, Path("/run/netns", namespace).open("rb") as there:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
