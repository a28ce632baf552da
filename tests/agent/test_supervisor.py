import asyncio
import random

import pytest

from agent import backoff
from agent.supervisor import Bug, Service, Supervisor


class Expected(Exception):
    pass


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor(rng=random.Random(1))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr("agent.supervisor.STOP_SECONDS", 0.2)


def test_backoff_doubles_to_its_longest_and_jitter_takes_off_up_to_half() -> None:
    plain = [backoff.delay(failures, 0.0) for failures in range(1, 1000)]
    assert plain == sorted(plain)
    assert plain[1] == 2 * plain[0]
    assert plain[-1] == backoff.LONGEST_SECONDS
    assert backoff.delay(3, 0.999) == pytest.approx(plain[2] / 2, rel=0.01)


async def test_an_expected_error_is_retried_and_told(supervisor: Supervisor) -> None:
    told: list[tuple[str, str | None]] = []
    supervisor = Supervisor(rng=random.Random(1), watcher=lambda name, problem: told.append((name, problem)))
    stop = asyncio.Event()
    tries = 0

    async def run() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Expected("port gone")
        stop.set()
        await asyncio.Event().wait()

    supervisor.start(Service("line", run, (Expected,)))
    await asyncio.wait_for(supervisor.run_until(stop), 5)
    assert tries == 3
    assert told == [
        ("line", None), ("line", "port gone"), ("line", None), ("line", "port gone"), ("line", None),
    ]  # fmt: skip


async def test_a_bug_ends_everything_and_says_where(supervisor: Supervisor) -> None:
    ended = asyncio.Event()

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def broken() -> None:
        raise ZeroDivisionError("by zero")

    supervisor.start(Service("other", other))
    await asyncio.sleep(0)
    supervisor.start(Service("broken", broken, (Expected,)))
    with pytest.raises(Bug, match="broken: ZeroDivisionError: by zero"):
        await asyncio.wait_for(supervisor.run_until(asyncio.Event()), 5)
    assert ended.is_set()


async def test_a_bug_before_anybody_waits_is_not_lost(supervisor: Supervisor) -> None:
    async def broken() -> None:
        raise KeyError("early")

    supervisor.start(Service("broken", broken))
    await asyncio.sleep(0.01)
    with pytest.raises(Bug, match="broken"):
        await asyncio.wait_for(supervisor.run_until(asyncio.Event()), 5)


async def test_stop_is_orderly_and_names_what_does_not_end(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    supervisor.start(Service("stubborn", stubborn))
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(supervisor.run_until(stop), 5)
    assert "stubborn did not stop" in caplog.text
    release.set()
    await asyncio.sleep(0)


async def test_one_service_can_be_stopped_and_started_again(supervisor: Supervisor) -> None:
    starts = 0

    async def run() -> None:
        nonlocal starts
        starts += 1
        await asyncio.Event().wait()

    service = Service("lamp", run)
    supervisor.start(service)
    with pytest.raises(ValueError, match="runs already"):
        supervisor.start(service)
    await asyncio.sleep(0.01)
    await supervisor.stop("lamp")
    assert list(supervisor) == []
    supervisor.start(service)
    await asyncio.sleep(0.01)
    assert starts == 2
    stop = asyncio.Event()
    stop.set()
    await supervisor.run_until(stop)


async def test_a_nudge_ends_the_wait_for_the_next_try(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 60.0)
    monkeypatch.setattr(backoff, "LONGEST_SECONDS", 60.0)
    stop = asyncio.Event()
    tries = 0

    async def run() -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            stop.set()
        raise Expected("gone")

    supervisor.nudge("line")
    supervisor.start(Service("line", run, (Expected,)))
    await asyncio.sleep(0.01)
    supervisor.nudge("line")
    await asyncio.wait_for(supervisor.run_until(stop), 5)
    assert tries == 2


async def test_what_fails_while_it_is_stopped_has_stopped() -> None:
    """A task group that is cancelled raises its children's last words, and the cancellation is gone."""
    supervisor = Supervisor(rng=random.Random(1))
    stop, runs = asyncio.Event(), 0

    async def last_words() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise Expected("the other end had gone")

    async def link() -> None:
        nonlocal runs
        runs += 1
        if runs > 1:
            await asyncio.Event().wait()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(last_words())
                await asyncio.sleep(0)
                stop.set()
                await asyncio.Event().wait()
        except* Expected:
            pass
        raise Expected("the link is down")

    supervisor.start(Service("cloud", link, (Expected,)))
    async with asyncio.timeout(5):
        await supervisor.run_until(stop)
    assert runs == 1
    assert list(supervisor) == []


async def test_a_problem_that_stays_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(rng=random.Random(1))
    stop, says = asyncio.Event(), iter(["gone", "gone", "gone", "in use", "in use", "gone"])

    async def port() -> None:
        try:
            raise Expected(next(says))
        except StopIteration:
            stop.set()
            await asyncio.Event().wait()

    supervisor.start(Service("line", port, (Expected,)))
    async with asyncio.timeout(5):
        await supervisor.run_until(stop)
    assert [record.getMessage() for record in caplog.records] == [
        "line: gone; trying again",
        "line: in use; trying again",
        "line: gone; trying again",
    ]


async def test_a_service_whose_task_group_failed_is_tried_again(supervisor: Supervisor) -> None:
    """Such a group leaves its task looking as if it were being cancelled; it is not, and must run again."""
    stop, runs = asyncio.Event(), 0

    async def child() -> None:
        await asyncio.sleep(0)
        raise Expected("the connection is gone")

    async def link() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            stop.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        except* Expected:
            pass
        raise Expected("the link is down")

    supervisor.start(Service("cloud", link, (Expected,)))
    await asyncio.wait_for(supervisor.run_until(stop), 5)
    assert runs == 3


async def test_a_service_that_ends_cancelled_by_nobody_is_a_bug(supervisor: Supervisor) -> None:
    async def confused() -> None:
        raise asyncio.CancelledError

    supervisor.start(Service("confused", confused, (Expected,)))
    with pytest.raises(Bug, match="confused: CancelledError: by nobody we know"):
        await asyncio.wait_for(supervisor.run_until(asyncio.Event()), 5)
