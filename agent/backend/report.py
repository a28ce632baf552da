"""What the folder says, as rows."""

from datetime import datetime, timedelta

import msgspec

from agent.backend.service import verified
from agent.backend.state import State
from privacy.errors import ReceiptInvalid


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt. What does not verify has only `gateway`, `valid` and `problem`."""

    gateway: str
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
    receipt_key: str
    """Its key id."""


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    gateway: str
    last_hello: datetime | None
    pending: int
    overdue: int
    oldest_pending: datetime | None


def receipts(state: State) -> list[ReceiptRow]:
    """Every receipt, verified anew."""
    _, issuer = state.issuer()
    rows = []
    for keeper in state:
        for jws in keeper.receipts():
            try:
                receipt = verified(keeper, jws, issuer)
            except ReceiptInvalid as error:
                rows.append(ReceiptRow(gateway=keeper.id, valid=False, problem=str(error), jws=jws))
                continue
            rows.append(
                ReceiptRow(
                    gateway=keeper.id,
                    order=receipt.order.id,
                    kind=receipt.kind,
                    at=receipt.at,
                    complete=receipt.complete,
                    found=sum(line.found for line in receipt.stores),
                    erased=sum(line.erased for line in receipt.stores),
                    valid=True,
                    jws=jws,
                )
            )
    return rows


def hellos(state: State) -> list[HelloRow]:
    """The last hello of each gateway that said one."""
    return [
        HelloRow(
            gateway=keeper.id,
            at=last.at,
            epoch=last.hello.epoch,
            software=last.hello.software,
            last_sequences=last.hello.last_sequences,
            receipts=last.hello.receipts,
            receipt_key=last.hello.receipt_key.kid,
        )
        for keeper in state
        if (last := keeper.last_hello())
    ]


def fleet(state: State, now: datetime, allowed: timedelta) -> list[FleetRow]:
    """Each gateway, and what it owes us."""
    rows = []
    for keeper in state:
        last = keeper.last_hello()
        pending = keeper.pending()
        rows.append(
            FleetRow(
                gateway=keeper.id,
                last_hello=last.at if last else None,
                pending=len(pending),
                overdue=len(keeper.overdue(now, allowed)),
                oldest_pending=min((order.issued for order in pending), default=None),
            )
        )
    return rows
