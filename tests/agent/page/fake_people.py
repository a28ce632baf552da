"""People that exist only in memory, and how they sign in. What is secret here is not: `PASSWORD`, `DIGITS`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from agent.api.contract import PersonView
from agent.signin import contract

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)
PASSWORD = "riktig hest batteri stift"
DIGITS = "123456"
RECOVERY = "7KQ2-M4XR-9TVA-P3"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="29" height="29"><path stroke="#000" d="M4 4.5h7m5 0h1"/></svg>'
SITE = "localhost"
"""Passkeys are for this name."""


@dataclass(slots=True)
class Somebody:
    """What this gateway keeps of a person."""

    view: PersonView
    login: str = ""
    password: str | None = None
    second: bool = False
    recovery: int = 0
    passkeys: dict[bytes, tuple[contract.PasskeyView, bytes]] = field(default_factory=dict)
    last: datetime | None = None

    @property
    def can_sign_in(self) -> bool:
        return bool(self.password or self.passkeys)

    def ways(self) -> contract.WaysView:
        return contract.WaysView(
            login=self.login,
            password=NOW if self.password else None,
            second_factor=NOW if self.second else None,
            passkeys=tuple(view for view, _ in self.passkeys.values()),
            recovery_codes=self.recovery,
        )


@dataclass(slots=True)
class Session:
    id: str
    person: str
    way: contract.Way
    stay: bool
    present: bool = True
