"""What can go wrong in the agent, each with a hint that says what a person can do."""

import math


class AgentError(Exception):
    """Base of this package's errors: one clear line, and a hint."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.hint})" if self.hint else super().__str__()


class ConfigInvalid(AgentError):
    """The configuration cannot be used."""


class LinkDown(AgentError):
    """The cloud link is down; the supervisor retries."""


class NotRunning(AgentError):
    """The command line asked an agent that does not run."""


class Refused(AgentError):
    """A request that cannot be carried out as asked; `code` is stable, for machines."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class NotNow(Refused):
    """The same can be carried out in `seconds`, and not before."""

    def __init__(self, code: str, message: str, *, seconds: float, hint: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.seconds = max(math.ceil(seconds), 1)
