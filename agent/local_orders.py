"""Orders that people in the house give: the same journal, receipts and scopes as an order from the cloud."""

import asyncio
from datetime import timedelta
from typing import Final

from agent.errors import Refused
from privacy.clock import Clock
from privacy.erasure import Eraser
from privacy.errors import OrderRefused
from privacy.journal import Journal
from privacy.orders import Claims, Form, Ground, sign_order, verify_order
from privacy.records import Scope
from privacy.seal import RandomBytes
from privacy.signing import SigningKey, Trust, issuer
from privacy.uuid7 import uuid7

ISSUER: Final = "local"
LIFE: Final = timedelta(days=1)


class LocalIssuer:
    """Signs with a key that never leaves the gateway, and goes the way that every order goes."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        key: SigningKey,
        audience: str,
        journal: Journal,
        eraser: Eraser,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._key = key
        self._audience = audience
        self._journal = journal
        self._eraser = eraser
        self._clock = clock
        self._random_bytes = random_bytes
        self._turn = asyncio.Lock()
        """Two orders given at once must not get the same sequence."""
        self._trust = Trust({key.kid: issuer(ISSUER, key.public_jwk())})

    async def erase(self, scope: Scope, *, form: Form = Form.POINT, ground: Ground = Ground.OWNERS_CHOICE) -> str:
        """Order a purge of `scope`; returns its id once it is in the journal.

        Raises:
            Refused: `empty_scope`, the scope names nothing; `bad_range`, it ends before it begins; `size`.
            StoreBroken: the journal could not be written; nothing was ordered.
        """
        if scope.backwards:
            raise Refused(
                "bad_range", "what is to be erased ends before it begins", hint="say from when, and up to when"
            )
        async with self._turn:
            return await self._erase(scope, form, ground)

    async def _erase(self, scope: Scope, form: Form, ground: Ground) -> str:
        now = self._clock.now()
        issued = int(now.timestamp()) + 1  # NumericDate counts whole seconds: up to and with this one
        claims = Claims(
            iss=ISSUER,
            aud=self._audience,
            jti=uuid7(now, self._random_bytes),
            seq=self._journal.last_sequences().get(ISSUER, 0) + 1,
            iat=issued,
            exp=issued + int(LIFE.total_seconds()),
            form=form,
            ground=ground,
            scope=scope,
        )
        try:
            order = verify_order(
                sign_order(self._key, claims).encode(), audience=self._audience, trust=self._trust, clock=self._clock
            )
        except OrderRefused as error:
            raise Refused("empty_scope" if error.code == "scope" else error.code, str(error)) from error
        await self._eraser.admit(order)
        return order.id
