"""What the gateway keeps so that people can sign in, sealed under a key of each person. A store like any other."""

import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from agent.signin.codes import code_hash
from agent.signin.contract import Way
from privacy.keyring import KeyEntry, KeyRing
from privacy.moment import Moment
from privacy.records import Identifier, Item, RecordClass
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier

BROWSER_LIVES: Final = timedelta(days=365)
MOST_BROWSERS: Final = 20
"""Known browsers a person: the one unused longest goes."""

CodePurpose = Literal["invitation", "recovery"]


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key of theirs, at one host name (WebAuthn, Level 3)."""

    id: bytes
    """The credential id."""
    key: bytes = b""
    """COSE_Key (RFC 9052)."""
    count: int = 0
    """The signature counter when it was used last; 0: its authenticator does not count."""
    made: datetime
    used: datetime | None = None
    name: str = ""
    """What the person calls the thing that it is on."""
    for_name: str
    """The host name that it signs in at (the RP ID)."""
    broken: bool = False
    """Its counter went back: there is a copy of it somewhere. It signs nobody in any more."""

    def __repr__(self) -> str:
        return f"Passkey(for_name={self.for_name!r})"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A single-use way in, out of a link."""

    hash: bytes
    purpose: CodePurpose
    until: datetime

    def __repr__(self) -> str:
        return f"Code({self.purpose})"


class KnownBrowser(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody has signed in."""

    hash: bytes
    seen: datetime

    def __repr__(self) -> str:
        return "KnownBrowser()"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """How one person signs in. Only the secret of the second factor could be used as it lies here."""

    person: Identifier
    at: datetime
    """When the record was made."""
    login: str = ""
    """The user name they chose, as `login_key` has it; their address and number are in the register of people."""
    password: str | None = None
    """Argon2id, as `Passwords.hashed` has it."""
    password_set: datetime | None = None
    passkeys: tuple[Passkey, ...] = ()
    second: str | None = None
    """The secret of the second factor, base32."""
    second_set: datetime | None = None
    second_step: int = -1
    """The last step that was used: no code up to it is taken (`second_factor.step_of`)."""
    recovery: tuple[bytes, ...] = ()
    """Hashes of the recovery codes that are left."""
    codes: tuple[Code, ...] = ()
    last: datetime | None = None
    """When they signed in last, and how."""
    last_way: Way | None = None
    browsers: tuple[KnownBrowser, ...] = ()

    def __repr__(self) -> str:
        return f"Credential({self.person})"

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, subjects=(self.person,))

    @property
    def has_way(self) -> bool:
        """Whether they can sign in without a code."""
        return self.password is not None or any(not passkey.broken for passkey in self.passkeys)

    def passkey(self, id_: bytes) -> Passkey | None:
        """The passkey of that credential id."""
        return next((passkey for passkey in self.passkeys if passkey.id == id_), None)

    def with_passkey(self, passkey: Passkey) -> "Credential":
        """The same, with `passkey` new or in place of the one with its id."""
        ids = [one.id for one in self.passkeys]
        changed = tuple(passkey if one.id == passkey.id else one for one in self.passkeys)
        return msgspec.structs.replace(self, passkeys=changed if passkey.id in ids else (*changed, passkey))

    def without_code(self, code: Code) -> "Credential":
        """The same, with `code` used up."""
        return msgspec.structs.replace(self, codes=tuple(one for one in self.codes if one.hash != code.hash))

    def knows(self, browser: str | None, at: datetime) -> bool:
        """Whether this person signed in before at the browser of that random id, within a year of `at`."""
        known = False
        for one in self.browsers:
            known |= hmac.compare_digest(one.hash, _browser_hash(browser or "")) and at - one.seen < BROWSER_LIVES
        return known and browser is not None

    def with_browser(self, browser: str, at: datetime) -> "Credential":
        """The same, knowing that browser from now on."""
        new = KnownBrowser(hash=_browser_hash(browser), seen=at)
        others = [one for one in self.browsers if one.hash != new.hash and at - one.seen < BROWSER_LIVES]
        return msgspec.structs.replace(self, browsers=(*others, new)[-MOST_BROWSERS:])


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Credential).decode


def login_key(typed: str) -> str:
    """A user name as it is compared: without spaces around it, in one form of Unicode, in small letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).casefold()).strip()


