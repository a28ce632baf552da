"""What is asked of a unit that refuses some of it."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.messages import Read
from drivers.modbus.plan import Plan
from drivers.modbus.register import Encoding, Register, Table


def register(address: int, *, poll: bool = True) -> Register:
    return Register(
        address=address, table=Table.HOLDING, encoding=Encoding.UINT16, capability=f"Holding.No{address}", poll=poll
    )


def test_all_is_joined_at_first_and_again_when_forgotten() -> None:
    plan = Plan([register(0), register(1, poll=False), register(2)])
    joined = [Read(Table.HOLDING, 0, 3)]
    assert [block.read for block in plan.all] == joined
    assert [block.read for block in plan.polled] == [Read(Table.HOLDING, 0, 1), Read(Table.HOLDING, 2, 1)]
    for single in plan.take_apart(plan.all[0]):
        plan.take_apart(single)
    assert not plan.all
    assert not plan.polled
    plan.forget()
    assert [block.read for block in plan.all] == joined
    assert not plan.refused


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60)))
def test_whatever_is_lacked_the_rest_is_found_and_asked_for_once(mapped: set[int], lacked: set[int]) -> None:
    plan = Plan([register(address) for address in mapped])
    questions, found = list(plan.all), set[int]()
    while questions:
        block = questions.pop()
        addresses = {one.address for one in block.registers}
        if addresses & lacked:
            questions += plan.take_apart(block)
        else:
            found |= addresses
    assert found == mapped - lacked
    assert {one.address for one in plan.refused} == mapped & lacked
    for settled in (plan.all, plan.polled):
        asked = [one.address for block in settled for one in block.registers]
        assert sorted(asked) == sorted(found)
