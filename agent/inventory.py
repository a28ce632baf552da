"""What is kept, class by class, against its limit; and the same as metrics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.api.contract import InventoryRow
from privacy.policy import Policy
from privacy.records import RecordClass, Tier
from privacy.store import Store

GRACE = timedelta(minutes=1)
"""Expiry takes what falls due before its next run, so that nothing is late; later than this is a failure."""


@dataclass(frozen=True, slots=True)
class Shortened:
    """Limits below the policy's, as a site sets them for each source: in words, and when the next record goes."""

    limit: str
    next_to_go: datetime | None


def inventory(
    stores: Sequence[Store],
    policies: Mapping[RecordClass, Policy],
    now: datetime,
    *,
    shortened: Mapping[RecordClass, Shortened] | None = None,
    others: Iterable[tuple[RecordClass, int, datetime | None]] = (),
) -> tuple[InventoryRow, ...]:
    """One row for each record class that is kept here. Blocks: call it on the `Disk` thread.

    Args:
        stores: every store.
        policies: each class's purpose, basis and limit.
        now: wall time.
        shortened: the classes of which some records live under shorter limits than the policy's.
        others: what is kept outside the stores, because no erasure reaches it: class, count, oldest.
    """
    counts: dict[RecordClass, int] = {}
    oldest: dict[RecordClass, datetime] = {}
    tiers: dict[RecordClass, Tier] = {}
    rows = [(store.tier, row) for store in stores for row in store.oldest()]
    rows += [(Tier.UNLINKED, row) for row in others]
    for tier, (class_, count, at) in rows:
        counts[class_] = counts.get(class_, 0) + count
        tiers[class_] = max(tiers.get(class_, tier), tier)
        if at is not None:
            oldest[class_] = min(at, oldest.get(class_, at))
    return tuple(
        _row(policies[c], counts[c], oldest.get(c), tiers[c], now=now, shortened=(shortened or {}).get(c))
        for c in sorted(counts)
    )


def _row(  # noqa: PLR0913 - one class's share of the maps above
    policy: Policy, count: int, oldest: datetime | None, tier: Tier, *, now: datetime, shortened: Shortened | None
) -> InventoryRow:
    goes = oldest + policy.limit if oldest is not None and policy.limit is not None else None
    if shortened is not None and shortened.next_to_go is not None:
        goes = min(goes or shortened.next_to_go, shortened.next_to_go)
    return InventoryRow(
        record_class=policy.record_class.value,
        purpose=policy.purpose,
        basis=policy.basis,
        limit=shortened.limit if shortened else words(policy.limit),
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
    seconds = limit.total_seconds()
    for unit, size, fewest in (("day", 86_400, 4), ("hour", 3_600, 1), ("minute", 60, 1), ("second", 1, 1)):
        # "72 hours" is how the promise is worded: days only from four on.
        if seconds % size == 0 and seconds >= fewest * size:
            return f"{seconds // size:g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} seconds"
