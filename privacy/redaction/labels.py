"""What a value is, and whether it leaves as a pseudonym or not at all."""

from enum import StrEnum


class Label(StrEnum):
    """The class in `<class:token>` or `<class>`."""

    ADDRESS = "address"
    CAMERA = "camera"
    DEVICE = "device"
    EMAIL = "email"
    IP = "ip"
    ISSUER = "issuer"
    LOGIN = "login"
    MAC = "mac"
    NAME = "name"
    PERSON = "person"
    PHONE = "phone"
    PLATE = "plate"
    SERIAL = "serial"
    SSID = "ssid"

    ACCOUNT = "account"
    CARD = "card"
    ERASED = "erased"
    LINE = "line"
    NATIONAL_ID = "national-id"
    PASSWORD = "password"  # noqa: S105 - the class, not a password
    PIN = "pin"
    POSITION = "position"
    TOKEN = "token"  # noqa: S105 - the class, not a token


NEVER_TOKENISED = frozenset(
    {
        Label.ACCOUNT,
        Label.CARD,
        Label.ERASED,
        Label.LINE,
        Label.NATIONAL_ID,
        Label.PASSWORD,
        Label.PIN,
        Label.POSITION,
        Label.TOKEN,
    }
)
"""Too few possible values, or too much harm, for a pseudonym: whoever got the day's key could try them all."""
