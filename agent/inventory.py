"""What is kept, class by class, against its limit; and the same as metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agent.api.contract import InventoryRow
from privacy.policy import Policy
from privacy.records import RecordClass, Tier
from privacy.store import Store

GRACE = timedelta(minutes=1)
"""Expiry runs at least once a minute, and takes what falls due before its next run; later than this is a failure."""


def inventory(
    stores: Sequence[Store], policies: Mapping[RecordClass, Policy], now: datetime
) -> tuple[InventoryRow, ...]:
    """One row for each record class that a store keeps. Blocks: call it on the `Disk` thread."""
    counts: dict[RecordClass, int] = {}
    oldest: dict[RecordClass, datetime] = {}
    tiers: dict[RecordClass, Tier] = {}
    for store in stores:
        for class_, count, at in store.oldest():
            counts[class_] = counts.get(class_, 0) + count
            tiers[class_] = max(tiers.get(class_, store.tier), store.tier)
            if at is not None:
                oldest[class_] = min(at, oldest.get(class_, at))
    return tuple(
        _row(policies[class_], counts[class_], oldest.get(class_), tiers[class_], now) for class_ in sorted(counts)
    )


def _row(policy: Policy, count: int, oldest: datetime | None, tier: Tier, now: datetime) -> InventoryRow:
    goes = oldest + policy.limit if oldest is not None and policy.limit is not None else None
    return InventoryRow(
        record_class=policy.record_class.value,
        purpose=policy.purpose,
        basis=policy.basis,
        limit=words(policy.limit),
        limit_seconds=policy.limit.total_seconds() if policy.limit else None,
        count=count,
        oldest=oldest,
        next_to_go=goes,
        tier=tier.value,
        overdue=goes is not None and goes + GRACE < now,
    )


def words(limit: timedelta | None) -> str:
    """A limit as people say it."""
    if limit is None:
        return "while in use"
    seconds = int(limit.total_seconds())
    for unit, size, fewest in (("day", 86_400, 4), ("hour", 3_600, 1), ("minute", 60, 1)):
        # "72 hours" is how the promise is worded: days only from four on.
        if seconds % size == 0 and seconds >= fewest * size:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{seconds} seconds"
