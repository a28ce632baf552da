"""Where orders arrive: verify, journal, and say what became of it. Nothing else is affected by what is refused."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.cloud.allowance import Allowance
from privacy.clock import Clock
from privacy.errors import OrderRefused
from privacy.orders import PurgeOrder, verify_order
from privacy.seal import sha256_hex
from privacy.signing import Trust

REPORTS_AT_ONCE = 20
"""Refusals that are reported in a row; somebody who floods us must not fill the log or the uplink."""
SECONDS_PER_REPORT = 6.0


@dataclass(frozen=True, slots=True)
class Admitted:
    """The order stands in the journal, on disk."""

    order: str
    new: bool
    """False when this id stood there before: it gets the same receipts again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not an order for us. `report` is False when too many were reported lately."""

    code: str
    sha256: str
    report: bool


class OrderDesk:
    """Takes what comes in as an order.

    Args:
        audience: gateway and enrolment epoch, `<gateway>/<epoch>`.
        trust: whose orders count.
        admit: `Eraser.admit`: journals, and returns False for an id that it knows.
        known: `Journal.known`: such an order gets its receipts again, even after its end.
        refused: told (code, SHA-256 of the payload) of each refusal that is reported; for the operation log.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        audience: str,
        trust: Trust,
        clock: Clock,
        admit: Callable[[PurgeOrder], Awaitable[bool]],
        refused: Callable[[str, str], None],
        known: Callable[[str], bool] = lambda _id: False,
    ) -> None:
        self._audience = audience
        self._trust = trust
        self._clock = clock
        self._admit = admit
        self._tell_refused = refused
        self._known = known
        self._reports = Allowance(clock, at_once=REPORTS_AT_ONCE, seconds=SECONDS_PER_REPORT)
        self.refusals: Counter[str] = Counter()
        """How many were refused, by code; reported or not."""

    async def take(self, payload: bytes, *, retained: bool) -> Admitted | Refused:
        """When this returns, the order is on disk or refused for good: acknowledge it to the broker.

        Raises:
            StoreBroken: the journal could not be written; do not acknowledge, so that the order comes again.
        """
        if retained:
            return self._refuse("retained", payload)
        try:
            order = verify_order(
                payload, audience=self._audience, trust=self._trust, clock=self._clock, known=self._known
            )
        except OrderRefused as error:
            return self._refuse(error.code, payload)
        return Admitted(order.id, new=await self._admit(order))

    def _refuse(self, code: str, payload: bytes) -> Refused:
        self.refusals[code] += 1
        refused = Refused(code, sha256_hex(payload), report=self._reports.take())
        if refused.report:
            self._tell_refused(code, refused.sha256)
        return refused
