"""The second factor: six digits that an authenticator makes of a shared secret and the time (TOTP, RFC 6238).

The time is the one that the gateway believes, known or not. Where its clock is wrong by more than a step, no code of
an authenticator fits, and nothing here makes up for it: to try further steps would give a guesser as many chances. A
recovery code works at any time, and so do passkeys and the button on the box.
"""

import base64
import hmac
from datetime import datetime
from typing import Final

from privacy.seal import RandomBytes

STEP: Final = 30
"""Seconds."""
DIGITS: Final = 6
SECRET_BYTES: Final = 20
"""160 bits, as RFC 4226 recommends (section 4, R6)."""
_WINDOW: Final = (-1, 0, 1)
"""Steps beside the present one: a telephone's clock, and the time that typing takes (RFC 6238, section 5.2)."""


def new_secret(random_bytes: RandomBytes) -> str:
    """A new secret in base32, 32 characters, as authenticators take it."""
    return base64.b32encode(random_bytes(SECRET_BYTES)).decode()


def uri(secret: str, account: str, issuer: str) -> str:
    """`otpauth://…` for an authenticator, which shows `issuer` and `account`."""
    import pyotp  # noqa: PLC0415 - only who sets up or uses a second factor needs it

    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, digits: str, at: datetime, after: int = -1) -> int | None:
    """Which step `digits` are right for, if it is one of three around `at` and later than `after`; else None.

    Keep the answer, and pass it as `after` from then on: a code that was used once is refused (RFC 6238, section 5.2).
    """
    import pyotp  # noqa: PLC0415 - as above

    typed = "".join(digits.split()).encode()
    otp, now = pyotp.TOTP(secret, digits=DIGITS, interval=STEP), int(at.timestamp()) // STEP
    found = None
    for step in (now + beside for beside in _WINDOW):
        right = hmac.compare_digest(otp.generate_otp(max(step, 0)).encode(), typed)
        if right and step > after:
            found = step
    return found
