"""Issuing orders."""

import math
from datetime import UTC, datetime, timedelta

from agent.backend.state import OrderRecord, State
from privacy.clock import Clock
from privacy.orders import LONGEST_LIFE, Claims, Form, Ground, sign_order
from privacy.records import Scope
from privacy.seal import RandomBytes, sha256_hex
from privacy.uuid7 import uuid7


def issue(  # noqa: PLR0913 - what an order is made of, each by name
    state: State,
    *,
    gateway: str,
    epoch: int,
    scope: Scope,
    form: Form,
    ground: Ground,
    clock: Clock,
    random_bytes: RandomBytes,
    life: timedelta = LONGEST_LIFE,
) -> OrderRecord:
    """Sign an order and keep it as pending; whoever publishes it sends it, and it is sent again at each hello.

    A gateway that nobody has declared yet is declared with this epoch.

    Raises:
        ValueError: the scope names nothing or ends before it begins, or the gateway id is none.
        StoreBroken: the folder could not be read or written.
    """
    if not scope.named:
        raise ValueError('the scope names nothing; to erase all there is, say {"everything": true}')
    if scope.backwards:
        raise ValueError("the scope ends before it begins")
    key, name = state.issuer()
    keeper = state.gateway(gateway)
    if keeper.enrolment() is None:
        keeper.enroll(epoch, None)
    now = clock.now()
    # Up to the next full second: what was captured before this moment is in the reach of a point order.
    issued = math.ceil(now.timestamp())
    expires = issued + int(life.total_seconds())
    with keeper.next_sequence() as sequence:
        claims = Claims(
            iss=name,
            aud=f"{gateway}/{epoch}",
            jti=uuid7(now, random_bytes),
            seq=sequence,
            iat=issued,
            exp=expires,
            form=form,
            ground=ground,
            scope=scope,
        )
        jws = sign_order(key, claims)
        order = OrderRecord(
            id=claims.jti,
            audience=claims.aud,
            sequence=sequence,
            issued=datetime.fromtimestamp(issued, UTC),
            expires=datetime.fromtimestamp(expires, UTC),
            sha256=sha256_hex(jws.encode()),
            jws=jws,
        )
        keeper.add_order(order)
    return order
