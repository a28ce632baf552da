"""The desk of the activity log: what is noted is on the disk, and is shown to whom it concerns."""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from agent.activity.desk import MOST_LATE, PAUSE
from agent.errors import Refused
from privacy.activity_proof import TYP, verify_growth, verify_line
from privacy.checkpoint import verify_checkpoint
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.records import Scope


class Counted:
    """Counts what reaches the log, and fails while it is told to."""

    def __init__(self, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[int] = []
        self.fails: Exception | None = None
        real = desk.log.append

        def append(deeds: Any) -> Any:
            self.batches.append(len(deeds))
            if self.fails:
                raise self.fails
            return real(deeds)

        monkeypatch.setattr(desk.log, "append", append)


@pytest.fixture
def counted(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(desk, monkeypatch)


class TestNoting:
    async def test_what_is_noted_is_there(self, desk: Any) -> None:
        await desk.desk.note(desk.deed("kari"), desk.deed("ola"))
        assert desk.log.tree.size == 2

    async def test_those_who_wait_together_share_one_write(self, desk: Any, counted: Counted) -> None:
        started, go_on = threading.Event(), threading.Event()

        def busy() -> None:
            started.set()
            go_on.wait()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.disk.run(busy))
            await asyncio.to_thread(started.wait)
            for _ in range(50):
                tasks.create_task(desk.look("kari", "ola"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            go_on.set()
        assert counted.batches == [50]
        assert desk.log.tree.size == 100

    async def test_a_caller_who_goes_away_keeps_nobody_waiting(self, desk: Any, counted: Counted) -> None:
        go_on = threading.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.disk.run(go_on.wait))
            gone = tasks.create_task(desk.look("kari"))
            tasks.create_task(desk.look("ola"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            go_on.set()
        assert counted.batches == [2], "who is gone is noted all the same"

    async def test_what_cannot_be_noted_is_not_to_be_shown(self, desk: Any, counted: Counted) -> None:
        counted.fails = StoreBroken("cannot append: no space", hint="free some")
        with pytest.raises(StoreBroken, match="not done") as refused:
            await desk.look()
        assert refused.value.hint == "free some"
        assert desk.desk.late == 0
        counted.fails = None
        await desk.look()
        assert counted.batches == [1, 1]

    async def test_a_bug_is_nobodys_acknowledgement(self, desk: Any, counted: Counted) -> None:
        counted.fails = KeyError("a bug")
        go_on = threading.Event()
        blocked = asyncio.ensure_future(desk.disk.run(go_on.wait))
        looks = [asyncio.ensure_future(desk.look()) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        ended = await asyncio.gather(*looks, return_exceptions=True)
        await blocked
        assert [type(each) for each in ended] == [KeyError, StoreBroken]
        assert isinstance(ended[1], StoreBroken)
        assert ended[1].hint == "see `portvakt doctor`"


class TestNotingIfPossible:
    async def test_as_note(self, desk: Any) -> None:
        assert await desk.desk.note_if_possible(desk.deed("kari", action="sign_in"))
        assert desk.log.tree.size == 1

    async def test_what_is_late_comes_with_the_next(
        self, desk: Any, counted: Counted, caplog: pytest.LogCaptureFixture
    ) -> None:
        counted.fails = StoreBroken("cannot append: no space")
        for number in range(3):
            assert not await desk.desk.note_if_possible(desk.deed("kari", record=f"r{number}"))
        assert desk.desk.late == 3
        assert "the activity log could not be written" in caplog.text
        counted.fails = None
        await desk.look("ola")
        assert desk.desk.late == 0
        assert [view.record for view in await desk.desk.own("kari", None, 9)] == ["r2", "r1", "r0"]

    async def test_only_so_many_wait(self, desk: Any, counted: Counted, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR)
        counted.fails = StoreBroken("cannot append: no space")
        await desk.desk.note_if_possible(*(desk.deed("kari", record=f"r{number}") for number in range(MOST_LATE + 5)))
        assert desk.desk.late == MOST_LATE
        with pytest.raises(StoreBroken):
            await desk.look("ola")
        assert desk.desk.late == MOST_LATE
        counted.fails = None
        await desk.look("ola")
        assert desk.log.tree.size == MOST_LATE + 1


class TestLimit:
    async def test_what_is_due_goes_and_what_is_late_comes(
        self, desk: Any, counted: Counted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.look("kari")
        counted.fails = StoreBroken("cannot append: no space")
        desk.clock.time += timedelta(days=182) - PAUSE
        await desk.desk.note_if_possible(desk.deed("ola"))
        counted.fails = None
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                raise asyncio.CancelledError

        monkeypatch.setattr("agent.activity.desk.asyncio.sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await desk.desk.keep_limit()
        assert pauses == [3240, 3240]
        assert desk.desk.late == 0
        assert [view.actor for view in await desk.desk.all(None, 9)] == ["ola"]


class TestShowing:
    async def test_who_looked_at_me(self, desk: Any) -> None:
        await desk.look("kari", "ola", camera="front", purpose="care", record="s1", token="t1")
        [mine] = await desk.desk.own("kari", None, 9)
        [theirs] = await desk.desk.own("ola", None, 9)
        assert (mine.own, mine.actor, mine.name, mine.concerns) == (True, "kari", "Kari Nordmann", ("ola",))
        assert (theirs.own, theirs.actor, theirs.name, theirs.concerns) == (False, "kari", "Kari Nordmann", ())
        for view in (mine, theirs):
            assert (view.camera, view.purpose, view.record, view.token) == ("front", "care", "s1", "t1")
            assert (view.role, view.allowed, view.genuine) == (Role.RESIDENT, True, True)
        assert await desk.desk.own("lisa", None, 9) == ()

    async def test_the_others_who_were_looked_at_are_not_mine_to_see(self, desk: Any) -> None:
        await desk.look("kari", "ola", "lisa")
        assert [view.concerns for view in await desk.desk.own("ola", None, 9)] == [()]

    async def test_an_erased_resident(self, desk: Any) -> None:
        await desk.look("kari", "ola", token="t1")
        desk.log.erase(Scope(subjects=("kari",)), desk.clock.now().replace(year=2027))
        [view] = await desk.desk.own("ola", None, 9)
        assert (view.actor, view.name, view.token, view.role) == ("", "", None, Role.RESIDENT)

    async def test_everybodys_deeds_are_told_once_each(self, desk: Any) -> None:
        for _ in range(4):
            await desk.look("kari", "lisa", "ola")
        await desk.look(None, "ola", action="sign_in", allowed=False, code="wrong_credentials")
        views = await desk.desk.all(None, 99)
        assert [view.sequence for view in views] == [12, 9, 6, 3, 0]
        assert [view.actor for view in views] == ["", "kari", "kari", "kari", "kari"]
        assert views[1].concerns == ("lisa", "ola")
        assert not any(view.own for view in views)

    @pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 13])
    async def test_pages_of_everybodys_deeds_meet(self, desk: Any, most: int) -> None:
        for _ in range(4):
            await desk.look("kari", "lisa", "ola")
        told: list[Any] = []
        while views := await desk.desk.all(told[-1].sequence if told else None, most):
            told += views
        deeds = [view.sequence - view.sequence % 3 for view in told]
        assert set(deeds) == {9, 6, 3, 0}
        assert most < 3 or deeds == [9, 6, 3, 0]

    async def test_from_some_time_on(self, desk: Any) -> None:
        await desk.look("kari")
        since = desk.clock.time = desk.clock.now().replace(hour=18)
        await desk.look("kari")
        assert [view.sequence for view in await desk.desk.all(None, 9, since)] == [1]


class TestProving:
    async def test_a_line_of_mine(self, desk: Any) -> None:
        for _ in range(5):
            await desk.look("kari", "ola")
        proof = await desk.desk.proof(3, "ola")
        line, checkpoint = verify_line(proof, desk.key.public_jwk())
        assert (line.person, line.did, checkpoint.iss, checkpoint.log.size) == ("ola", False, "gw-1/1", 10)
        assert (await desk.desk.proof(2, None)).number == 2

    @pytest.mark.parametrize("number", [2, 11])
    async def test_no_line_of_mine(self, desk: Any, number: int) -> None:
        for _ in range(5):
            await desk.look("kari", "ola")
        with pytest.raises(Refused, match="no such line") as refused:
            await desk.desk.proof(number, "ola")
        assert refused.value.code == "unknown_entry"

    async def test_not_from_before_it_may_be_seen(self, desk: Any) -> None:
        await desk.look("kari")
        assert await desk.desk.proof(0, None, desk.clock.now())
        with pytest.raises(Refused, match="no such line"):
            await desk.desk.proof(0, None, desk.clock.now().replace(year=2027))

    async def test_it_only_grew(self, desk: Any) -> None:
        await desk.look("kari", "ola")
        old = verify_checkpoint(await desk.desk.checkpoint(), desk.key.public_jwk(), TYP).log
        await desk.look("kari", "ola")
        assert verify_growth(await desk.desk.growth(2), old, desk.key.public_jwk()).log.size == 4
        with pytest.raises(Refused, match="never had 5"):
            await desk.desk.growth(5)
