"""What crosses the API about consent: a person's own, and the texts."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from agent.api.contract import Wire
from privacy.consent_text import Kind, Language


class ConsentBody(Wire, frozen=True, kw_only=True):
    """Somebody agrees to a text that they have read."""

    kind: Kind
    version: Annotated[int, msgspec.Meta(ge=1)]
    language: Language


class TextView(Wire, frozen=True, kw_only=True):
    """What is collected, why, how long, and how to withdraw."""

    title: str
    what: str
    why: str
    how_long: str
    withdraw: str


class ConsentRecord(Wire, frozen=True, kw_only=True):
    """What this person agreed to once. Later ones replace earlier ones, and all of them are kept."""

    version: int
    sha256: str
    """Of the text in that version and language."""
    language: Language
    given: datetime
    withdrawn: datetime | None = None
    order: str | None = None
    """The order that erased what had been collected; its receipts are in the audit log."""


State = Literal["given", "withdrawn", "never", "again", "not_asked"]


class ConsentView(Wire, frozen=True, kw_only=True):
    """One kind of collecting, and how it stands with this person."""

    kind: Kind
    bases: tuple[str, ...]
    """The grounds on which it is collected. Where consent is not among them there is nothing to give or withdraw;
    where another is, too, that one is of what names nobody, such as a camera that the whole house shares."""
    state: State
    """`again`: they agreed to an earlier text, and are asked anew. `not_asked`: it does not rest on consent."""
    version: int
    """Of the text that is shown, in bokmål and English."""
    nb: TextView
    en: TextView
    records: tuple[ConsentRecord, ...] = ()
    """The oldest first."""
