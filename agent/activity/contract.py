"""What crosses the API of the activity log. Proofs are those of `privacy.activity_proof`."""

from datetime import datetime

from agent.api.contract import Wire
from privacy.hold import Role


class ActivityView(Wire, frozen=True, kw_only=True):
    """Something that was done, seen or refused."""

    sequence: int
    """The number of the line in the log; `GET /api/activity/{sequence}/proof` shows that it is there."""
    at: datetime
    action: str
    """A word of the rights (`view_pictures`), or of signing in."""
    allowed: bool
    code: str = ""
    """Of the refusal."""
    actor: str = ""
    """Who did it: the id of a person. Empty: they are erased, or nobody knows; then `role` says what they were."""
    name: str = ""
    """What the actor is called, where they are still known here."""
    role: Role | None = None
    """As what they did it, then."""
    token: str | None = None
    """The program that did it in the actor's name."""
    own: bool
    """Whether who asks did it; else it concerns them."""
    concerns: tuple[str, ...] = ()
    """Whom it was done to, as far as they are not erased; shown to who did it, and to who may see all."""
    purpose: str | None = None
    way: str | None = None
    """How somebody signed in, or tried to."""
    camera: str | None = None
    device: str | None = None
    record: str | None = None
    genuine: bool
    """Whether it is what the log has at its number; else somebody changed it, or it is damaged."""
