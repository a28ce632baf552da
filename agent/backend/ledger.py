"""What gateways say of their logs, held against what is here: as it comes in, and as it lies here.

Whatever contradicts is kept as an alarm, and is not taken.
"""

from dataclasses import dataclass

import msgspec

from agent.backend.gateway_log import Contradiction, GatewayLog
from agent.backend.state import Alarm, GatewayState, State, public_jwk
from agent.cloud.messages import MOST_LACKING, Hello, PublicKey
from privacy.clock import Clock
from privacy.errors import ReceiptInvalid, StoreBroken
from privacy.receipts import Receipt, verify_receipt
from privacy.records import UuidV7


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm, and whether it is a new one."""

    alarm: Alarm
    new: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a receipt: it is here, unless there is an alarm."""

    receipt: Receipt
    new: bool
    alarm: Raised | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a hello tells."""

    first: bool
    """Its receipt key was pinned now."""
    lacking: tuple[int, ...]
    """The first places in its log whose receipts are not here, of those that it still has."""
    missing: int
    """How many there are of those."""
    lost: int
    """How many of them were acknowledged: they were here once."""
    alarm: Raised | None


@dataclass(frozen=True, slots=True)
class Examined:
    """A receipt as it lies here. One that has a `problem` is in no log."""

    jws: str
    receipt: Receipt | None
    problem: str = ""


class Ledger:
    """Takes hellos and receipts. Every method blocks; one at a time.

    Raises (all methods):
        StoreBroken: the folder could not be read or written; what came was not taken.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._logs: dict[tuple[str, PublicKey], GatewayLog] = {}
        """Read once. Nobody else writes receipts while we serve."""

    def take(self, keeper: GatewayState, jws: str) -> Taken:
        """Verify a receipt, and put it in its place in the log.

        Raises:
            ReceiptInvalid: it proves nothing.
        """
        _, issuer = self._state.issuer()
        receipt = verified(keeper, jws, issuer)
        order, kind = receipt.order.id, receipt.kind
        try:
            if keeper.holds(order, kind, jws):
                return Taken(receipt, new=False)
            self._log(keeper, issuer).add(receipt, jws)
        except Contradiction as problem:
            code, detail = problem.code, str(problem)
            held = keeper.receipt(order, kind)
            evidence = (jws,) if held is None else (jws, held)
            if held is not None and _fails(keeper, held, issuer):
                code, detail = "damaged", f"the {kind} receipt of order {order} that lies here was changed here"
            alarm = Alarm(at=self._clock.now(), code=code, detail=detail, order=order, kind=kind, receipts=evidence)
            return Taken(receipt, new=False, alarm=Raised(alarm, new=keeper.add_alarm(alarm)))
        try:
            keeper.add_receipt(order, kind, jws)
        except StoreBroken:
            self._logs.clear()  # what is on disk counts, and is read again
            raise
        return Taken(receipt, new=True)

    def greet(self, keeper: GatewayState, hello: Hello) -> Greeting:
        """Note a hello, and hold its head against what is here.

        Raises:
            Refused: as `GatewayState.pin`; nothing was noted.
        """
        first = keeper.pin(hello)
        last = keeper.last_hello()
        _, issuer = self._state.issuer()
        log = self._log(keeper, issuer)
        raised = None
        # The broker may deliver an old hello again, after we have heard of more.
        if last is None or hello.id not in last.ids:
            try:
                log.hear(hello.log)
            except Contradiction as problem:
                alarm = Alarm(at=self._clock.now(), code=problem.code, detail=str(problem), head=hello.log)
                raised = Raised(alarm, new=keeper.add_alarm(alarm))
        keeper.note_hello(hello, self._clock.now(), log.heads(), credible=raised is None)
        return Greeting(
            first=first,
            lacking=tuple(log.missing_positions(MOST_LACKING, hello.first)),
            missing=log.missing,
            lost=max(0, hello.acknowledged - log.held),
            alarm=raised,
        )

    def _log(self, keeper: GatewayState, issuer: str) -> GatewayLog:
        """The log that is signed with the present key."""
        key = keeper.receipt_key()
        if key is None:
            raise ReceiptInvalid("a receipt of a gateway that has not said hello")
        if (keeper.id, key) not in self._logs:
            _, logs = examine(keeper, issuer)
            self._logs[keeper.id, key] = logs[key]
        return self._logs[keeper.id, key]


