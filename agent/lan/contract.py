"""What crosses the API where somebody has a phone trust the gateway."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

from agent.api.contract import Wire

SHORTEST_SECONDS: Final = 30
LONGEST_SECONDS: Final = 3600
USUAL_SECONDS: Final = 600


class TrustBody(Wire, frozen=True, kw_only=True):
    """Hand the certificate out, for so long."""

    seconds: Annotated[float, Meta(ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)] = USUAL_SECONDS
    reset: bool = False
    """First another name and another certificate: nobody trusts the gateway then, until they are given this one."""


class TrustView(Wire, frozen=True, kw_only=True):
    """Where a phone gets the certificate, and how somebody sees that it got the right one."""

    url: str
    """Plain HTTP, by address: a phone that cannot look up names that end in `.local` yet gets here, too."""
    others: tuple[str, ...]
    """The same at this machine's other addresses."""
    qr: str
    """`url` as a picture: an SVG document."""
    fingerprint: str
    """SHA-256 of the certificate, as phones show it: pairs of hex digits between colons."""
    page: str
    """Where the house is, for a phone that trusts it."""
    until: datetime
