"""What accessories say, good and bad, as capabilities."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import NoAnswer
from drivers.homekit import messages
from drivers.model import LEVEL, ON_OFF, TEMPERATURE, Report, Silence

PERMS = ["pr", "pw", "ev"]


def accessory(aid: int, name: str, *characteristics: dict[str, Any]) -> dict[str, Any]:
    info = {"iid": 1, "type": "3E", "characteristics": [{"iid": 2, "type": "23", "perms": ["pr"], "value": name}]}
    return {"aid": aid, "services": [info, {"iid": 8, "type": "43", "characteristics": list(characteristics)}]}


def database(*accessories: dict[str, Any]) -> messages.Database:
    return messages.parse_accessories(json.dumps({"accessories": accessories}).encode(), "homekit-00000000")


LAMP = accessory(
    1, "Hall", {"iid": 9, "type": "25", "perms": PERMS}, {"iid": 10, "type": "8", "perms": PERMS, "format": "int"}
)
SENSOR = accessory(
    7, "Cellar\n", {"iid": 9, "type": "00000011-0000-1000-8000-0026BB765291", "perms": ["pr"], "value": 21.5}
)


def test_a_lamp_and_a_bridged_sensor() -> None:
    found = database(LAMP, SENSOR)
    lamp, sensor = found.devices
    assert (lamp.id, lamp.name, lamp.capabilities) == ("homekit-00000000", "Hall", (ON_OFF, LEVEL))
    assert (sensor.id, sensor.name, sensor.capabilities) == ("homekit-00000000.7", "Cellar", (TEMPERATURE,))
    assert lamp.verified
    assert [point.events for point in found.points] == [True, True, False]


def test_what_cannot_be_written_is_not_called_writable() -> None:
    only_read = accessory(1, "Lamp", {"iid": 9, "type": "25", "perms": ["pr", "ev"]})
    assert not database(only_read).devices[0].capabilities[0].writable


def test_of_two_switches_in_one_accessory_the_first_counts() -> None:
    strip = accessory(1, "Strip", {"iid": 9, "type": "25", "perms": PERMS}, {"iid": 19, "type": "25", "perms": PERMS})
    assert [point.iid for point in database(strip).points] == [9]


def test_unknown_things_are_left_out() -> None:
    odd = accessory(1, "Odd", {"iid": 9, "type": "no uuid", "perms": PERMS, "value": {"a": [1]}})
    assert database(odd).devices == ()


def test_values() -> None:
    points = database(LAMP, SENSOR).points
    rows = [
        {"aid": 1, "iid": 9, "value": 1},
        {"aid": 1, "iid": 10, "value": 42},
        {"aid": 7, "iid": 9, "status": -70402},
        {"aid": 9, "iid": 9, "value": True},
    ]
    body = json.dumps({"characteristics": rows}).encode()
    assert list(messages.parse_values(body, points)) == [
        Report("homekit-00000000", "OnOff.OnOff", True),
        Report("homekit-00000000", "LevelControl.CurrentLevel", 42.0),
        Silence("homekit-00000000.7", "its bridge says status -70402"),
    ]


@pytest.mark.parametrize("value", [None, "x", [], {}, True, 10**400])
def test_a_level_that_makes_no_sense_is_left_out(value: object) -> None:
    points = database(LAMP).points
    body = json.dumps({"characteristics": [{"aid": 1, "iid": 10, "value": value}]}).encode()
    try:
        assert list(messages.parse_values(body, points)) == []
    except NoAnswer:
        assert value == 10**400


def test_bodies_are_without_blanks_and_in_the_units_of_the_wire() -> None:
    on, level = database(LAMP).points
    assert messages.read_target([on, level]) == "/characteristics?id=1.9,1.10"
    assert messages.write_body(on, True) == b'{"characteristics":[{"aid":1,"iid":9,"value":true}]}'
    assert messages.write_body(level, 41.6) == b'{"characteristics":[{"aid":1,"iid":10,"value":42}]}'
    assert messages.subscribe_body([on]) == b'{"characteristics":[{"aid":1,"iid":9,"ev":true}]}'


def test_the_status_of_a_write() -> None:
    rows = b'{"characteristics":[{"aid":1,"iid":9,"status":0},{"aid":1,"iid":10,"status":-70410}]}'
    assert messages.parse_status(rows) == -70410
    assert messages.parse_status(b'{"characteristics":[]}') == 0


KEYS = ["accessories", "aid", "services", "characteristics", "iid", "type", "perms", "value", "status"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)


@given(st.one_of(st.binary(max_size=60), anything.map(lambda value: json.dumps(value).encode())))
def test_rubbish_is_no_answer_and_nothing_else(body: bytes) -> None:
    points = database(LAMP).points
    for parse in (
        lambda: messages.parse_accessories(body, "homekit-00000000"),
        lambda: list(messages.parse_values(body, points)),
        lambda: messages.parse_status(body),
    ):
        try:
            parse()
        except NoAnswer as error:
            assert "rubbish" in str(error)  # noqa: PT017 - both outcomes are right, no third is
