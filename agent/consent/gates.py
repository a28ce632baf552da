"""The gates that whoever collects passes: they open when it is allowed, and close at once when it is no more."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakSet

from privacy.consent import No, Verdict, ground, may_collect
from privacy.consent_text import CLASSES, Kind
from privacy.policy import Basis, Policy
from privacy.records import RecordClass


@dataclass(slots=True, eq=False)
class _Pass:
    """Somebody who collects now."""

    task: asyncio.Task[object]
    stopped: bool = False


def _untold() -> None:
    """For who waits alone."""


class Gate:
    """One thing that collects, about certain people. In the event loop's thread alone, as all of this module."""

    def __init__(self, basis: Basis, decide: Callable[[], Verdict], told: Callable[[], None] = _untold) -> None:
        """`told` is called when `verdict` has changed; what was collecting has been cancelled by then."""
        self.basis = basis
        """The ground on which it collects, where it may."""
        self._decide = decide
        self._told = told
        self._open = asyncio.Event()
        self._passing: set[_Pass] = set()
        self.verdict: Verdict = decide()
        """Whether it may collect, on what ground or why not, as of now."""
        self._follow()

    async def keep(self, collect: Callable[[], Awaitable[None]]) -> None:
        """Await `collect()` while it is allowed, anew each time it is allowed again; return when it returns.

        It is cancelled in the very call in which the gate closes: it does not take another step, so that a request
        under way is dropped and none follows. What it raises goes through.
        """
        ended = False
        while not ended:
            ended = await self._passed(collect)

    async def _passed(self, collect: Callable[[], Awaitable[None]]) -> bool:
        """Wait until it may, then collect. Whether `collect` came to its end; False: the gate closed first."""
        while not self._open.is_set():
            await self._open.wait()
        task = asyncio.current_task()
        assert task, "a coroutine runs in a task"  # noqa: S101 - for mypy
        passing = _Pass(task)
        self._passing.add(passing)
        try:
            await collect()
        except asyncio.CancelledError:
            # As in `asyncio.timeout`: of two who cancel, the one who means the task wins.
            if passing.stopped and task.uncancel() == 0:
                return False
            raise
        finally:
            self._passing.discard(passing)
        return True

    def look_again(self) -> None:
        """Something that the verdict depends on may have changed."""
        before, self.verdict = self.verdict, self._decide()
        if self.verdict != before:
            self._follow()
            self._told()

    def _follow(self) -> None:
        if not isinstance(self.verdict, No):
            self._open.set()
            return
        self._open.clear()
        for passing in self._passing:
            if not passing.stopped:
                passing.stopped = True
                passing.task.cancel()


class Gates:
    """All gates of the house, over what people have consented to; `ConsentDesk` says what that is.

    Until it has, nobody has consented to anything and nobody is known: what concerns somebody waits.
    """

    def __init__(self, policies: Mapping[RecordClass, Policy]) -> None:
        self._bases: Mapping[Kind, Sequence[Basis]] = {kind: policies[CLASSES[kind]].bases for kind in Kind}
        self._consents: frozenset[tuple[str, Kind]] = frozenset()
        self._stopped: set[tuple[str, Kind]] = set()
        self._count: frozenset[tuple[str, Kind]] = frozenset()
        """Those of the consents that were not withdrawn since."""
        self._known: frozenset[str] = frozenset()
        self._gates: WeakSet[Gate] = WeakSet()

    def gate(self, kind: Kind, people: Iterable[str], told: Callable[[], None] = _untold) -> Gate:
        """The gate of one thing that collects about `people` (nobody: about nobody in particular).

        It is followed as long as somebody keeps it.
        """
        whom = frozenset(people)
        made = Gate(ground(self._bases[kind], whom), lambda: self._verdict(kind, whom), told)
        self._gates.add(made)
        return made

    def bases(self, kind: Kind) -> Sequence[Basis]:
        """The grounds on which that kind is collected here."""
        return self._bases[kind]

    def stop(self, person: str, kind: Kind) -> None:
        """`person` withdraws: whatever collects this of them has stopped when this returns, and stays so until `let`.

        Whatever becomes of writing that down.
        """
        self._stopped.add((person, kind))
        self._look_again()

    def let(self, person: str, kind: Kind) -> None:
        """`person` has consented anew; it takes effect with the next `stand`."""
        self._stopped.discard((person, kind))

    def stand(self, consents: Iterable[tuple[str, Kind]], known: Collection[str]) -> None:
        """Who has consented to what, and who is in the register of people."""
        self._consents, self._known = frozenset(consents), frozenset(known)
        self._look_again()

    def _verdict(self, kind: Kind, people: frozenset[str]) -> Verdict:
        return may_collect(kind, people, self._count, self._bases[kind], self._known)

    def _look_again(self) -> None:
        self._count = self._consents - self._stopped
        for gate in list(self._gates):
            gate.look_again()