def examine(keeper: GatewayState, issuer: str) -> tuple[list[Examined], dict[PublicKey, GatewayLog]]:
    """Verify every receipt of a gateway anew, and their logs: for each of its keys, the present one last."""
    enrolment = keeper.enrolment()
    known = (*enrolment.former, enrolment.key) if enrolment else ()
    keys = list(dict.fromkeys(key for key in known if key))
    logs = {key: GatewayLog() for key in keys}
    found: list[tuple[PublicKey, Receipt, str]] = []
    examined = []
    for jws in keeper.receipts():
        try:
            found.append(_by_any(keeper, jws, issuer, keys))
        except ReceiptInvalid as error:
            examined.append(Examined(jws, None, str(error)))
    for key, receipt, jws in sorted(found, key=lambda each: (keys.index(each[0]), each[1].log.size)):
        try:
            logs[key].add(receipt, jws)
        except Contradiction as problem:
            examined.append(Examined(jws, receipt, str(problem)))
        else:
            examined.append(Examined(jws, receipt))
    last = keeper.last_hello()
    if last and (log := logs.get(last.hello.receipt_key)):
        for head in last.heads:
            try:
                log.claim(head)
            except Contradiction as problem:
                examined.append(Examined("", None, str(problem)))
    return examined, logs


def verified(keeper: GatewayState, jws: str, issuer: str, key: PublicKey | None = None) -> Receipt:
    """Check a receipt: signed with this gateway's key, about this gateway, and about the order as it was sent.

    A receipt for an order of another issuer than `issuer`, us, is checked as far as it can be: the owner's own wipe.

    Args:
        keeper: the gateway.
        jws: the receipt.
        issuer: our own name.
        key: instead of the key of the present epoch.

    Raises:
        ReceiptInvalid: it proves nothing.
    """
    key = key or keeper.receipt_key()
    if key is None:
        raise ReceiptInvalid("a receipt of a gateway that has not said hello")
    receipt = verify_receipt(jws, public_jwk(key))
    gateway, _, _ = receipt.iss.rpartition("/")
    if gateway != keeper.id:
        raise ReceiptInvalid("a receipt in another gateway's name")
    try:
        msgspec.convert(receipt.order.id, UuidV7)
    except msgspec.ValidationError as error:
        raise ReceiptInvalid("a receipt about something that is no order id") from error
    order = keeper.order(receipt.order.id)
    if order is None and receipt.order.issuer == issuer:
        raise ReceiptInvalid(f"a receipt about order {receipt.order.id}, which was never issued here")
    if order is not None and (order.sha256, order.audience) != (receipt.order.sha256, receipt.iss):
        raise ReceiptInvalid(f"this receipt is about another text of order {order.id} than the one that was sent")
    return receipt


def _by_any(keeper: GatewayState, jws: str, issuer: str, keys: list[PublicKey]) -> tuple[PublicKey, Receipt, str]:
    """The key that verifies a receipt, the receipt, and its text; the present key's complaint if none does."""
    problem = ReceiptInvalid("a receipt of a gateway that has not said hello")
    for key in keys:
        try:
            return key, verified(keeper, jws, issuer, key), jws
        except ReceiptInvalid as error:
            problem = error
    raise problem


def _fails(keeper: GatewayState, jws: str, issuer: str) -> bool:
    try:
        verified(keeper, jws, issuer)
    except ReceiptInvalid:
        return True
    return False
