"""Passkeys: WebAuthn (Level 3) by the `webauthn` library, with everything that the gateway insists on.

A passkey is *discoverable*, so that signing in names nobody beforehand, and its authenticator *verifies its user*, by
finger, face or PIN, so that it is two factors by itself. Who made the authenticator is neither asked nor believed.

The library is imported where it is used: it brings X.509, and only who has passkeys waits for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import msgspec

from agent.errors import Refused
from agent.signin.ceremonies import LIVES, Ceremonies, Ceremony, Kind, Site
from agent.signin.credentials import Credential, Passkey

MOST: Final = 20
"""Passkeys a person."""
NAMED: Final = "Portvakt"
"""What an authenticator calls the house."""
_ES256, _EDDSA, _RS256 = -7, -8, -257
"""COSE algorithms (RFC 9053, RFC 8812). Every authenticator that is sold has one; a Windows machine may have the last
alone."""
_P256, _ED25519 = 1, 6
_LONGEST_ID: Final = 1023
"""Bytes of a credential id (WebAuthn, section 4)."""
_EXPONENT: Final = bytes((1, 0, 1))
_MODULUS: Final = range(256, 513)
"""Bytes of an RSA key: 2,048 to 4,096 bits."""


class Passkeys:
    """Makes the questions, and judges the answers. For the event loop: an answer takes about a millisecond.

    Whatever is wrong with an answer is the same refusal, `wrong_passkey`; only a question that is over has another,
    `unknown_ceremony`. No other exception leaves this class, whatever the answer holds.
    """

    def __init__(self, ceremonies: Ceremonies) -> None:
        self._ceremonies = ceremonies

    def registration(
        self, site: Site, person: str, name: str, existing: Sequence[Passkey] = ()
    ) -> tuple[Ceremony, dict[str, Any]]:
        """Ask for a new passkey of `person`; returns the question, and WebAuthn's JSON for the browser.

        `name` is what the authenticator shows, of `existing` none is made twice.

        Raises:
            Refused: `too_many`.
        """
        from webauthn import generate_registration_options, helpers  # noqa: PLC0415 - see above
        from webauthn.helpers import structs  # noqa: PLC0415 - see above

        if len(existing) >= MOST:
            raise Refused("too_many", f"there are {MOST} passkeys already", hint="remove one that is not used any more")
        ceremony = self._ceremonies.ask("register", site, person)
        options = generate_registration_options(
            rp_id=site.rp_id,
            rp_name=NAMED,
            user_name=name or person,
            user_id=person.encode(),
            challenge=ceremony.challenge,
            timeout=LIVES * 1000,
            attestation=structs.AttestationConveyancePreference.NONE,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=one.id) for one in existing if one.for_name == site.rp_id
            ],
            supported_pub_key_algs=[helpers.cose.COSEAlgorithmIdentifier(alg) for alg in (_EDDSA, _ES256, _RS256)],
        )
        return ceremony, helpers.options_to_json_dict(options)

    def registered(  # noqa: PLR0913 - what a passkey is made of
        self, ceremony: str, answer: dict[str, Any], *, site: Site, person: str, name: str, at: datetime
    ) -> Passkey:
        """The new passkey of `person`, out of the browser's answer.

        Raises:
            Refused: `wrong_passkey`, `unknown_ceremony`.
        """
        from webauthn import verify_registration_response  # noqa: PLC0415 - see above
        from webauthn.helpers import parse_registration_credential_json  # noqa: PLC0415 - see above
        from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 - see above

        asked = self._ceremonies.resumed(ceremony, "register", site, person)
        with _judging():
            credential = parse_registration_credential_json(answer)
            _require_one_page(credential.response.client_data_json)
            _require_unattested(credential.response.attestation_object)
            made = verify_registration_response(
                credential=credential,
                expected_challenge=asked.challenge,
                expected_rp_id=site.rp_id,
                expected_origin=site.origin,
                require_user_verification=True,
                supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in (_EDDSA, _ES256, _RS256)],
            )
            _require_key(made.credential_public_key)
            if made.credential_id != credential.raw_id or len(made.credential_id) > _LONGEST_ID:
                raise _wrong()
        self._ceremonies.answered(asked)
        return Passkey(
            id=made.credential_id,
            key=made.credential_public_key,
            count=made.sign_count,
            made=at,
            name=name,
            for_name=site.rp_id,
        )

    def question(self, site: Site, credential: Credential | None = None) -> tuple[Ceremony, dict[str, Any]]:
        """Ask who is there; or, for a fresh proof, whether the person of `credential` is.

        Returns the question, and WebAuthn's JSON for the browser.
        """
        from webauthn import generate_authentication_options, helpers  # noqa: PLC0415 - see above
        from webauthn.helpers import structs  # noqa: PLC0415 - see above

        ceremony = self._ceremonies.ask(*_asked(site, credential))
        known = credential.passkeys if credential else ()
        options = generate_authentication_options(
            rp_id=site.rp_id,
            challenge=ceremony.challenge,
            timeout=LIVES * 1000,
            allow_credentials=[
                structs.PublicKeyCredentialDescriptor(id=one.id) for one in known if one.for_name == site.rp_id
            ],
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return ceremony, helpers.options_to_json_dict(options)

    def answered(
        self,
        ceremony: str,
        answer: dict[str, Any],
        *,
        site: Site,
        found: tuple[Credential, Passkey] | None,
        person: str | None = None,
    ) -> int:
        """That the answer is right; returns the signature counter, for `used`.

        Args:
            ceremony: the question's id.
            answer: the browser's.
            site: where the page runs.
            found: whose passkey it says it is: `Credentials.by_passkey(id_of(answer))`.
            person: whom the question was put to; None: whoever can answer.

        Raises:
            Refused: `wrong_passkey`, `unknown_ceremony`, `cloned_passkey` (it was found out earlier).
        """
        from webauthn import verify_authentication_response  # noqa: PLC0415 - see above
        from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415 - see above

        kind: Kind = "presence" if person else "sign-in"
        asked = self._ceremonies.resumed(ceremony, kind, site, person)
        if found is None:
            raise _wrong()
        owner, passkey = found
        with _judging():
            credential = parse_authentication_credential_json(answer)
            _require_one_page(credential.response.client_data_json)
            handle = credential.response.user_handle
            # Where nobody was named beforehand, the authenticator says whose it is (section 7.2, step 6).
            if (handle or not person) and handle != owner.person.encode():
                raise _wrong()
            if credential.raw_id != passkey.id or passkey.for_name != site.rp_id or person not in {None, owner.person}:
                raise _wrong()
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=asked.challenge,
                expected_rp_id=site.rp_id,
                expected_origin=site.origin,
                credential_public_key=passkey.key,
                # The library looks at the counter before the signature, so that anybody could have a passkey seem to
                # be cloned. `used` looks at it afterwards.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        self._ceremonies.answered(asked)
        if passkey.broken:
            raise cloned()
        return int(verified.new_sign_count)


def id_of(answer: dict[str, Any]) -> bytes:
    """Which passkey the browser's answer says it is of; empty where that cannot be read. Nothing is believed yet."""
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415 - see above

    said = answer.get("rawId")
    try:
        return base64url_to_bytes(said)[: _LONGEST_ID + 1] if isinstance(said, str) else b""
    except ValueError:
        return b""


