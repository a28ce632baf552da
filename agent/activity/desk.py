"""The activity log's desk: deeds are noted here, many with one sync, before what they are about is shown."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agent.activity.contract import ActivityView
from agent.errors import Refused
from privacy.activity import ActivityLog, Parties, Shown
from privacy.activity_line import Deed
from privacy.activity_proof import TYP, ActivityGrowth, ActivityProof
from privacy.checkpoint import Checkpoint, sign_checkpoint
from privacy.clock import Clock
from privacy.errors import StoreBroken
from privacy.receipts import LogPosition
from privacy.signing import SigningKey
from privacy.store import Disk

log = logging.getLogger(__name__)

PAUSE: Final = timedelta(hours=1)
"""The longest between two runs of expiry: what falls due before the next goes now."""
EARLIER: Final = 0.9
"""Of that pause: a run may take its time, and nothing is late."""
MOST_LATE: Final = 256
"""Deeds that wait in memory for a medium that takes them again; then the oldest goes."""
_NOBODY: Final = Parties()


@dataclass(eq=False, slots=True)
class _Waiting:
    """Deeds of one caller, who waits for them."""

    deeds: Sequence[Deed]
    may_be_late: bool
    written: bool = False
    why_not: StoreBroken | None = None


class ActivityDesk:
    """Notes deeds, and shows them to whom they concern. Who may ask is not decided here.

    Args:
        names: what people are called, by their ids; asked on the `Disk` thread.
    """

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        *,
        activity: ActivityLog,
        disk: Disk,
        clock: Clock,
        key: SigningKey,
        issuer: str,
        names: Callable[[], Mapping[str, str]],
    ) -> None:
        self._log = activity
        self._disk = disk
        self._clock = clock
        self._key = key
        self._issuer = issuer
        self._names = names
        self._waiting: deque[_Waiting] = deque()
        self._late: deque[Deed] = deque(maxlen=MOST_LATE)

    @property
    def late(self) -> int:
        """How many deeds happened and are not on the disk yet, because it refused."""
        return len(self._late)

    async def note(self, *deeds: Deed) -> None:
        """Note `deeds`; they are on the disk when this returns. Whoever waits together shares one sync.

        Raises:
            StoreBroken: they could not be written; then nothing that they are about may be shown or done.
        """
        waiting = await self._noted(deeds, may_be_late=False)
        if not waiting.written:
            why = waiting.why_not
            raise StoreBroken(
                "this could not be noted in the activity log, and so it is not done",
                hint=(why.hint if why else "") or "see `portvakt doctor`",
            ) from why

    async def note_if_possible(self, *deeds: Deed) -> bool:
        """Note what must go on though the disk refuses: erasing, signing in, what was refused anyway.

        False where it did; then they wait in memory for the next that it takes, and are lost if the process ends first.
        """
        return (await self._noted(deeds, may_be_late=True)).written

    async def keep_limit(self) -> None:
        """Have die what is due, at once and then every hour at the least, and write what is late; for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            await self._disk.run(self._log.expire, PAUSE)
            if self._late:
                await self.note_if_possible()
            await asyncio.sleep(EARLIER * PAUSE.total_seconds())

    async def own(self, person: str, before: int | None, most: int) -> tuple[ActivityView, ...]:
        """The newest `most` lines of `person` with a number below `before`: what they did, and who looked at them."""
        return await self._disk.run(self._own, person, before, most)

    async def all(self, before: int | None, most: int, since: datetime | None = None) -> tuple[ActivityView, ...]:
        """The newest deeds of everybody, of `most` lines at the most, with numbers below `before`, from `since` on."""
        return await self._disk.run(self._all, before, most, since)

    async def checkpoint(self) -> str:
        """The log as it stands now, signed: compact JWS, `privacy.activity_proof`."""
        return await self._disk.run(self._checkpoint)

    async def growth(self, size: int) -> ActivityGrowth:
        """The proof that the log of now grew out of the one with `size` lines.

        Raises:
            Refused: `bad_range`; it never had as many.
        """
        return await self._disk.run(self._growth, size)

    async def proof(self, number: int, person: str | None, since: datetime | None = None) -> ActivityProof:
        """The proof that the line of that number, of `person` (None: of anybody) and from `since` on, is in the log.

        Raises:
            Refused: `unknown_entry`; there is none, or it is another's, or it has been erased.
        """
        return await self._disk.run(self._proof, number, person, since)

    async def _noted(self, deeds: Sequence[Deed], *, may_be_late: bool) -> _Waiting:
        waiting = _Waiting(deeds, may_be_late)
        self._waiting.append(waiting)
        # Each caller brings a turn on the disk's one thread, and the first whose turn comes takes all who wait by then:
        # after one's own turn one has been written. Who is cancelled is written all the same, or with the next.
        await self._disk.run(self._write)
        return waiting

    # -- on the `Disk` thread

    def _write(self) -> None:
        together = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not together:
            return
        late = len(self._late)
        try:
            self._log.append([*self._late, *(deed for each in together for deed in each.deeds)])
        except StoreBroken as error:
            log.warning("the activity log could not be written: %s", error)
            for each in together:
                each.why_not = error
                if each.may_be_late:
                    self._late.extend(each.deeds)
            return
        for _ in range(late):
            self._late.popleft()
        for each in together:
            each.written = True

    def _own(self, person: str, before: int | None, most: int) -> tuple[ActivityView, ...]:
        lines = self._log.lines(person, before, most)
        parties, names = self._log.parties(each.line.deed for each in lines), self._names()
        return tuple(
            _view(each, parties[each.line.deed], names, own=each.line.did, all_concerned=each.line.did)
            for each in lines
        )

    def _all(self, before: int | None, most: int, since: datetime | None) -> tuple[ActivityView, ...]:
        lines = self._log.lines(None, before, most)
        if len(lines) == most and lines[0].line.deed != (last := lines[-1]).line.deed != last.number:
            # The page may end within a deed, whose other lines would make it come again on the next one.
            lines = [each for each in lines if each.line.deed != last.line.deed]
        deeds = {each.line.deed: each for each in lines}  # of each its first line, which comes last
        parties, names = self._log.parties(deeds), self._names()
        return tuple(
            _view(each, parties[deed], names, own=False, all_concerned=True)
            for deed, each in sorted(deeds.items(), reverse=True)
            if since is None or each.at >= since
        )

    def _checkpoint(self) -> str:
        tree = self._log.tree
        position = LogPosition(size=tree.size, root=tree.root().hex())
        return sign_checkpoint(self._key, Checkpoint(iss=self._issuer, at=self._clock.now(), log=position), TYP)

    def _growth(self, size: int) -> ActivityGrowth:
        tree = self._log.tree
        if size > tree.size:
            hint = "was the state directory restored from an older copy, or begun anew?"
            raise Refused("bad_range", f"the activity log has {tree.size} lines and never had {size}", hint=hint)
        path = tuple(node.hex() for node in tree.consistency(size))
        return ActivityGrowth(checkpoint=self._checkpoint(), size=size, path=path)

    def _proof(self, number: int, person: str | None, since: datetime | None) -> ActivityProof:
        found = self._log.line(number)
        if (
            found is None
            or (person is not None and found[0].line.person != person)
            or (since is not None and found[0].at < since)
        ):
            hint = "it may have gone at its time; see `portvakt activity show`"
            raise Refused("unknown_entry", "there is no such line in the activity log", hint=hint)
        _, kept = found
        path = tuple(node.hex() for node in self._log.tree.inclusion(number))
        return ActivityProof(checkpoint=self._checkpoint(), number=number, salt=kept.salt, text=kept.text, path=path)


def _view(shown: Shown, parties: Parties, names: Mapping[str, str], *, own: bool, all_concerned: bool) -> ActivityView:
    line = shown.line
    actor = line.person if line.did else parties.actor or ""
    return ActivityView(
        sequence=shown.number,
        at=shown.at,
        action=line.action,
        allowed=line.allowed,
        code=line.code,
        actor=actor,
        name=names.get(actor, ""),
        role=line.role,
        token=parties.token,
        own=own,
        concerns=parties.concerns if all_concerned else (),
        purpose=line.purpose,
        way=line.way,
        camera=line.camera,
        device=line.device,
        record=line.record,
        genuine=shown.genuine,
    )
