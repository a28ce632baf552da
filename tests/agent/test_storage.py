"""The state directory: made on the first start, opened on the next, and never half-open."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.model import Config, Gateway, Log
from agent.errors import ConfigInvalid
from agent.storage import Storage, open_storage
from privacy.errors import PrivacyError, StoreBroken
from privacy.records import RecordClass

Open = Callable[..., Storage]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var" / "state"


@pytest.fixture
def opened(state: Path) -> Iterator[Open]:
    """Opens the storage as a start would, after the end of the one before."""
    locks: list[int] = []

    def end() -> None:
        while locks:
            os.close(locks.pop())

    def open_it(keep_hours: float = 72) -> Storage:
        end()
        config = Config(version=1, gateway=Gateway(id="gw-1", state_dir=state), log=Log(keep_hours=keep_hours))
        storage = open_storage(config)
        locks.append(storage.lock)
        return storage

    yield open_it
    end()


def test_the_first_start_makes_everything_for_this_user_alone(opened: Open, state: Path) -> None:
    storage = opened()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    public = json.loads((state / "receipt-public.jwk").read_bytes())
    assert public["kid"] == storage.receipt_key.kid
    assert "d" not in public
    assert b'"d"' not in (state / "receipt.jwk").read_bytes(), "the private half is sealed"
    assert storage.receipt_key.kid != storage.local_key.kid


def test_the_next_start_finds_the_same(opened: Open) -> None:
    first, second = opened(), opened()
    assert second.receipt_key.kid == first.receipt_key.kid
    assert second.local_key.kid == first.local_key.kid
    assert second.keys.derive("x") == first.keys.derive("x")


def test_every_store_is_registered_under_a_name_of_its_own(opened: Open) -> None:
    stores = opened().stores
    assert sorted(store.name for store in stores) == ["device_register", "operation_log", "snapshots", "spool"]
    assert {RecordClass.SNAPSHOT, RecordClass.OP_LOG, RecordClass.DEVICE} == frozenset[RecordClass]().union(
        *(store.classes for store in stores)
    )


def test_a_shortened_limit_reaches_log_and_policy(opened: Open) -> None:
    storage = opened(keep_hours=1.5)
    assert storage.operation_log.limit == timedelta(hours=1.5)
    assert storage.policies[RecordClass.OP_LOG].limit == timedelta(hours=1.5)
    assert opened().policies[RecordClass.OP_LOG].limit == timedelta(hours=72)


def test_a_published_key_that_somebody_changed_is_published_anew(opened: Open, state: Path) -> None:
    storage = opened()
    (state / "receipt-public.jwk").write_text("{}")
    opened()
    assert json.loads((state / "receipt-public.jwk").read_bytes())["kid"] == storage.receipt_key.kid


def test_a_state_directory_that_cannot_be_made(opened: Open, state: Path) -> None:
    state.parent.parent.mkdir(exist_ok=True)
    state.parent.write_text("a file where a folder should be")
    with pytest.raises(ConfigInvalid, match="cannot be made") as invalid:
        opened()
    assert str(state) in str(invalid.value)
    assert invalid.value.hint


def test_another_agent_at_the_same_state(opened: Open, state: Path) -> None:
    opened()
    with pytest.raises(ConfigInvalid, match="another agent"):
        open_storage(Config(version=1, gateway=Gateway(id="gw-1", state_dir=state)))


@pytest.mark.parametrize(
    "name",
    ["root.key", "root.key.check", "receipt.jwk", "receipt-public.jwk", "local-issuer.jwk", "journal", "devices"],
)
def test_what_cannot_be_read_is_one_clear_line(opened: Open, state: Path, name: str) -> None:
    """A folder stands in for a file of another user: reading it fails in the same way, for root as well."""
    opened()
    (state / name).unlink()
    (state / name).mkdir()
    with pytest.raises(StoreBroken) as broken:
        opened()
    assert name in str(broken.value)
    assert broken.value.hint


@pytest.mark.parametrize("name", ["snapshots", "operation-log", "spool"])
def test_a_file_where_a_store_has_its_folder(opened: Open, state: Path, name: str) -> None:
    state.mkdir(parents=True)
    (state / name).write_text("not ours")
    with pytest.raises(StoreBroken):
        opened()
    assert (state / name).read_text() == "not ours"


@pytest.mark.parametrize("name", ["root.key", "receipt.jwk", "local-issuer.jwk"])
def test_a_damaged_key_is_never_taken_for_a_first_start(opened: Open, state: Path, name: str) -> None:
    opened()
    damaged = bytearray((state / name).read_bytes())
    damaged[-1] ^= 1
    (state / name).write_bytes(damaged)
    with pytest.raises(PrivacyError, match=name):
        opened()
    assert (state / name).read_bytes() == bytes(damaged)


def test_a_journal_of_another_program_is_left_alone(opened: Open, state: Path) -> None:
    state.mkdir(parents=True)
    (state / "journal").write_text("a journal of something else")
    with pytest.raises(StoreBroken, match="not written by this program"):
        opened()
    assert (state / "journal").read_text() == "a journal of something else"