def used(credential: Credential, id_: bytes, count: int, at: datetime) -> Credential:
    """The same person's, once the passkey `id_` gave a right answer with that signature counter.

    A counter that stands or goes back is that of a copy (section 6.1.1): the passkey is broken from then on. Keep what
    is returned, then ask `require_sound`. A passkey that does not count says 0 each time.

    Raises:
        Refused: `wrong_passkey`: it was removed meanwhile.
    """
    passkey = credential.passkey(id_)
    if passkey is None:
        raise _wrong()
    broken = passkey.broken or (max(count, passkey.count) > 0 and count <= passkey.count)
    new = (
        msgspec.structs.replace(passkey, broken=True)
        if broken
        else msgspec.structs.replace(passkey, count=count, used=at)
    )
    return credential.with_passkey(new)


def require_sound(credential: Credential, id_: bytes) -> None:
    """That the passkey `id_` is not broken.

    Raises:
        Refused: `cloned_passkey`.
    """
    passkey = credential.passkey(id_)
    if passkey is None or passkey.broken:
        raise cloned()


def cloned() -> Refused:
    """There is a copy of a passkey, or its authenticator was set back."""
    hint = "sign in another way, remove this passkey, and make a new one"
    return Refused("cloned_passkey", "there is a copy of this passkey somewhere: it is not taken any more", hint=hint)


def _asked(site: Site, credential: Credential | None) -> tuple[Kind, Site, str | None]:
    return ("presence", site, credential.person) if credential else ("sign-in", site, None)


def _require_one_page(client_data: bytes) -> None:
    """That the page was not inside another one (WebAuthn, section 5.8.1); the library does not look."""
    from webauthn.helpers import parse_client_data_json  # noqa: PLC0415 - see above

    if parse_client_data_json(client_data).cross_origin:
        raise _wrong()


def _require_unattested(attestation_object: bytes) -> None:
    """That nobody vouches for the authenticator but itself, as asked for (section 5.4.7).

    So no certificate is ever parsed: what an authenticator's maker says counts for nothing here.
    """
    from webauthn.helpers import parse_attestation_object  # noqa: PLC0415 - see above

    attested = parse_attestation_object(attestation_object)
    if attested.fmt not in {"none", "packed"} or attested.att_stmt.x5c:
        raise _wrong()


def _require_key(cose: bytes) -> None:
    """That `cose` is a key that signatures can be checked with; the library finds out when somebody signs in."""
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography  # noqa: PLC0415
    from webauthn.helpers.decode_credential_public_key import DecodedRSAPublicKey  # noqa: PLC0415 - see above

    key = decode_credential_public_key(cose)
    if isinstance(key, DecodedRSAPublicKey):
        sound = key.alg == _RS256 and key.e == _EXPONENT and len(key.n) in _MODULUS
    else:
        sound = (key.alg, getattr(key, "crv", None)) in {(_ES256, _P256), (_EDDSA, _ED25519)}
    if not sound:
        raise _wrong()
    decoded_public_key_to_cryptography(key)


@contextmanager
def _judging() -> Iterator[None]:
    """Whatever cannot be read or is not right is one refusal.

    The library checks what it reads only here and there, and the rest ends as an error of Python's.
    """
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - see above

    try:
        yield
    except (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        raise _wrong() from None  # what these say may quote the answer


def _wrong() -> Refused:
    hint = "try again, or sign in another way"
    return Refused("wrong_passkey", "this passkey is not known here, or did not answer what was asked", hint=hint)
