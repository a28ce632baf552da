"""The gates: what collects starts when it may, and takes not one more step when it may not."""

import asyncio
import gc
from typing import Any

import pytest

from agent.consent.gates import Gates
from privacy.consent import No, Yes
from privacy.consent_text import Kind
from privacy.policy import policies

KARI, OLA = ("kari", Kind.CAMERA), ("ola", Kind.CAMERA)
PEOPLE = ("kari", "ola")


@pytest.fixture
def gates() -> Gates:
    return Gates(policies())


class Collector:
    """Something that collects, step by step, and may refuse to go."""

    def __init__(self) -> None:
        self.started = self.steps = self.cancelled = 0
        self.raises: Exception | None = None
        self.may_end = asyncio.Event()
        self.on_cancel: Exception | None = None

    async def __call__(self) -> None:
        self.started += 1
        try:
            while not self.may_end.is_set():
                if self.raises:
                    raise self.raises
                self.steps += 1
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.on_cancel:
                raise self.on_cancel from None
            raise


async def turn(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_until_somebody_says_who_is_there_only_what_is_nobodys_may_collect(gates: Gates) -> None:
    theirs, shared = gates.gate(Kind.CAMERA, ["kari"]), gates.gate(Kind.CAMERA, [])
    assert isinstance(theirs.verdict, No)
    assert theirs.verdict.code == "unknown_person"
    assert (theirs.basis, shared.basis) == ("consent", "contract")
    assert shared.verdict == Yes("contract")
    assert gates.gate(Kind.HISTORY, ["kari"]).verdict == Yes("contract")
    assert isinstance(gates.gate(Kind.PRESENCE, []).verdict, No)


async def test_it_collects_while_all_have_consented_and_stops_in_the_call_that_withdraws(gates: Gates) -> None:
    collect, gate = Collector(), gates.gate(Kind.CAMERA, PEOPLE)
    task = asyncio.create_task(gate.keep(collect))
    gates.stand([KARI], PEOPLE)
    await turn()
    assert collect.started == 0, "one of the two has not consented"
    gates.stand([KARI, OLA], PEOPLE)
    await turn()
    assert collect.started == 1
    assert collect.steps > 0
    steps = collect.steps
    gates.stop("ola", Kind.CAMERA)
    await turn()
    assert (collect.steps, collect.cancelled) == (steps, 1), "not one more step"
    gates.stand([KARI, OLA], PEOPLE)
    await turn()
    assert collect.started == 1, "what was read of the store before it was written there changes nothing"
    gates.let("ola", Kind.CAMERA)
    gates.stand([KARI, OLA], PEOPLE)
    await turn()
    assert (collect.started, collect.steps > steps) == (2, True)
    await ended(task)


async def test_what_waits_is_told_of_each_change_and_of_nothing_else(gates: Gates) -> None:
    told: list[Any] = []
    gate = gates.gate(Kind.CAMERA, ["kari"], lambda: told.append(gate.verdict))
    gates.stand([], PEOPLE)
    gates.stand([OLA], PEOPLE)
    gates.stand([KARI], PEOPLE)
    gates.stop("ola", Kind.CAMERA)
    gates.stop("kari", Kind.PRESENCE)
    gates.stop("kari", Kind.CAMERA)
    gates.let("kari", Kind.CAMERA)
    gates.stand([KARI], ["ola"])
    codes = [verdict.code if isinstance(verdict, No) else verdict.basis for verdict in told]
    assert codes == ["not_consented", "consent", "not_consented", "unknown_person"]


async def test_who_is_forgotten_is_collected_no_more(gates: Gates) -> None:
    collect, gate = Collector(), gates.gate(Kind.CAMERA, ["kari"])
    gates.stand([KARI], PEOPLE)
    task = asyncio.create_task(gate.keep(collect))
    await turn()
    gates.stand([KARI], ["ola"])
    gates.stand([], PEOPLE)
    assert isinstance(gate.verdict, No)
    assert gate.verdict.code == "not_consented", "closed twice, for two reasons, before the loop turned"
    await turn()
    assert (collect.started, collect.cancelled) == (1, 1)
    await ended(task)


async def test_open_and_shut_again_before_anybody_woke_starts_nothing(gates: Gates) -> None:
    collect, gate = Collector(), gates.gate(Kind.CAMERA, ["kari"])
    task = asyncio.create_task(gate.keep(collect))
    await turn()
    gates.stand([KARI], PEOPLE)
    gates.stand([], PEOPLE)
    await turn()
    assert collect.started == 0
    await ended(task)


async def test_what_comes_to_its_end_ends(gates: Gates) -> None:
    collect = Collector()
    collect.may_end.set()
    await gates.gate(Kind.CAMERA, []).keep(collect)
    assert collect.started == 1


async def test_what_it_raises_goes_through_also_while_it_is_stopped(gates: Gates) -> None:
    collect, gate = Collector(), gates.gate(Kind.CAMERA, ["kari"])
    gates.stand([KARI], PEOPLE)
    collect.raises = OSError("no camera")
    with pytest.raises(OSError, match="no camera"):
        await gate.keep(collect)
    collect.raises, collect.on_cancel = None, OSError("while it said goodbye")
    task = asyncio.create_task(gate.keep(collect))
    await turn()
    gates.stop("kari", Kind.CAMERA)
    with pytest.raises(OSError, match="goodbye"):
        await task


async def test_who_ends_the_whole_task_wins_over_the_gate(gates: Gates) -> None:
    collect, gate = Collector(), gates.gate(Kind.CAMERA, ["kari"])
    gates.stand([KARI], PEOPLE)
    task = asyncio.create_task(gate.keep(collect))
    await turn()
    gates.stop("kari", Kind.CAMERA)
    await ended(task)
    assert collect.cancelled == 1


async def test_a_deadline_inside_expires_as_ever_after_it_was_stopped_once(gates: Gates) -> None:
    """What cancels a task must leave no trace in it, or no later `asyncio.timeout` would expire."""
    expired, gate = asyncio.Event(), gates.gate(Kind.CAMERA, ["kari"])

    async def collect() -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            expired.set()
            await asyncio.Event().wait()

    gates.stand([KARI], PEOPLE)
    task = asyncio.create_task(gate.keep(collect))
    for _ in range(2):
        async with asyncio.timeout(20):
            await expired.wait()
        expired.clear()
        gates.stop("kari", Kind.CAMERA)
        await turn()
        assert task.cancelling() == 0
        gates.let("kari", Kind.CAMERA)
        gates.stand([KARI], PEOPLE)
    await ended(task)


def test_a_gate_that_nobody_keeps_is_nobodys_to_tell(gates: Gates) -> None:
    told: list[str] = []
    gate = gates.gate(Kind.CAMERA, ["kari"], lambda: told.append("first"))
    gates.stand([], PEOPLE)
    del gate
    gc.collect()
    gates.stand([KARI], PEOPLE)
    assert told == ["first"]
