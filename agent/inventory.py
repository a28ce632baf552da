"""What is kept, class by class, against its limit; and the same as metrics."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.api.contract import InventoryRow, WaitingOrder
from camera.vault.vault import Vault
from privacy.hold import Hold, overlap
from privacy.holds import Holds
from privacy.journal import Journal
from privacy.policy import Event, Policy
from privacy.receipts import stated
from privacy.records import RecordClass, Scope, Tier
from privacy.store import Store

GRACE: Final = timedelta(minutes=1)
"""Expiry takes what falls due before its next run, so that nothing is late; later than this is a failure."""
_EVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one store keeps of one class."""

    record_class: RecordClass
    tier: Tier
    count: int
    oldest: datetime | None = None
    """Of what no hold keeps."""
    due: datetime | None = None
    """When the first of that has to be gone, where the store knows better than the policy's limit."""
    held: int = 0
    held_until: datetime | None = None
    hidden: int = 0
    limit: str = ""
    """In words, where some of it lives under shorter limits than the policy's."""
    waiting: tuple[WaitingOrder, ...] = ()
    """Orders that cannot be finished while a hold lasts."""


def inventory(
    kept: Iterable[Iterable[Kept]], policies: Mapping[RecordClass, Policy], now: datetime
) -> tuple[InventoryRow, ...]:
    """One row for each record class that is kept here, by name.

    Args:
        kept: what each store keeps.
        policies: each class's purpose, basis and limit.
        now: the time, as well as the gateway knows it.
    """
    rows: dict[RecordClass, Kept] = {}
    for one in (one for store in kept for one in store):
        known = rows.get(one.record_class)
        rows[one.record_class] = _together(known, one) if known else one
    return tuple(_row(policies[class_], rows[class_], now) for class_ in sorted(rows))


def of_vault(vault: Vault, limits: Iterable[timedelta], hidden: int) -> list[Kept]:
    """What the vault keeps; `hidden` is how much of that is not shown. Blocks: call it on the `Disk` thread.

    `limits` are those of new pictures; the older may have been stored under others.
    """
    stands = vault.standing()
    under = stands.limits.union(limits)
    shortest, longest = words(min(under)), words(max(under))
    return [
        Kept(
            RecordClass.SNAPSHOT,
            vault.tier,
            stands.count,
            stands.oldest,
            stands.due,
            held=stands.held,
            held_until=stands.held_until,
            hidden=hidden,
            limit=shortest if shortest == longest else f"{shortest} to {longest}, by camera",
        )
    ]


def of_journal(journal: Journal, holds: Holds) -> list[Kept]:
    """What the journal keeps; as old as its first verified receipt. Blocks: call it on the `Disk` thread.

    It is no store, because no erasure reaches it.
    """
    contents = journal.contents()
    waiting = tuple(_waiting(journal, holds))
    return [
        Kept(RecordClass.RECEIPT, Tier.UNLINKED, contents.receipts, contents.oldest),
        Kept(RecordClass.ORDER_JOURNAL, Tier.UNLINKED, contents.orders, contents.oldest, waiting=waiting),
    ]


def _waiting(journal: Journal, holds: Holds) -> Iterator[WaitingOrder]:
    """The open orders whose first receipt says that something is left, and the holds that may keep it."""
    open_orders = {order.id: order for order in journal.unfinished()}
    for issued in journal.receipts():
        order = open_orders.get(issued.order)
        said = stated(issued.jws) if order and issued.kind == "erased" else None
        if order and said and (left := sum(line.left for line in said.stores)):
            ends = [hold.until for hold in holds.active() if overlap(hold.scope, order.scope)]
            if ends:
                yield WaitingOrder(order=order.id, left=left, until=max(ends))


def of_store(store: Store, holds: Holds) -> list[Kept]:
    """What any other store keeps. Blocks: call it on the `Disk` thread."""
    return [_of_class(store, holds, *row) for row in store.oldest()]


def words(limit: timedelta) -> str:
    """A limit as people say it."""
    seconds = limit.total_seconds()
    for unit, size, fewest in (("day", 86_400, 4), ("hour", 3_600, 1), ("minute", 60, 1), ("second", 1, 1)):
        # "72 hours" is how the promise is worded: days only from four on.
        if seconds % size == 0 and seconds >= fewest * size:
            return f"{seconds // size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} seconds"


def _of_class(store: Store, holds: Holds, class_: RecordClass, count: int, oldest: datetime | None) -> Kept:
    """The records themselves are read only where a hold may keep some of them."""
    if not any(_means(hold, class_) for hold in holds.active()):
        return Kept(class_, store.tier, count, oldest)
    items = list(store.find(Scope(classes=(class_,)), _EVER))
    keepers = [(item, holds.held(item)) for item in items]
    ends = [hold.until for _, hold in keepers if hold]
    free = [item.at for item, hold in keepers if not hold and item.at]
    return Kept(class_, store.tier, count, _earlier(oldest, free), held=len(ends), held_until=max(ends, default=None))


def _earlier(oldest: datetime | None, free: list[datetime]) -> datetime | None:
    """The oldest of what is free; not before what the store itself calls old."""
    return max(min(free), oldest) if free and oldest else None


def _means(hold: Hold, class_: RecordClass) -> bool:
    scope = hold.scope
    return not scope.classes or class_ in scope.classes


def _together(one: Kept, other: Kept) -> Kept:
    """What two stores keep of one class; of their tiers the worse is what can be promised."""
    return Kept(
        one.record_class,
        max(one.tier, other.tier),
        one.count + other.count,
        _first(one.oldest, other.oldest),
        _first(one.due, other.due),
        held=one.held + other.held,
        held_until=max(filter(None, (one.held_until, other.held_until)), default=None),
        hidden=one.hidden + other.hidden,
        limit=one.limit or other.limit,
        waiting=one.waiting + other.waiting,
    )


def _first(*times: datetime | None) -> datetime | None:
    return min(filter(None, times), default=None)


def _row(policy: Policy, kept: Kept, now: datetime) -> InventoryRow:
    by_policy = kept.oldest + policy.limit if kept.oldest is not None and policy.limit is not None else None
    goes = _first(kept.due, by_policy)
    return InventoryRow(
        record_class=policy.record_class.value,
        purpose=policy.purpose,
        basis=policy.basis,
        limit=kept.limit or _said(policy),
        limit_seconds=policy.limit.total_seconds() if policy.limit else None,
        count=kept.count,
        oldest=kept.oldest,
        next_to_go=goes,
        tier=kept.tier.value,
        held=kept.held,
        held_until=kept.held_until,
        hidden=kept.hidden,
        waiting=kept.waiting,
        overdue=goes is not None and goes + GRACE < now,
    )


def _said(policy: Policy) -> str:
    """The limit in words; where it waits for an event, which, and which system says so."""
    captured = [limit.said for limit in policy.limits if limit.after is Event.CAPTURED]
    return captured[0] if captured else " or ".join(map(str, policy.limits))
