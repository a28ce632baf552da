"""Secrets: in a file that only the service can read, or handed over by systemd; never in the configuration."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from agent.config.model import Camera
from agent.errors import ConfigInvalid

LONGEST_BYTES = 4096
"""Longer than any password; a key file has its own reader."""


def read_secret(camera: Camera, environ: Mapping[str, str] = os.environ) -> str:
    """The password of `camera`, which has a username.

    Raises:
        ConfigInvalid: it is not to be had; the message never holds a path or a byte of it.
    """
    path = camera.password_file or credential_file(camera.credential, environ)
    if path is None:
        raise ConfigInvalid(
            f"camera {camera.id}: its password was not handed over by systemd",
            hint="put LoadCredential= into the unit, or use password_file",
        )
    try:
        return read_secret_file(path)
    except ConfigInvalid as error:
        raise ConfigInvalid(f"camera {camera.id}: its password: {error.args[0]}", hint=error.hint) from error


def credential_file(name: str | None, environ: Mapping[str, str]) -> Path | None:
    """Where systemd has put the credential `name` (systemd.exec(5), LoadCredential=)."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) / name if name and directory else None


def exposure(path: Path) -> tuple[str, str] | None:
    """What is wrong with the secret file `path`, and how to mend it; None when all is well.

    Neither says its name: what stands there may be the secret itself, put there by mistake.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return (
            f"the file cannot be opened: {error.strerror}",
            "give the path of a file that the service can read, not the secret",
        )
    try:
        return _exposed(handle)
    finally:
        os.close(handle)


def read_secret_file(path: Path) -> str:
    """The one line of text in `path`, without its newline.

    Raises:
        ConfigInvalid: missing, readable by everybody, empty, or more than a line.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigInvalid(
            f"the secret file cannot be opened: {error.strerror}", hint="see `portvakt doctor`"
        ) from error
    with os.fdopen(handle, "rb") as file:
        if exposed := _exposed(handle):
            raise ConfigInvalid(exposed[0], hint=exposed[1])
        data = file.read(LONGEST_BYTES + 1)
    try:
        text = data.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        # Without its cause: that would hold the bytes.
        raise ConfigInvalid("the secret file is not UTF-8", hint="save it as UTF-8") from None
    if not text or len(data) > LONGEST_BYTES or not text.isprintable():
        raise ConfigInvalid("the secret file does not hold one line of text", hint="put the secret there, no more")
    return text


def _exposed(handle: int) -> tuple[str, str] | None:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        return "is not a file", "give the path of a file"
    # The group may read: that is how a file of root's is handed to the service, and how systemd's ACLs look.
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        return (
            "the file can be read or changed by others",
            "chmod 0600 it (0640 for a group that only the service is in)",
        )
    return None