class Credentials(SealedStore):
    """A sealed file for each person, under a key of their own: a password that was changed dies with the change.

    Every method blocks: call it on the `Disk` thread. Look and `put` in one call of `Disk.run`, so that a code is used
    once, however many ask at once. What an order reaches signs nobody in. A hold hides nothing
    here: what it keeps back are records about somebody, and who asked for it has to get in to end it.
    """

    name = "credentials"
    record_class = RecordClass.PERSON
    named = "subject"

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        moment: Callable[[], Moment],
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(directory, ring, moment, holds=holds, admits=barrier.admits)
        self._read: dict[bytes, _Read] = {}
        """By the id of the file's key."""

    def of(self, person: str) -> Credential | None:
        """How `person` signs in; None where nothing is known of it."""
        found = None
        for credential in self._known():
            if credential.person == person:
                found = credential
        return found

    def logins(self) -> dict[str, str]:
        """The user name of everybody who has one, by their id."""
        return {credential.person: credential.login for credential in self._known() if credential.login}

    def by_login(self, login: str, person: str | None = None) -> Credential | None:
        """Of whom `login` is the user name; or of `person`, whom the register knows by that address or number.

        Looks at everybody, always, so that nobody learns from the time it takes whether there is one.
        """
        sought, found = _digest(login_key(login)), None
        for credential in self._known():
            same = hmac.compare_digest(_digest(credential.login), sought) and credential.login != ""
            if same | (credential.person == person):
                found = credential
        return found

    def by_passkey(self, id_: bytes) -> tuple[Credential, Passkey] | None:
        """Whose passkey has that credential id, broken or not. Looks at everybody's."""
        found = None
        for credential in self._known():
            for passkey in credential.passkeys:
                if hmac.compare_digest(passkey.id, id_):
                    found = credential, passkey
        return found

    def by_code(self, typed: str, at: datetime) -> tuple[Credential, Code] | None:
        """For whom that code was made, unless its time was over before `at`. Looks at everybody's."""
        sought, found = code_hash(typed), None
        for credential in self._known():
            for code in credential.codes:
                if hmac.compare_digest(code.hash, sought) and at < code.until:
                    found = credential, code
        return found

    def put(self, credential: Credential) -> bool:
        """Keep `credential`; what was kept of the same person before is gone, with its key.

        False, and nothing is changed, where an order reaches this person.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        if not self._admits(credential.concerns.item(credential.person, self.record_class)):
            return False
        new = _encode(credential)
        if credential.person in self._files.names():
            self._files.rewrite(credential.person, [new])
        else:
            self._files.append(credential.person, [(credential.concerns, new)])
        return True

    def forget(self, person: str) -> bool:
        """Every way in of `person` is gone, with the key; False where there was none.

        Under a hold the record stays, empty: a hold keeps what is known of somebody, not a way into the house. What
        cannot be read could be one, and goes.

        Raises:
            StoreBroken: the medium refused; they can sign in still.
        """
        if person not in self._files.names():
            return False
        if not self._files.lose(person, lambda _sequence, _item: True):
            known = [parsed(_decode, payload) for _, _, payload in self._files.records(person)]
            empty = [Credential(person=person, at=one.at) for one in known if one]
            self._files.rewrite(person, [_encode(one) for one in empty[-1:]])
        return True

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return known.concerns if known else None

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        """What leaves: when and how somebody signs in, and nothing that could be guessed at or used elsewhere."""
        known = parsed(_decode, payload)
        return msgspec.json.encode(_shown(known)) if known else b"{}"

    def _known(self) -> list[Credential]:
        """Everybody's. Whoever guesses has all of it looked through, so only what has changed is read and opened anew.

        What was read is kept as long as the key that opens it: what dies with its key is forgotten here too.
        """
        read: dict[bytes, _Read] = {}
        for file in self._files.files():
            known = self._read.get(file.entry.id)
            if known is None or (known.entry, known.size) != (file.entry, file.size):
                records = [(item, parsed(_decode, payload)) for _, item, payload in file.records()]
                known = _Read(file.entry, file.size, [(item, one) for item, one in records if one])
            read[file.entry.id] = known
        self._read = read
        return [one for known in read.values() for item, one in known.records if self._admits(item)]


@dataclass(frozen=True, slots=True)
class _Read:
    """A file, and what was in it when it had that entry in the ring, and that many bytes."""

    entry: KeyEntry
    size: int
    records: list[tuple[Item, Credential]]


def _shown(known: Credential) -> dict[str, object]:
    shown = msgspec.to_builtins(known)
    for secret in ("password", "second", "second_step", "recovery", "codes", "browsers"):
        del shown[secret]
    shown["passkeys"] = [{key: one[key] for key in ("name", "made", "used", "for_name")} for one in shown["passkeys"]]
    return {**shown, "recovery_codes": len(known.recovery), "browsers": [one.seen for one in known.browsers]}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _browser_hash(browser: str) -> bytes:
    return hashlib.sha256(b"portvakt/browser/" + browser.encode("utf-8", "surrogatepass")).digest()
