"""What signing in refuses. Where two things must not be told apart, one function makes both refusals."""

import math

from agent.errors import NotNow, Refused
from agent.rights.table import TABLE, Refusal


class TooManyGuesses(NotNow):
    """Wait `seconds`; the same is said of a login that nobody has."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "too_many_guesses",
            "there were too many wrong tries",
            hint=f"wait {max(math.ceil(seconds), 1)} s; a browser that you signed in with before waits for no others",
            seconds=seconds,
        )


def wrong_credentials() -> Refused:
    """Of whoever cannot sign in like this, for whatever reason."""
    return Refused("wrong_credentials", "nobody signs in like this", hint="look at both; or use another way")


def second_factor() -> Refused:
    """The password is right."""
    return Refused("second_factor", "a second factor is asked for", hint="six digits, or a recovery code")


def wrong_code(hint: str = "ask for another") -> Refused:
    """Wrong, used, or over: nobody is told which."""
    return Refused("wrong_code", "this code does not open anything", hint=hint)


def reached() -> Refused:
    return Refused("ordered", "an order to erase reaches this person", hint="wait until it is done")


def busy() -> Refused:
    return Refused("busy", "too many are signing in at once", hint="try again in a few seconds")


def needs_presence() -> Refused:
    """The code is that of `agent.rights`, where the same is asked of other things."""
    return Refused(
        "needs_presence", TABLE.refusals[Refusal.NEEDS_PRESENCE], hint="show once more that it is you, then try again"
    )
