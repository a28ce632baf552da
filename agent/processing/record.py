"""The record of processing activities (GDPR, article 30), out of what runs: policy, stores, configuration, registers.

No word of it is written by hand but those of the policy's own files: it says what the gateway does, not what somebody
once meant it to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.api.contract import InventoryRow
from agent.config.model import Config
from agent.processing.contract import (
    Controller,
    DisclosedTo,
    ProcessingRow,
    ProcessorAgreementView,
    Recipient,
    RecordOfProcessing,
)
from agent.processing.disclosures import EEA, Receiver
from agent.rights.table import TABLE
from privacy.policy import Policy
from privacy.records import RecordClass, Tier

LEAVES: Mapping[RecordClass, str] = {
    RecordClass.OP_LOG: "redacted log lines",
    RecordClass.RECEIPT: "signed receipts, which name nobody",
}
"""What `agent.cloud.link` sends, class by class; its `hello` says which software runs, and how far the log of receipts
has come."""
TIERS: Mapping[Tier, str] = {
    Tier.HARDWARE_SLOT: "tier A: erased by destroying a key in hardware",
    Tier.OVERWRITTEN_IN_PLACE: "tier B: erased by overwriting a key in place, best effort on flash",
    Tier.UNLINKED: "tier C: erased by removing files",
}
_LOGGED: Mapping[RecordClass, str] = {
    RecordClass.ACTIVITY: "tamper-evident Merkle log",
    RecordClass.RECEIPT: "signed, in a tamper-evident Merkle log",
}
_UNSEALED_BY_PERSON = frozenset({RecordClass.RECEIPT, RecordClass.ORDER_JOURNAL})
"""What erasures leave, so that they can be shown to have happened: it is under a key that stays, and names nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs, for as long as it runs."""

    gateway: str
    version: str
    controller: Controller | None
    """As configured."""
    systems: tuple[str, ...]
    tier: Tier
    """Of the root of the keys."""
    cloud: str | None
    """The broker's host, where one is configured."""
    policies: Mapping[RecordClass, Policy]


def running(config: Config, version: str, tier: Tier, policies: Mapping[RecordClass, Policy]) -> Running:
    """What the configuration says of it, and the rest."""
    who = config.controller
    return Running(
        gateway=config.gateway.id,
        version=version,
        controller=Controller(name=who.name, contact=who.contact) if who else None,
        systems=config.gateway.systems,
        tier=tier,
        cloud=config.cloud.host if config.cloud else None,
        policies=policies,
    )


def record_of_processing(
    runs: Running,
    *,
    at: datetime,
    kept: Iterable[InventoryRow],
    agreements: Iterable[ProcessorAgreementView],
    disclosed: Mapping[Receiver, int],
) -> RecordOfProcessing:
    """The record as of `at`, of what `runs`.

    `kept` has a row for each class that this gateway can keep; of the `agreements` those that last count; `disclosed`
    says how often something was disclosed, to whom.
    """
    cloud, lasting = runs.cloud, [agreement for agreement in agreements if agreement.lasts]
    rows = []
    for each in kept:
        class_ = RecordClass(each.record_class)
        policy, recipients = runs.policies[class_], tuple(_recipients(class_, cloud, lasting))
        rows.append(
            ProcessingRow(
                record_class=class_,
                purpose=policy.purpose,
                basis=policy.bases,
                people=policy.people,
                data=policy.data,
                recipients=recipients,
                transfers=tuple(f"{one.country} ({one.name})" for one in recipients if one.third_country),
                limit=each.limit,
                safeguards=tuple(_safeguards(class_, Tier(each.tier), cloud)),
                rights=tuple(row.about for row in TABLE.rows.values() if class_ in row.classes),
                count=each.count,
                oldest=each.oldest,
            )
        )
    return RecordOfProcessing(
        gateway=runs.gateway,
        version=runs.version,
        at=at,
        controller=runs.controller,
        systems=runs.systems,
        tier=TIERS[runs.tier],
        rows=tuple(rows),
        disclosed=tuple(DisclosedTo(receiver=receiver, count=count) for receiver, count in disclosed.items()),
    )


def _recipients(
    class_: RecordClass, cloud: str | None, agreements: list[ProcessorAgreementView]
) -> Iterator[Recipient]:
    if cloud and class_ in LEAVES:
        yield Recipient(name=f"the backend at {cloud}", what=LEAVES[class_])
    for agreement in agreements:
        if class_ in agreement.classes:
            third = agreement.country not in EEA
            what = f"by the agreement {agreement.reference}".rstrip()
            yield Recipient(name=agreement.name, what=what, country=agreement.country, third_country=third)


def _safeguards(class_: RecordClass, tier: Tier, cloud: str | None) -> Iterator[str]:
    if class_ in _UNSEALED_BY_PERSON:
        yield "sealed under a key that survives erasure; names nobody"
    else:
        yield "sealed under keys that die with the record"
    yield TIERS[tier]
    if logged := _LOGGED.get(class_):
        yield logged
    if cloud and class_ is RecordClass.OP_LOG:
        yield "redacted before it leaves; what is in doubt stays"
    yield "who may do what is decided by one table of rights"
