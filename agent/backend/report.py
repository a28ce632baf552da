"""What the folder says, as rows."""

from datetime import datetime, timedelta

import msgspec

from agent.backend.ledger import Examined, examine
from agent.backend.state import GatewayState, State


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt, or one alarm. What does not verify has only `gateway`, `valid` and `problem`."""

    gateway: str
    position: int | None = None
    """In the gateway's log, counted from 0."""
    order: str = ""
    kind: str = ""
    at: datetime | None = None
    complete: bool | None = None
    found: int = 0
    erased: int = 0
    valid: bool
    problem: str = ""
    jws: str


class HelloRow(msgspec.Struct, frozen=True, kw_only=True):
    gateway: str
    at: datetime
    epoch: int
    software: str
    last_sequences: dict[str, int]
    receipts: int
    """How many it has issued, by the head of its log."""
    receipt_key: str
    """Its key id."""


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    gateway: str
    last_hello: datetime | None
    pending: int
    overdue: int
    oldest_pending: datetime | None
    receipts: int
    """Verified anew, and in their place in its log."""
    missing: int
    """How many more its log must have."""
    invalid: int
    """How many here do not verify, or contradict the others."""
    alarms: int
    last_alarm: str

    @property
    def well(self) -> bool:
        """Whether there is nothing to look into."""
        return not (self.overdue or self.invalid or self.alarms)


def receipts(state: State) -> list[ReceiptRow]:
    """Every receipt, verified anew, in the order of the gateway's log; after them its alarms."""
    _, issuer = state.issuer()
    rows = []
    for keeper in state:
        rows += [_row(keeper, each) for each in examine(keeper, issuer)[0]]
        rows += [
            ReceiptRow(
                gateway=keeper.id,
                order=alarm.order,
                kind=alarm.kind,
                at=alarm.at,
                valid=False,
                problem=f"alarm ({alarm.code}): {alarm.detail}",
                jws=alarm.receipts[0] if alarm.receipts else "",
            )
            for alarm in keeper.alarms()
        ]
    return rows


def _row(keeper: GatewayState, examined: Examined) -> ReceiptRow:
    receipt = examined.receipt
    if receipt is None:
        return ReceiptRow(gateway=keeper.id, valid=False, problem=examined.problem, jws=examined.jws)
    return ReceiptRow(
        gateway=keeper.id,
        position=receipt.log.size,
        order=receipt.order.id,
        kind=receipt.kind,
        at=receipt.at,
        complete=receipt.complete,
        found=sum(line.found for line in receipt.stores),
        erased=sum(line.erased for line in receipt.stores),
        valid=not examined.problem,
        problem=examined.problem,
        jws=examined.jws,
    )


def hellos(state: State) -> list[HelloRow]:
    """The last hello of each gateway that said one."""
    return [
        HelloRow(
            gateway=keeper.id,
            at=last.at,
            epoch=last.hello.epoch,
            software=last.hello.software,
            last_sequences=last.hello.last_sequences,
            receipts=last.hello.log.size,
            receipt_key=last.hello.receipt_key.kid,
        )
        for keeper in state
        if (last := keeper.last_hello())
    ]


def fleet(state: State, now: datetime, allowed: timedelta) -> list[FleetRow]:
    """Each gateway, and what it owes us."""
    _, issuer = state.issuer()
    rows = []
    for keeper in state:
        last = keeper.last_hello()
        pending = keeper.pending()
        examined, logs = examine(keeper, issuer)
        alarms = keeper.alarms()
        rows.append(
            FleetRow(
                gateway=keeper.id,
                last_hello=last.at if last else None,
                pending=len(pending),
                overdue=len(keeper.overdue(now, allowed)),
                oldest_pending=min((order.issued for order in pending), default=None),
                receipts=sum(log.held for log in logs.values()),
                missing=sum(log.missing for log in logs.values()),
                invalid=sum(bool(each.problem) for each in examined),
                alarms=len(alarms),
                last_alarm=alarms[-1].detail if alarms else "",
            )
        )
    return rows
