"""Which services are down, and why: told once in the log, and at once to whoever shows it."""

import asyncio
from collections.abc import Callable, Iterable

from agent.changes import Changes
from agent.supervisor import STEADY_SECONDS
from privacy import entries
from privacy.clock import Clock


class ServiceWatch:
    """The supervisor's watcher.

    Args:
        running: the names of the services there are.
        tell: whoever else is told: the kind (`camera` of `camera front`), what of that (`front`), and why.
    """

    def __init__(
        self,
        *,
        running: Callable[[], Iterable[str]],
        tell: Callable[[str, str, str], None],
        changes: Changes,
        clock: Clock,
        record: Callable[[entries.Entry], None],
    ) -> None:
        self._running = running
        self._tell = tell
        self._changes = changes
        self._clock = clock
        self._record = record
        self._problems: dict[str, str] = {}
        self._down: dict[str, asyncio.TimerHandle | None] = {}
        """The services that were logged as down, and what will log that they are up: once they have run for a while."""
        self.failures = 0

    def problems(self) -> dict[str, str]:
        """Every service there is, and why it is down, or nothing."""
        # A line that was removed is no service any more, and its last problem nobody's.
        return {name: self._problems.get(name, "") for name in self._running()}

    def __call__(self, service: str, problem: str | None) -> None:
        """A service is down (`problem`), or has been started again (None)."""
        kind, _, what = service.partition(" ")
        if problem is None:
            self._problems[service] = ""
            if service in self._down:
                loop = asyncio.get_running_loop()
                self._down[service] = loop.call_later(STEADY_SECONDS, self._recovered, service)
        else:
            self.failures += 1
            if service not in self._down:
                # Once, and not with every try: a device that is away for a month is no ten thousand entries.
                self._record(entries.ServiceDown(at=self._clock.now(), service=kind, reason=problem))
            elif steady := self._down[service]:
                steady.cancel()
            self._down[service] = None
            self._problems[service] = problem
            self._tell(kind, what, problem)
        self._changes.mark("services")

    def _recovered(self, service: str) -> None:
        del self._down[service]
        if service in set(self._running()):
            self._record(entries.ServiceUp(at=self._clock.now(), service=service.partition(" ")[0]))
