"""Which questions are asked, and what their answers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.messages import MOST_BITS, MOST_REGISTERS, Read, Write, blocks
from drivers.modbus.register import Encoding, Register, Table
from drivers.modbus.registers import load
from drivers.model import HEATING_SETPOINT, Report


def register(address: int, table: Table = Table.HOLDING, encoding: Encoding = Encoding.UINT16) -> Register:
    kind = Encoding.BOOL if table.bits else encoding
    return Register(address=address, table=table, encoding=kind, capability=f"{table.title()}.No{address}")


def test_the_heat_pump_takes_two_questions() -> None:
    asked = [block.read for block in blocks(load("demo_heat_pump").registers)]
    assert asked == [Read(Table.HOLDING, 0, 2), Read(Table.INPUT, 0, 3)]
    assert [str(read) for read in asked] == ["holding 0 to 1", "input 0 to 2"]


def test_adjacent_registers_are_one_question_and_gaps_are_not_read() -> None:
    scattered = [register(9), register(4, encoding=Encoding.INT32), register(3), register(7), register(6)]
    assert [b.read for b in blocks(scattered)] == [Read(Table.HOLDING, 3, 5), Read(Table.HOLDING, 9, 1)]


@pytest.mark.parametrize(("table", "most"), [(Table.INPUT, MOST_REGISTERS), (Table.COIL, MOST_BITS)])
def test_no_question_is_longer_than_allowed(table: Table, most: int) -> None:
    asked = [b.read for b in blocks(register(n, table) for n in range(most + 1))]
    assert asked == [Read(table, 0, most), Read(table, most, 1)]


def test_a_wide_register_is_not_split() -> None:
    run = [register(0), *(register(1 + 2 * n, encoding=Encoding.INT32) for n in range(63))]
    asked = [b.read for b in blocks(run)]
    assert asked == [Read(Table.HOLDING, 0, 125), Read(Table.HOLDING, 125, 2)]


@given(st.sets(st.tuples(st.sampled_from(Table), st.integers(0, 400))))
def test_every_register_is_asked_for_once(places: set[tuple[Table, int]]) -> None:
    asked = [b.read for b in blocks(register(address, table) for table, address in places)]
    covered = [(r.table, a) for r in asked for a in range(r.address, r.address + r.count)]
    assert sorted(covered) == sorted(places)
    assert all(r.count <= (MOST_BITS if r.table.bits else MOST_REGISTERS) for r in asked)


def test_an_answer_is_told_apart_into_reports() -> None:
    _, measured = blocks(load("demo_heat_pump").registers)
    assert list(measured.reports("pump", [215, 0x8000, 1800])) == [
        Report("pump", "TemperatureMeasurement.MeasuredValue", 21.5),
        # The outdoor sensor is not fitted.
        Report("pump", "ElectricalPowerMeasurement.ActivePower", 1800.0),
    ]


def test_a_senseless_register_spoils_no_other() -> None:
    settings, _ = blocks(load("demo_heat_pump").registers)
    switch, _ = settings.registers
    assert list(settings.reports("pump", [2, 210])) == [switch, Report("pump", HEATING_SETPOINT.name, 21.0)]


def test_functions() -> None:
    """Function codes and lengths as in V1.1b3, section 6."""
    assert [Read(table, 0, 1).function for table in Table] == [3, 4, 1, 2]
    assert Write(Table.COIL, 0, (1,)).function == 5
    assert Write(Table.HOLDING, 0, (1,)).function == 6
    assert Write(Table.HOLDING, 0, (1, 2)).function == 16
    assert Read(Table.INPUT, 0, 3).answer_bytes == 11
    assert Read(Table.COIL, 0, 9).answer_bytes == 7
