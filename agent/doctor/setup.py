"""The configuration, and what it points at: secrets and serial ports."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from agent.config import Config, Problem
from agent.config.secret import credential_file
from agent.doctor.check import Check


def configuration(file: Path | None, problems: Iterable[Problem]) -> Iterator[Check]:
    if file is None:
        found = "no configuration file at hand: state directory, secrets, ports and broker were not looked at"
        yield Check("configuration", "warn", found, "say which with --config")
        return
    checks = [
        Check("configuration", "fail", f"{file}:{'' if problem.line else ' '}{problem}", problem.right)
        for problem in problems
    ]
    yield from checks or [Check("configuration", "ok", f"{file} is valid")]


def secrets(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
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


def serial_ports(config: Config) -> Iterator[Check]:
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
