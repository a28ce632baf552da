"""What crosses the API about support: somebody is let in for some hours, and what became of it."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

from agent.api.contract import Wire
from agent.people.lent import Actions
from agent.rights.actions import Action, Purpose
from agent.rights.grants import Reach
from agent.support.cases import Why
from privacy.records import Identifier

MOST_HOURS: Final = 24
USUAL: Final = (Action.READ_DIAGNOSTICS, Action.READ_METRICS)
"""What support is let see where nothing else is said: what does not work, and figures. No picture, nobody's name."""


class SupportBody(Wire, frozen=True, kw_only=True):
    """Let `person`, of the role `support`, do something from now on, for some hours."""

    person: Identifier
    hours: Annotated[float, Meta(gt=0, le=MOST_HOURS)]
    purpose: Purpose = Purpose.SUPPORT
    actions: Actions = USUAL
    """Only what who opens it may do themselves."""
    reach: Reach = Reach(home=True)
    by: Identifier | None = None
    """For the command line alone: in which owner's name. Left out: in that of the only one there is."""


class SupportView(Wire, frozen=True, kw_only=True):
    """A support case, while it is open and afterwards. Whoever was erased is null."""

    id: str
    person: str | None
    """Who was let in."""
    by: str | None
    """Who let them in."""
    purpose: Purpose
    actions: tuple[Action, ...]
    reach: Reach
    opened: datetime
    until: datetime
    """When it ends by itself."""
    lasts: bool
    """Whether they may look in now."""
    done: dict[str, int]
    """How often they did what."""
    ended: datetime | None = None
    why: Why | None = None
    ended_by: str | None = None
