"""What crosses the API while somebody claims the gateway, signs in, and looks after how they do.

All times are aware UTC. A secret crosses once: when it is made, or when it is shown to be known.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from agent.api.contract import Wire
from agent.people.contact import Language
from privacy.hold import Role
from privacy.records import Identifier

Secret = Annotated[str, Meta(min_length=1, max_length=256)]
"""What somebody types or scans, and nobody else should see."""
Login = Annotated[str, Meta(min_length=1, max_length=254)]
"""An e-mail address, a telephone number, or the user name that the person chose."""

Way = Literal["password", "passkey", "code", "button"]
"""How somebody signed in."""


class WhoView(Wire, frozen=True, kw_only=True):
    """Who asks. Everybody may ask this: a page shows by it the claim, the way in, or the house."""

    claimed: bool
    """False: the gateway belongs to nobody yet, and serves nothing but the claim."""
    gateway: str = ""
    """The gateway's id; empty for who has not signed in."""
    person: str | None = None
    """None: nobody has signed in here."""
    name: str = ""
    role: Role | None = None
    lives_here: bool = False
    left: bool = False
    """Belongs to the home no more, and has the rights over what is kept of them alone."""
    language: Language | None = None
    way: Way | None = None
    last: datetime | None = None
    """When this person had signed in before."""
    ends: datetime | None = None
    """When this session ends, if nothing more is asked in it."""
    present_until: datetime | None = None
    """Up to when the person is held to be there, after a fresh proof."""
    can_sign_in: bool = True
    """False: this person came by a code and has neither a password nor a passkey yet."""


class ClaimHomeBody(Wire, frozen=True, kw_only=True):
    """The first owner takes the gateway with the single-use code that came with it."""

    code: Secret
    name: Annotated[str, Meta(max_length=200)]
    lives_here: bool
    language: Language = Language.BOKMAL


class PasswordBody(Wire, frozen=True, kw_only=True):
    login: Login
    password: Secret
    second: Annotated[str, Meta(max_length=64)] = ""
    """Six digits of the authenticator, or a recovery code; asked for with `second_factor`."""
    stay: bool = False
    """Stay signed in when the browser closes."""


class CodeBody(Wire, frozen=True, kw_only=True):
    """A single-use code, out of an invitation, a link or a recovery."""

    code: Secret
    stay: bool = False


class ButtonBody(Wire, frozen=True, kw_only=True):
    """Who has lost every way in, and has just pressed the button on the box."""

    who: Login
    """Their e-mail address, telephone number, user name, or name."""
    stay: bool = False


class PasskeyBody(Wire, frozen=True, kw_only=True):
    """What the browser's `navigator.credentials` gave, as WebAuthn's JSON (Level 3, section 5.1.8 `toJSON`)."""

    ceremony: Identifier
    """Which question it answers."""
    credential: dict[str, Any]
    stay: bool = False
    name: Annotated[str, Meta(max_length=40)] = ""
    """Of a new one: what the person calls the thing that it is on."""


class CeremonyView(Wire, frozen=True, kw_only=True):
    """A question to an authenticator; it is asked once, and for five minutes."""

    ceremony: str
    options: dict[str, Any]
    """WebAuthn's JSON for `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."""


class PresenceBody(Wire, frozen=True, kw_only=True):
    """A fresh proof that the person is there: one of both."""

    password: Secret | None = None
    second: Annotated[str, Meta(max_length=64)] = ""
    passkey: PasskeyBody | None = None


class NewPasswordBody(Wire, frozen=True, kw_only=True):
    login: Annotated[str, Meta(max_length=64)] = ""
    """A user name to sign in with; empty: e-mail address or telephone number do."""
    new: Secret


class PasskeyView(Wire, frozen=True, kw_only=True):
    id: str
    name: str
    made: datetime
    used: datetime | None
    for_name: str
    """The host name that it signs in at."""


class WaysView(Wire, frozen=True, kw_only=True):
    """How somebody can sign in."""

    login: str = ""
    password: datetime | None = None
    """When it was set."""
    second_factor: datetime | None = None
    passkeys: tuple[PasskeyView, ...] = ()
    recovery_codes: int = 0
    """How many are left."""


class SecondFactorView(Wire, frozen=True, kw_only=True):
    """Shown once, while it is set up."""

    secret: str
    """Base32, to type."""
    uri: str
    """`otpauth://`, as authenticators read it."""
    qr: str
    """The same as a picture: an SVG document."""


class ConfirmBody(Wire, frozen=True, kw_only=True):
    code: Annotated[str, Meta(max_length=16)]


class RecoveryCodesView(Wire, frozen=True, kw_only=True):
    """Shown once; those before are dead."""

    codes: tuple[str, ...]


class WayInView(Wire, frozen=True, kw_only=True):
    """A way in for one person, once. Shown once."""

    code: str
    url: str
    qr: str
    """`url` as a picture: an SVG document."""
    until: datetime


class SessionView(Wire, frozen=True, kw_only=True):
    """Somewhere where somebody is signed in."""

    id: str
    made: datetime
    seen: datetime
    ends: datetime
    stay: bool
    way: Way
    this: bool
    """It is the one that asks."""


class AgreementView(Wire, frozen=True, kw_only=True):
    """Something that waits for a second person."""

    id: str
    action: str
    """In the words of `agent.rights`."""
    by: str
    """Who wants to do it: the id of a person."""
    about: tuple[str, ...]
    """Whom it concerns."""
    places: tuple[str, ...] = ()
    """Which rooms, cameras and devices; none: the home."""
    request: str = ""
    """Method and path of what is to be done."""
    said: dict[str, Any] | None = None
    """The body of that request: what is to become of whom it is about. None: it has none."""
    made: datetime
    until: datetime
    agreed: bool
