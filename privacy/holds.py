"""Holds: the one way in which something outlives its limit, for a reason, for a while, and in everybody's sight.

A hold keeps, and shows nothing: what is held is neither viewed nor uploaded. It ends by itself.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from privacy.errors import HoldRefused
from privacy.hold import Actor, End, Hold, Reason, Renewal, end_of, end_of_first, overlap
from privacy.hold_book import HoldBook
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.seal import RandomBytes
from privacy.sealed_file import reached
from privacy.store import Barrier, Erasure, Exemption
from privacy.timekeeping import Age, Moment
from privacy.uuid7 import uuid7

_encode = msgspec.json.Encoder().encode


class Time(Protocol):
    """What a book of holds asks of a `TimeKeeper`."""

    def now(self) -> datetime: ...

    def moment(self) -> Moment: ...

    def age(self, moment: Moment) -> Age: ...


class Holds:
    """The book of holds, and a `Store` of what stands in it. Every method blocks: call it on the `Disk` thread.

    It is `activity`: who had what kept, and why. While a hold lasts, its record stays; afterwards it goes at the limit.

    A hold ends when it is as old as it may become (`TimeKeeper.age`), whatever the wall clock says; or at its date,
    where both that and the time are known.

    Args:
        barrier: knows what orders reach.

    Raises (all methods):
        StoreBroken: the medium refused; nothing was changed.
    """

    name = "holds"
    classes = frozenset({RecordClass.ACTIVITY})

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        barrier: Barrier,
        time: Time,
        random_bytes: RandomBytes,
    ) -> None:
        self.tier = ring.tier
        self._barrier = barrier
        self._time = time
        self._random_bytes = random_bytes
        self._past: set[str] = set()
        """Came to their date, and it is not yet written down."""
        self._book = HoldBook(directory, ring, time.moment, self._sort)
        self._sort()

    def place(self, reason: Reason, scope: Scope, by: Actor, until: datetime | None = None) -> Hold:
        """Keep what is in `scope`, what is yet to come too, until `until` (None: for 30 days, or as long as may be).

        It keeps what is there. What was erased stays erased. Holds do not add up: what another hold of the same reason
        keeps, or kept, is kept for 30 days from when that was placed.

        Raises:
            HoldRefused: `code` is `empty_scope`, `bad_range`, `nobody_named`, `bad_end`, `again` or `ordered`.
        """
        if not scope.named:
            raise HoldRefused("empty_scope", "its scope names nothing", hint="say what to keep")
        if scope.backwards:
            raise HoldRefused("bad_range", "its scope ends before it begins", hint="say from when, and up to when")
        if reason is Reason.PERSONS_REQUEST and not scope.subjects:
            raise HoldRefused("nobody_named", "a person's request concerns that person", hint="name them in the scope")
        now, moment = self._now()
        until = end_of_first(now, until, reason, scope, self._book.holds.values())
        self._refuse_what_is_ordered(scope)
        hold_id = uuid7(now, self._random_bytes)
        return self._write(Hold(id=hold_id, reason=reason, scope=scope, by=by, made=now, moment=moment, until=until))

    def renew(self, hold_id: str, by: tuple[Actor, Actor], until: datetime | None = None) -> Hold:
        """Let a hold last until `until` (None: for 30 days from now): once, by two people of different roles.

        Raises:
            HoldRefused: `code` is `unknown_hold`, `ended`, `renewed`, `one_role`, `bad_end` or `ordered`.
        """
        hold = self._one_active(hold_id)
        if hold.renewed:
            raise HoldRefused("renewed", "it was renewed before", hint="a hold is renewed once; let it end")
        one, other = by
        if one.id == other.id or one.role is other.role:
            raise HoldRefused(
                "one_role", "two people renew a hold, each in a role of their own", hint="ask somebody in another role"
            )
        now, moment = self._now()
        until = end_of(now, until)
        if until <= hold.until:
            raise HoldRefused("bad_end", "it lasts as long without that", hint="to end it sooner, release it")
        self._refuse_what_is_ordered(hold.scope)
        return self._write(msgspec.structs.replace(hold, until=until, renewed=Renewal(now, by, moment)))

    def release(self, hold_id: str, by: Actor) -> Hold:
        """End a hold. What it kept past its limit goes with the next run of expiry; an order that waits, at once.

        Raises:
            HoldRefused: `code` is `unknown_hold` or `ended`.
        """
        hold = self._one_active(hold_id)
        return self._write(msgspec.structs.replace(hold, ended=End(self._now()[0], by)))

    def end_due(self) -> list[Hold]:
        """Write down which holds have come to their date since the last call, and return them.

        They ended without this; with it they stay ended, whatever becomes of the clock. An order may have waited.
        """
        self._active()
        past = [self._book.holds[hold_id] for hold_id in sorted(self._past)]
        return [self._write(msgspec.structs.replace(hold, ended=End(hold.until, None))) for hold in past]

    def active(self) -> tuple[Hold, ...]:
        """The holds that last, the one that lasts longest first."""
        return tuple(self._active())

    def held(self, item: Item) -> Hold | None:
        """The hold that keeps `item`, of several the one that lasts longest. Quick: ask for each record."""
        for hold in self._active():
            if hold.keeps(item):
                return hold
        return None

    def history(self) -> tuple[Hold, ...]:
        """Every hold that is remembered, the oldest first."""
        return tuple(sorted(self._book.holds.values(), key=lambda hold: (hold.made, hold.id)))

    def expire(self, limit: timedelta) -> int:
        """Forget the holds that have ended and were made `limit` ago, the limit of `activity`; returns how many."""
        past = self._time.now() - limit
        old = (hold for hold in self._book.holds.values() if hold.made <= past or self._age(hold.moment) >= limit)
        over = {hold.id for hold in old if not self._keeper(_item(hold))}
        self._book.forget(over)
        return len(over)

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time is known (`redated` is `TimeKeeper.redated`): date every hold, which lasts as long as before.

        One of an earlier boot that never learnt the time is taken to be as old as it is at least.
        """

        def anew(moment: Moment) -> Moment:
            told = redated(moment)
            return told if told.trusted else self._time.moment().later(-self._age(moment))

        self._book.revise(lambda hold: hold.dated(anew))

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        """As `Store.find`."""
        return (item for item in self._items() if reached(scope, before, item))

    def count(self, scope: Scope, before: datetime) -> int:
        """As `Store.count`."""
        return sum(1 for _ in self.find(scope, before))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        """As `Store.erase`. While a hold lasts, its own record is needed, and stays."""
        found = list(self.find(scope, before))
        keepers = [keeper for item in found if (keeper := self._keeper(item))]
        self._book.forget({item.id for item in found if not self._keeper(item)})
        self._book.forget_unread()
        kept = Counter((keeper.reason.value, keeper.until) for keeper in keepers)
        exemptions = tuple(Exemption(reason=reason, count=n, due=due) for (reason, due), n in sorted(kept.items()))
        return Erasure(len(found), len(found) - len(keepers), len(keepers), exemptions=exemptions)

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:  # noqa: ARG002 - no marks
        """As `Store.scan`, without marks: counts lines, of which a hold has several."""
        return self._book.scan(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """As `Store.export`, as JSON."""
        return ((item, _encode(hold)) for hold in self.history() if scope.covers(item := _item(hold)))

    def oldest(self) -> tuple[tuple[RecordClass, int, datetime | None], ...]:
        """As `Store.oldest`. One that lasts is counted, and is not old: it has an end of its own."""
        times = [item.at for item in self._items() if item.at and not self._keeper(item)]
        return ((RecordClass.ACTIVITY, len(self._items()), min(times, default=None)),)

    def _write(self, hold: Hold) -> Hold:
        self._book.write(hold)
        self._past.discard(hold.id)
        return hold

    def _sort(self) -> None:
        """The one that lasts longest comes first."""
        lasting = [hold for hold in self._book.holds.values() if not hold.ended and hold.id not in self._past]
        self._lasting = sorted(lasting, key=lambda hold: hold.until, reverse=True)

    def _active(self) -> list[Hold]:
        if self._lasting:
            now = self._time.moment()
            past = {hold.id for hold in self._lasting if self._is_over(hold, now)}
            if past:
                self._past |= past
                self._sort()
        return self._lasting

    def _is_over(self, hold: Hold, now: Moment) -> bool:
        dated = now.trusted and hold.since.trusted
        return self._age(hold.since) >= hold.length or (dated and hold.until <= now.wall)

    def _age(self, moment: Moment) -> timedelta:
        return self._time.age(moment).at_least

    def _now(self) -> tuple[datetime, Moment]:
        """The time to go by, and this moment in every way that is known.

        Where the time is not known, the best belief may stand still; it is later than each hold by the age of that.
        """
        moment = self._time.moment()
        if moment.trusted:
            return moment.wall, moment
        passed = (hold.made + self._age(hold.moment) for hold in self._book.holds.values())
        return max([self._time.now(), *passed]), moment

    def _one_active(self, hold_id: str) -> Hold:
        hold = self._book.holds.get(hold_id)
        if hold is None:
            raise HoldRefused("unknown_hold", "there is no such hold", hint="`portvakt holds` lists them")
        if hold not in self._active():
            raise HoldRefused(
                "ended", f"it ended at {hold.over:%Y-%m-%d %H:%M} UTC", hint="place another, with a reason"
            )
        return hold

    def _refuse_what_is_ordered(self, scope: Scope) -> None:
        for ordered, reach in self._barrier.raised():
            end = min(ordered.end, reach) if ordered.end else reach
            if overlap(scope, msgspec.structs.replace(ordered, end=end)):
                raise HoldRefused(
                    "ordered",
                    "an order is erasing some of that",
                    hint=f"begin after {reach:%Y-%m-%d %H:%M:%S} UTC, or wait until the order has its receipts",
                )

    def _items(self) -> list[Item]:
        unreadable = (Item(owner, RecordClass.ACTIVITY, None) for owner in self._book.unreadable())
        return [*map(_item, self._book.holds.values()), *unreadable]

    def _keeper(self, item: Item) -> Hold | None:
        """The hold for which that record stays: the one it is of, while that lasts, or one that keeps it."""
        own = self._book.holds.get(item.id)
        return own if own in self._active() else self.held(item)


def _item(hold: Hold) -> Item:
    return Item(hold.id, RecordClass.ACTIVITY, hold.made, subjects=hold.people)
