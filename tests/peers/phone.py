"""Somebody's computer at the other end of the cable: it finds names by avahi, and has curl and a browser."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers.cable import Namespaces

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
<type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
<allow send_type="method_call"/><allow send_type="signal"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/>
</policy>
</busconfig>
"""
AVAHI = "[server]\nhost-name={name}\nuse-ipv6=no\nallow-interfaces={interface}\nenable-dbus=yes\n[publish]\n"
# avahi-daemon gives its folder to `avahi`, which in a user namespace of our own has to be root, the only one there is.
USERS = "root:x:0:0:root:/root:/bin/sh\navahi:x:0:0:avahi:/:/bin/false\n"
GROUPS = "root:x:0:\navahi:x:0:\nnetdev:x:0:\n"
START = """
mount --make-rprivate /
mount --bind {home}/passwd /etc/passwd && mount --bind {home}/group /etc/group
mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/avahi-daemon
dbus-daemon --config-file={home}/bus.conf --nofork --nopidfile 2>/dev/null & echo $! > {home}/bus.pid
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
exec avahi-daemon -f {home}/avahi.conf --no-drop-root --no-chroot --no-rlimits --no-proc-title
"""


@dataclass
class Said:
    """How a program ended."""

    code: int
    out: str
    err: str


class Phone:
    """Everything runs in its network, and in a `/run` of its own, where the names are asked for."""

    def __init__(self, home: Path, pid: int) -> None:
        self.home = home
        self._pid = pid

    async def run(self, *command: str, seconds: float = 60) -> Said:
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--target={self._pid}", "--mount", "--net", *command,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self.home)}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Said(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """A program that runs until it is ended."""
        return await asyncio.create_subprocess_exec(
            "nsenter", f"--target={self._pid}", "--mount", "--net", *command,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    async def trust(self, certificate: Path) -> None:
        """Install an authority for the browser, as a person would."""
        database = self.home / ".pki/nssdb"
        if not database.exists():
            database.mkdir(parents=True)
            made = await self.run("certutil", "-d", f"sql:{database}", "-N", "--empty-password")
            assert made.code == 0, made
        added = await self.run(
            "certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "Portvakt", "-i", str(certificate)
        )
        assert added.code == 0, added

    async def browse(self, url: str) -> Said:
        """What a fresh browser shows at `url`, and beside it its log, which says why where it shows nothing."""
        profile = self.home / f"profile-{len(list(self.home.iterdir()))}"
        return await self.run(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--enable-logging=stderr", f"--user-data-dir={profile}", "--timeout=20000", "--dump-dom", url,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def phone(cable: Namespaces, home: Path) -> AsyncIterator[Phone]:
    """One at the far end."""
    (home / "bus.conf").write_text(BUS)
    (home / "passwd").write_text(USERS)
    (home / "group").write_text(GROUPS)
    (home / "avahi.conf").write_text(AVAHI.format(name="phone", interface=cable.interface))
    process = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", cable.theirs, "unshare", "--mount", "sh", "-euc", START.format(home=home),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr
    try:
        async with asyncio.timeout(30):
            heard = b""
            while b"Server startup complete" not in (line := await process.stderr.readline()):
                heard += line
                assert line, heard
        yield Phone(home, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((home / "bus.pid").read_text()), signal.SIGTERM)
