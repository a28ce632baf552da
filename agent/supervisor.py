"""The one owner of long-running tasks.

Services never reconnect by themselves: they raise an expected error, and are started again after a jittered
back-off. Anything unexpected is a bug: it ends the process, and systemd starts a new one.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from agent import backoff

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
"""An orderly stop takes no longer; what still runs then is named and abandoned."""
STEADY_SECONDS = 60.0
"""A service that ran this long has recovered: its next failure counts as the first."""


class Watcher(Protocol):
    """Is told when a service goes down and comes up again."""

    def __call__(self, service: str, problem: str | None) -> None:
        """`problem` is one line, or None when the service has been started (again)."""


@dataclass(frozen=True, slots=True)
class Service:
    """A long-running task: `run` is called anew after each failure that is an instance of `expected`."""

    name: str
    run: Callable[[], Awaitable[None]]
    expected: tuple[type[Exception], ...] = ()


class Bug(Exception):
    """A service raised something nobody expected. Ends the process."""


class Supervisor:
    """Runs services until stopped, or until one has a bug."""

    def __init__(self, *, rng: random.Random | None = None, watcher: Watcher | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._watcher = watcher
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}
        self._ending: set[str] = set()
        """Services that were told to stop."""
        self._bug: Bug | None = None
        self._broken = asyncio.Event()

    def __iter__(self) -> Iterator[str]:
        """The names of what runs now."""
        return iter(tuple(self._tasks))

    def start(self, service: Service) -> None:
        """Start `service`; it runs until `stop`, or until it returns."""
        if service.name in self._tasks:
            raise ValueError(f"service {service.name} runs already")
        task = asyncio.create_task(self._keep(service), name=service.name)
        self._tasks[service.name] = task
        task.add_done_callback(lambda done: self._ended(service.name, done))

    def nudge(self, name: str) -> None:
        """Something says that `name` would work again: if it waits for its next try, let it try now."""
        if nudge := self._nudges.get(name):
            nudge.set()

    async def stop(self, name: str) -> None:
        """Stop one service and wait until it has ended."""
        if task := self._tasks.get(name):
            self._ending.add(name)
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Wait for `stop`, then end everything in an orderly way.

        Raises:
            Bug: a service had one; everything else has been ended first.
        """
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._broken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await self._end_all()
        if self._bug:
            raise self._bug

    async def _end_all(self) -> None:
        tasks = list(self._tasks.values())
        self._ending.update(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, still = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in still:
                log.error("service %s did not stop within %.0f s and is abandoned", task.get_name(), STOP_SECONDS)

    async def _keep(self, service: Service) -> None:
        failures, said = 0, ""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._tell(service.name, None)
            try:
                # Each try in a task of its own: a TaskGroup whose child failed leaves its task looking as if it were
                # being cancelled (until Python 3.13), and there Debian 12's 3.11.2 lets no `asyncio.timeout` expire.
                await asyncio.create_task(_run(service), name=service.name)
            except service.expected as error:
                # What fails while it says goodbye raises that in place of the cancellation.
                if service.name in self._ending:
                    return
                steady = loop.time() - began >= STEADY_SECONDS
                failures = 1 if steady else failures + 1
                wait = backoff.delay(failures, self._rng.random())
                problem = str(error)
                self._tell(service.name, problem)
                # A camera that is away for a month is one line, not a hundred thousand.
                level = logging.DEBUG if problem == said and not steady else logging.WARNING
                log.log(level, "%s: %s; trying again", service.name, problem)
                said = problem
                await self._pause(service.name, wait)
            else:
                return

    async def _pause(self, name: str, seconds: float) -> None:
        self._nudges[name] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._nudges[name].wait()
        except TimeoutError:
            pass
        finally:
            del self._nudges[name]

    def _tell(self, name: str, problem: str | None) -> None:
        if self._watcher:
            self._watcher(name, problem)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        told = name in self._ending
        self._ending.discard(name)
        error: BaseException | None
        if task.cancelled():
            error = None if told else asyncio.CancelledError("by nobody we know")
        else:
            error = task.exception()
        if error:
            self._bug = self._bug or Bug(f"{name}: {type(error).__name__}: {error}")
            self._bug.__cause__ = error
            self._broken.set()


async def _run(service: Service) -> None:
    await service.run()
