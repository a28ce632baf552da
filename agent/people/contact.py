"""What a person may be called, and how they are reached: names, addresses and numbers that somebody typed.

E-mail: RFC 5322 and 6531, by `email-validator`; whether the domain exists is not asked, as a gateway may be offline.
Telephone: ITU-T E.164, by `phonenumbers`; a number without a country is a Norwegian one.
"""

import unicodedata
from enum import StrEnum
from typing import Final

from agent.errors import Refused

LONGEST_NAME: Final = 80
"""Characters."""
COUNTRY: Final = "NO"


class Language(StrEnum):
    """What to write to somebody in (RFC 5646)."""

    BOKMAL = "nb"
    ENGLISH = "en"


def name(text: str) -> str:
    """`text` as a name: one line, without spaces around it, in Unicode's composed form.

    Raises:
        Refused: `bad_name`.
    """
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    if not 0 < len(composed) <= LONGEST_NAME:
        raise Refused("bad_name", f"a name has 1 to {LONGEST_NAME} characters", hint="say what this person is called")
    if any(unicodedata.category(letter).startswith("C") or letter in "<>" for letter in composed):
        raise Refused("bad_name", "a name has letters, and nothing that is invisible or markup", hint="type it anew")
    return composed


def email(text: str) -> str:
    """`text` as an e-mail address, as it is to be compared.

    Raises:
        Refused: `bad_email`, and what is wrong with it.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - only whoever writes one waits

    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:  # what it says may quote the address
        raise Refused("bad_email", "this is no e-mail address", hint="such as kari@example.org") from None


def phone(text: str) -> str:
    """`text` as a telephone number in the form of E.164, as +4722225555.

    Raises:
        Refused: `bad_phone`.
    """
    import phonenumbers  # noqa: PLC0415 - half a second on a Pi, which only whoever writes a number waits for

    try:
        number = phonenumbers.parse(text, COUNTRY)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Refused(
            "bad_phone", "this is no telephone number", hint="eight digits, or with + and the country in front"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
