"""The log of the tags is away for a while, or damaged: an erasure has its key die, and nothing is written under it."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.vault.metadata import ID_BYTES
from camera.vault.tags import Tag, Tags
from privacy.keyring import KeyRing
from tests.suites.memory_slots import MemorySlots
from tests.suites.stores import NOON, Setting

SEGMENT = bytes(ID_BYTES)


def tag(person: str) -> Tag:
    return Tag(NOON, person, (SEGMENT + secrets.token_bytes(ID_BYTES),))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Tags]:
    slots = MemorySlots()
    return lambda: Tags(
        tmp_path / "tags", KeyRing.open(tmp_path / "keys", slots, secrets.token_bytes), Setting().moment
    )


@pytest.mark.parametrize("since", [[], ["per"]], ids=["nothing since", "others since"])
def test_it_is_dead_when_it_comes_back(tmp_path: Path, opened: Callable[[], Tags], since: list[str]) -> None:
    opened().add(tag("ola"))
    (file,) = (tmp_path / "tags").iterdir()
    data = file.read_bytes()
    file.unlink()
    tags = opened()
    for person in since:
        tags.add(tag(person))
    tags.erase({}, lambda record: record.person == "ola")
    assert list(tags.persons(SEGMENT)) == since
    file.write_bytes(data)
    again = opened()
    assert list(again.persons(SEGMENT)) == [record.person for record in again.scan()] == since


def test_back_before_any_order_came_it_counts_and_is_erased(tmp_path: Path, opened: Callable[[], Tags]) -> None:
    opened().add(tag("ola"))
    (file,) = (tmp_path / "tags").iterdir()
    data = file.read_bytes()
    file.unlink()
    opened().add(tag("per"))
    file.write_bytes(data)
    tags = opened()
    assert set(tags.persons(SEGMENT)) == {"ola", "per"}
    tags.erase({}, lambda record: record.person == "per")
    assert list(tags.persons(SEGMENT)) == ["ola"]
    tags.erase({}, lambda record: record.person == "ola")
    assert list(opened().scan()) == []


def test_another_file_in_its_place_is_left_alone(
    tmp_path: Path, opened: Callable[[], Tags], caplog: pytest.LogCaptureFixture
) -> None:
    opened().add(tag("ola"))
    (file,) = (tmp_path / "tags").iterdir()
    data = file.read_bytes()
    file.write_bytes(b"somebody else's notes, which are long enough")
    tags = opened()
    assert list(tags.persons(SEGMENT)) == list(tags.scan()) == []
    tags.add(tag("per"))
    tags.erase({}, lambda record: record.person == "ola")
    assert list(tags.persons(SEGMENT)) == ["per"]
    assert file.read_bytes().startswith(b"somebody")
    assert len([line for line in caplog.messages if file.name in line]) == 1
    file.write_bytes(data)
    again = opened()
    assert list(again.persons(SEGMENT)) == [record.person for record in again.scan()] == ["per"]


def test_a_damaged_head_costs_no_tag(tmp_path: Path, opened: Callable[[], Tags]) -> None:
    for person in ("ola", "per"):
        opened().add(tag(person))
    (file,) = (tmp_path / "tags").iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[19] ^= 0x80
    file.write_bytes(damaged)
    tags = opened()
    assert set(tags.persons(SEGMENT)) == {"ola", "per"}
    tags.add(tag("kari"))
    tags.erase({}, lambda record: record.person == "ola")
    assert set(opened().persons(SEGMENT)) == {"per", "kari"}
