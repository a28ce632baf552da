from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated

import pytest

from privacy import entries
from privacy.entries import ERASE, KEEP, PSEUDONYM, DeviceAdopted, Entry, Handling, Level, ServiceDown, handling_of
from privacy.redaction.labels import Label

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


EVERY_ENTRY = [kind for kind in vars(entries).values() if isinstance(kind, type) and issubclass(kind, Entry)]


@pytest.mark.parametrize("kind", EVERY_ENTRY, ids=lambda kind: kind.__name__)
def test_every_field_of_ours_says_how_it_may_leave(kind: type[Entry]) -> None:
    for field in fields(kind):
        if field.name == "at":
            continue
        assert "Handling" in repr(field.type) or "Annotated" in repr(field.type), field.name
        handling, label = handling_of(kind, field.name)
        assert handling is not Handling.ERASE
        assert (label is not Label.ERASED) == (handling is Handling.PSEUDONYM)


def test_a_field_is_erased_unless_it_says_one_thing_clearly() -> None:
    @dataclass(frozen=True, slots=True)
    class Unclear(Entry):
        silent: str
        both: Annotated[str, KEEP, ERASE]
        unlabelled: Annotated[str, PSEUDONYM]
        clear: Annotated[str, KEEP]

    assert [handling_of(Unclear, f.name)[0].name for f in fields(Unclear)[1:]] == ["ERASE", "ERASE", "ERASE", "KEEP"]


def test_an_entry_knows_its_event_its_level_and_whom_it_concerns() -> None:
    down = ServiceDown(NOW, "modbus", "no answer")
    assert (down.event, down.level, down.about.subjects) == ("service_down", Level.WARNING, frozenset())
    adopted = DeviceAdopted(NOW, "lamp-1", "homekit", "Kari's lamp", "person-7")
    assert adopted.about.device == "lamp-1"
    assert adopted.about.subjects == {"person-7"}
    assert adopted.about.at == NOW


def test_camera_and_subjects_are_found_too() -> None:
    @dataclass(frozen=True, slots=True)
    class Seen(Entry):
        camera: Annotated[str, KEEP]
        subjects: Annotated[tuple[str, ...], ERASE]

    about = Seen(NOW, "front", ("a", "b")).about
    assert about.camera == "front"
    assert about.subjects == {"a", "b"}
