"""What is wrong with this gateway, and for each finding how to mend it.

Every check is a function that yields what it found; it reads, and changes nothing.
"""

import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from agent.api.contract import InventoryRow, LinkView, State
from agent.config import Config, Problem, check, load
from agent.config.secret import credential_file
from agent.errors import AgentError

NOT_BEFORE: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""Older than this software no true clock can be; raised with each release."""
ROOM_BYTES: Final = 100 * 1024 * 1024
"""Less than this, and erasing itself, which writes new key tables, is at risk."""
AMPLE_BYTES: Final = 1024 * 1024 * 1024
ROOM_FILES: Final = 1000
BROKER_SECONDS: Final = 5.0
PATIENCE: Final = timedelta(minutes=10)
"""A cloud link may be down for so long before that is a failure: the house works without it."""
TIME_SYNC: Final = Path("/run/systemd/timesync")

Verdict = Literal["ok", "warn", "fail"]
Ask = Callable[[Path | None], tuple[State, tuple[InventoryRow, ...]]]
"""Asks the running agent on the socket that the configuration names. Raises AgentError when it cannot."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""
    """What a person can do; empty where nothing is to be done."""


def examine(file: Path | None, ask: Ask, now: datetime, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """All checks. `file` is the configuration, None when there is none at hand."""
    problems = check(file, environ) if file else []
    config = load(file, environ) if file and not problems else None
    checks = list(_configuration(file, problems))
    if config:
        checks += [*_state_directory(config.gateway.state_dir), *_secrets(config, environ), *_serial_ports(config)]
    checks += _clock(now)
    try:
        state, inventory = ask(config.api.socket if config else None)
    except AgentError as error:
        mend = error.hint or "systemctl status portvakt; journalctl -u portvakt"
        return [*checks, Check("agent", "fail", str(error.args[0]), mend), *_broker(config, None)]
    return [
        *checks,
        Check("agent", "ok", f"runs, version {state.version}"),
        *_services(state),
        *_devices(state),
        *_cameras(state),
        *_limits(inventory),
        *_link(state.link, now),
        *_broker(config, state.link),
    ]


def _configuration(file: Path | None, problems: Iterable[Problem]) -> Iterator[Check]:
    if file is None:
        found = "no configuration file at hand: state directory, secrets, ports and broker were not looked at"
        yield Check("configuration", "warn", found, "say which with --config")
        return
    checks = [
        Check("configuration", "fail", f"{file}:{'' if problem.line else ' '}{problem}", problem.right)
        for problem in problems
    ]
    yield from checks or [Check("configuration", "ok", f"{file} is valid")]


def _state_directory(path: Path) -> Iterator[Check]:
    name = "state directory"
    try:
        status = path.stat()
        free, files = shutil.disk_usage(path).free, os.statvfs(path)
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
    yield _room(free, files.f_favail if files.f_files else None)


def _room(free: int, files: int | None) -> Check:
    text = f"{free / 1024 / 1024:,.0f} MiB free"
    mend = "make room on its medium: shorten limits, or fit a larger one"
    if free < ROOM_BYTES or (files is not None and files < ROOM_FILES):
        return Check("room", "fail", text if files is None else f"{text}, {files} more files", mend)
    return Check("room", "ok", text) if free >= AMPLE_BYTES else Check("room", "warn", text, mend)


def _secrets(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
    """Files have been checked with the configuration; what systemd hands over is seen by the service alone."""
    files = [camera.password_file for camera in config.camera if camera.password_file]
    files += [config.household.registry_file] if config.household.registry_file else []
    files += [config.cloud.tls.key_file] if config.cloud and config.cloud.tls else []
    if files:
        yield Check("secrets", "ok", f"{len(files)} secret file(s), none readable by others")
    for camera in config.camera:
        if camera.credential and credential_file(camera.credential, environ) is None:
            found = f"camera {camera.id}: its credential can be seen by the service alone"
            mend = f"see that `systemctl cat portvakt` has LoadCredential={camera.credential}:…"
            yield Check("secrets", "warn", found, mend)


def _serial_ports(config: Config) -> Iterator[Check]:
    for port in config.serial:
        path = port.port
        stable = path.parent.name in {"by-id", "by-path"} or not path.name.startswith("tty")
        if not path.exists():
            mend = "plug the adapter in, or correct the port: ls /dev/serial/by-id"
            yield Check("serial port", "fail", f"{path} is not there", mend)
        elif not stable:
            mend = "name it by /dev/serial/by-id: this name changes with the order of plugging in"
            yield Check("serial port", "warn", f"{path} is there", mend)
        else:
            yield Check("serial port", "ok", f"{path} is there")


def _clock(now: datetime, time_sync: Path = TIME_SYNC) -> Iterator[Check]:
    said = f"{now:%Y-%m-%d %H:%M} UTC"
    if now < NOT_BEFORE:
        mend = "connect to the internet and see `timedatectl`; fit a battery clock"
        yield Check("clock", "fail", f"{said} is before this software was built", mend)
    elif time_sync.is_dir() and not (time_sync / "synchronized").exists():
        found = f"{said}, not yet confirmed by the network since the start"
        yield Check("clock", "warn", found, "see `timedatectl timesync-status`")
    else:
        yield Check("clock", "ok", said)


def _services(state: State) -> Iterator[Check]:
    down = [service for service in state.services if service.problem]
    for service in down:
        yield Check(f"service {service.name}", "fail", service.problem, "it is tried again by itself; the cause stays")
    if not down:
        yield Check("services", "ok", f"all {len(state.services)} run")


def _devices(state: State) -> Iterator[Check]:
    for device in state.devices:
        if device.reachable:
            yield Check(f"device {device.id}", "ok", "reachable")
        else:
            mend = "has it power, is it connected, and does the configuration name it rightly?"
            yield Check(f"device {device.id}", "fail", device.reason or "not reachable", mend)


def _cameras(state: State) -> Iterator[Check]:
    for camera in state.cameras:
        if camera.working:
            yield Check(f"camera {camera.id}", "ok", f"works, {camera.pictures} pictures kept")
        else:
            mend = "has it power, and are its url, username and password right?"
            yield Check(f"camera {camera.id}", "fail", camera.reason or "does not work", mend)


def _limits(inventory: Iterable[InventoryRow]) -> Iterator[Check]:
    """The promise itself: the oldest item of each class against its limit."""
    for row in inventory:
        name = f"limit of {row.record_class}"
        oldest = f"oldest {row.oldest:%Y-%m-%d %H:%M} UTC" if row.oldest else "nothing dated"
        if row.overdue:
            found = f"{oldest} is past {row.limit}"
            mend = "see the services above; then restart: what is due goes at the start. If it stays, report it"
            yield Check(name, "fail", found, mend)
        elif row.count:
            yield Check(name, "ok", f"{row.count} kept, {oldest}, limit {row.limit}")


def _link(link: LinkView, now: datetime) -> Iterator[Check]:
    if not link.configured:
        return
    if link.connected:
        yield Check("cloud link", "ok", "connected")
        return
    away = now - link.since if link.since else None
    verdict: Verdict = "warn" if away is not None and away < PATIENCE else "fail"
    mend = "see `broker` below; the house works without it, orders and the log wait"
    yield Check("cloud link", verdict, f"not connected: {link.reason or 'not yet'}", mend)


def _broker(config: Config | None, link: LinkView | None) -> Iterator[Check]:
    """Only where it matters: a link that stands has found its broker."""
    if config is None or config.cloud is None or (link and link.connected):
        return
    place = f"{config.cloud.host}:{config.cloud.port}"
    try:
        with socket.create_connection((config.cloud.host, config.cloud.port), timeout=BROKER_SECONDS):
            yield Check("broker", "ok", f"{place} answers")
    except OSError as error:
        reason = "does not answer" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        yield Check(
            "broker", "fail", f"{place}: {reason}", "is the network up, and are cloud.host and cloud.port right?"
        )
