from pathlib import Path

import pytest

from privacy.errors import SealBroken, StoreBroken
from privacy.seal import Keys


def test_the_root_key_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    first = Keys.open_or_create(path)
    sealed = first.seal("x").close(b"plain", b"here")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keys.open_or_create(path).seal("x").open(sealed, b"here") == b"plain"
    for seal, bound_to in (
        (first.seal("y"), b"here"),
        (first.seal("x"), b"there"),
        (Keys(bytes(32)).seal("x"), b"here"),
    ):
        with pytest.raises(SealBroken):
            seal.open(sealed, bound_to)
    with pytest.raises(SealBroken):
        first.seal("x").open(b"short", b"here")


def test_a_wrong_missing_or_short_key_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    Keys.open_or_create(path)
    key = path.read_bytes()
    path.write_bytes(bytes(32))
    with pytest.raises(StoreBroken, match="is not the key"):
        Keys.open_or_create(path)
    path.write_bytes(b"short")
    with pytest.raises(StoreBroken, match="5 bytes"):
        Keys.open_or_create(path)
    path.unlink()
    with pytest.raises(StoreBroken, match="is missing"):
        Keys.open_or_create(path)
    assert not path.exists()
    path.write_bytes(key)
    Keys.open_or_create(path)
