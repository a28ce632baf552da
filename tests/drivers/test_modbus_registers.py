"""Register maps: what they mean, and that every fault in one is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import NoAnswer, Unsupported
from drivers.modbus.register import Encoding, Register, Table
from drivers.modbus.registers import load, parse, shipped
from drivers.model import HEATING_SETPOINT, ON_OFF, Kind

HEAD = 'version = 1\nmodel = "Test"\n'
GOOD = {"address": "7", "table": '"holding"', "type": '"int16"', "capability": '"Test.Value"'}
LIMITS = {"writable": "true", "minimum": "5", "maximum": "35"}


def entry(**changes: str) -> str:
    """One register of a map; a change to "" leaves the key out."""
    lines = {**GOOD, **changes}
    return "[[register]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value)


def register(encoding: Encoding = Encoding.INT16, *, table: Table = Table.HOLDING, **more: object) -> Register:
    return Register(address=0, table=table, encoding=encoding, capability="Test.Value", **more)  # type: ignore[arg-type]


def test_every_shipped_map_is_sound() -> None:
    assert "demo_heat_pump" in shipped()
    for name in shipped():
        assert load(name).capabilities


def test_the_heat_pump_is_in_the_vocabulary() -> None:
    capabilities = load("demo_heat_pump").capabilities
    assert {ON_OFF, HEATING_SETPOINT} < set(capabilities)
    assert [c.name for c in capabilities if c.writable] == [ON_OFF.name, HEATING_SETPOINT.name]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"address": ""}, "missing required field `address`"),
        ({"address": "65536"}, "Expected `int` <= 65535"),
        ({"address": "-1"}, "Expected `int` >= 0"),
        ({"address": '"7"'}, "Expected `int`, got `str`"),
        ({"address": "65535", "type": '"int32"'}, "runs past the last address"),
        ({"table": '"flash"'}, "Invalid enum value 'flash'"),
        ({"table": '"coil"'}, "a coil is one bit"),
        ({"table": '"input"', **LIMITS}, "table input can only be read"),
        ({"type": '"int17"'}, "Invalid enum value 'int17'"),
        ({"capability": '"Temperature"'}, "capability"),
        ({"capability": ""}, "no capability"),
        ({"scale": "0"}, "Expected `float` > 0"),
        ({"scale": "-0.1"}, "Expected `float` > 0"),
        ({"scale": "inf"}, "scale is not a number"),
        ({"scale": "nan"}, "scale"),
        ({**LIMITS, "maximum": "inf", "type": '"float32"'}, "limit inf does not fit"),
        ({"colour": '"red"'}, "unknown field `colour`"),
        ({"word_order": '"little"'}, "word_order says nothing about int16"),
        ({"word_order": '"middle"'}, "Invalid enum value 'middle'"),
        ({"absent": "40000"}, "absent = 40000 is no int16"),
        ({"writable": "true"}, "a writable number needs minimum and maximum"),
        ({"minimum": "5"}, "limits for writing a number"),
        ({**LIMITS, "minimum": "40"}, "minimum 40 is not below maximum 35"),
        ({**LIMITS, "maximum": "nan"}, "minimum 5 is not below maximum nan"),
        ({**LIMITS, "scale": "0.001"}, "limit 35 does not fit into int16 with scale 0.001"),
        ({"type": '"bool"', "scale": "0.1"}, "a bool has no scale"),
        ({"type": '"bool"', **LIMITS}, "limits for writing a number"),
        ({"capability": '"OnOff.OnOff"'}, "OnOff.OnOff is of kind bool, which int16 is not"),
        (
            {"capability": '"TemperatureMeasurement.MeasuredValue"', "unit": '"F"'},
            'TemperatureMeasurement.MeasuredValue is in "°C", not "F"',
        ),
    ],
)
def test_a_fault_is_named(changes: dict[str, str], fault: str) -> None:
    with pytest.raises(Unsupported) as caught:
        parse(HEAD + entry(**changes), source="test")
    assert str(caught.value).startswith("register map test: register 1 (")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "missing required field"),
        ("version = ", "is not TOML"),
        ('version = 2\nmodel = "Test"\n' + entry(), "version"),
        ('version = 1\nmodel = ""\n' + entry(), "model"),
        (HEAD, "missing required field `register`"),
        (HEAD + "register = []", "register"),
        (HEAD + "register = 5", "register"),
        (HEAD + entry() + entry(address="8"), "Test.Value is there twice"),
        (
            HEAD + entry(type='"int32"') + entry(address="8", capability='"Test.Other"'),
            "holding 8 is both Test.Value and Test.Other",
        ),
    ],
)
def test_a_fault_of_the_whole_is_named(text: str, fault: str) -> None:
    with pytest.raises(Unsupported, match="register map test") as caught:
        parse(text, source="test")
    assert fault in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(Unsupported) as caught:
        parse(HEAD + entry(scale="0") + entry(table='"flash"') + entry(minimum="5"), source="test")
    assert [f"register {n} " in str(caught.value) for n in (1, 2, 3)] == [True] * 3


def test_a_missing_map_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"shipped: .*demo_heat_pump"):
        load("no_such_model")
    with pytest.raises(Unsupported, match="cannot be read: No such file"):
        load(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'model = "Varmepumpe \xe5"')
    with pytest.raises(Unsupported, match="not UTF-8"):
        load(tmp_path / "latin.toml")
    (tmp_path / "mine.toml").write_text(HEAD + entry())
    assert load(tmp_path / "mine.toml").model == "Test"


@pytest.mark.parametrize(
    ("read", "words", "value"),
    [
        (register(scale=0.1), [215], 21.5),
        (register(scale=0.1), [213], 21.3),  # 213 * 0.1 is 21.3 and a little in binary
        (register(scale=0.1), [0xFFB7], -7.3),
        (register(scale=0.1), [0x8000], -3276.8),
        (register(scale=0.1, absent=-32768), [0x8000], None),
        (register(scale=0.05), [3], 0.15),
        (register(scale=10), [3], 30),
        (register(), [0xFFFF], -1),
        (register(Encoding.UINT16), [0xFFFF], 65535),
        (register(Encoding.INT32), [0xFFFF, 0xFFFE], -2),
        (register(Encoding.UINT32), [1, 2], 65538),
        (register(Encoding.UINT32, word_order="little"), [2, 1], 65538),
        (register(Encoding.FLOAT32), [0x41AA, 0x6666], 21.3),
        (register(Encoding.FLOAT32, word_order="little"), [0x6666, 0x41AA], 21.3),
        (register(Encoding.BOOL), [1], True),
        (register(Encoding.BOOL, table=Table.COIL), [0], False),
    ],
)
def test_words_become_values(read: Register, words: list[int], value: object) -> None:
    got = read.decode(words)
    assert got == value
    assert type(got) is type(value)


def test_nonsense_is_no_value() -> None:
    with pytest.raises(NoAnswer, match="reads 7, which is neither 0 nor 1"):
        register(Encoding.BOOL).decode([7])
    with pytest.raises(NoAnswer, match="cannot be"):
        register(Encoding.FLOAT32).decode([0x7FC0, 0])
    indoor = load("demo_heat_pump").registers[0]
    with pytest.raises(NoAnswer, match=r"reads 3276.7 °C, which cannot be .*register map"):
        indoor.decode([0x7FFF])
    assert indoor.decode([0x8000]) is None


@pytest.mark.parametrize("value", [3276.8, -3277, float("nan"), float("inf"), "warm"])
def test_what_does_not_fit_is_not_written(value: float) -> None:
    with pytest.raises(Unsupported):
        register(scale=0.1).encode(value)


def test_a_value_is_rounded_to_the_step() -> None:
    assert register(scale=0.1).encode(21.46) == (215,)
    assert register(scale=0.5).encode(-0.5) == (0xFFFF,)
    assert register(Encoding.BOOL).encode(value=True) == (1,)


@given(
    encoding=st.sampled_from([e for e in Encoding if e is not Encoding.BOOL]),
    order=st.sampled_from(["big", "little"]),
    scale=st.sampled_from([0.001, 0.01, 0.1, 0.5, 1.0, 10.0]),
    number=st.integers(0, 32767),
)
def test_what_is_written_is_what_is_read(encoding: Encoding, order: str, scale: float, number: int) -> None:
    there = register(encoding, scale=1.0 if encoding is Encoding.FLOAT32 else scale, word_order=order)
    words = there.encode(number * there.scale)
    value = there.decode(words)
    assert value == pytest.approx(number * there.scale)
    assert there.encode(value) == words  # type: ignore[arg-type]


def test_kinds() -> None:
    assert register().described.kind is Kind.INT
    assert register(scale=0.1).described.kind is Kind.FLOAT
    assert register(Encoding.FLOAT32).described.kind is Kind.FLOAT
    assert register(Encoding.BOOL).described.kind is Kind.BOOL
