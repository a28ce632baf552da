"""Secrets come from files that only the service can read, and are never repeated."""

import os
from pathlib import Path

import pytest

from agent.config import Camera, ConfigInvalid, read_secret
from agent.config.secret import read_secret_file


def camera(**login: object) -> Camera:
    return Camera(id="front", name="Front", url="http://c/", **login)  # type: ignore[arg-type]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("pass phrase æøå\n")
    path.chmod(0o600)
    return path


def test_the_password_is_the_file_s_line_without_its_newline(secret: Path) -> None:
    assert read_secret(camera(username="v", password_file=secret), {}) == "pass phrase æøå"


def test_a_systemd_credential_is_read_where_systemd_put_it(secret: Path) -> None:
    found = camera(username="v", credential="password")
    assert read_secret(found, {"CREDENTIALS_DIRECTORY": str(secret.parent)}) == "pass phrase æøå"
    with pytest.raises(ConfigInvalid, match=r"camera front.*LoadCredential"):
        read_secret(found, {})


def test_a_camera_without_a_login_has_no_secret() -> None:
    with pytest.raises(ConfigInvalid, match="camera front"):
        read_secret(camera(), {"CREDENTIALS_DIRECTORY": "/nowhere"})


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"hunter2\nhunter3\n", b"hunter2\0\n", b"\xffhunter2", b"hunter2" * 1000], ids=repr
)
def test_what_is_not_one_line_of_text_is_refused_without_repeating_it(secret: Path, data: bytes) -> None:
    secret.write_bytes(data)
    with pytest.raises(ConfigInvalid) as raised:
        read_secret_file(secret)
    assert "hunter2" not in repr((raised.value, raised.value.__cause__, str(raised.value)))


def test_a_missing_or_open_file_is_refused(secret: Path) -> None:
    with pytest.raises(ConfigInvalid, match="No such file"):
        read_secret_file(secret.with_name("gone"))
    secret.chmod(0o644)
    with pytest.raises(ConfigInvalid, match=r"by others.*chmod 0600"):
        read_secret_file(secret)


def test_a_pipe_does_not_make_the_reader_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigInvalid, match="not a file"):
        read_secret_file(tmp_path / "pipe")
