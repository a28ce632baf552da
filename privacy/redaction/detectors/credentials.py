"""Passwords, tokens, PINs, keys and user names where a name or a syntax announces them."""

import re

from privacy.redaction.engine import Detector, Finding, Match, stands_alone
from privacy.redaction.labels import Label

_NO_VALUES = frozenset(
    b"true false null none nil ok yes no on off set unset missing required invalid incorrect wrong failed failure"
    b" expired rejected accepted denied empty unknown optional basic digest bearer is was for not changed too a an"
    b" being now valid correct good bad stored used needed same authentication error and or the feil ikke ugyldig"
    b" mangler".split()
)
"""What follows `password:` in a message without being one."""

_ABOUT_A_SECRET = re.compile(
    rb"(?:count|length|len|size|expires?(?:_?in)?|ttl|type|timeout|age|file|path|policy|required|retries|version|name|_id"
    rb"|_at|tokens|passwords|secrets)\Z"
)
"""`token_expires_in: 3600` says something about a token, and is none."""

_SYSTEM_USERS = frozenset(
    b"root daemon nobody systemd portvakt mosquitto messagebus sshd avahi _apt www-data nginx syslog ntp".split()
)

_TRAILING = b",;.)]}:"
_HEX_PAIRS = rb"(?:0x)?[0-9a-f]{2}(?:[ :,-]{1,2}(?:0x)?[0-9a-f]{2}){7,}"
_VALUE = rb"(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|\[([^\]]*)\]|(" + _HEX_PAIRS + rb")|([^\s\"'<>\[][^\s\"'<>]*))"
_SEPARATOR = rb"[\"']?(?:\s{0,3}(?::=|=>|=|:)\s{0,3}|\s(?:is|er|var|was)\s)"
_SECRET_NAMES = (
    rb"passw(?:or)?d|passphrase|passord(?:et)?|passwd|passkey|pwd|psk|secret|token|api[_-]?key|(?:private|network|access"
    rb"|auth|shared|link|security|encryption|s2|s0|session|master|device|local)[_ -]?key|credentials?|session[_-]?id"
    rb"|cookie|signature|cnonce|nonce|response|authorization"
)


def _value(match: Match, first: int) -> tuple[int, int]:
    """Where the value is, of whichever of the five forms in `_VALUE`; its first group is `first`."""
    for group in range(first, first + 5):
        if match.group(group) is not None:
            start, end = match.start(group), match.end(group)
            break
    else:
        return 0, 0
    if group == first + 4:
        value = match.group(group) or b""
        end -= len(value) - len(value.rstrip(_TRAILING))
    return start, end


def _named(match: Match, data: bytes) -> Finding | None:
    name = (match.group(1) or b"").lower()
    start, end = _value(match, 2)
    value = data[start:end].lower()
    if start >= end or value in _NO_VALUES or _ABOUT_A_SECRET.search(name):
        return None
    if (
        name.endswith(b"response") and match.group(2) is None
    ):  # a digest's answer is quoted; an HTTP response is not one
        return None
    return Finding(start, end, Label.PASSWORD if b"pass" in name or b"pwd" in name or b"psk" in name else Label.TOKEN)


def _query(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(2), match.end(2)
    if start >= end:
        return None
    if re.search(rb"user|login", match.group(1) or b"", re.IGNORECASE):
        return Finding(start, end, Label.LOGIN, data[start:end].decode("latin-1").lower())
    return Finding(start, end, Label.TOKEN)


def _bare_key(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    value = data[start:end]
    mixed = re.search(rb"\d", value) and re.search(rb"[A-Za-z]", value)
    return Finding(start, end, Label.TOKEN) if mixed else None


def _scheme(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    value = data[start:end]
    if not re.search(rb"[0-9=+]|.[A-Z]", value):
        return None  # `basic authentication` in a sentence
    return Finding(start, end, Label.TOKEN)


def _cookie(match: Match, _data: bytes) -> Finding | None:
    return Finding(match.start(1), match.end(1), Label.TOKEN)


def _url(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    user, colon, secret = data[start:end].partition(b":")
    if not user and not colon:
        return None
    # `http://host:8080/mail/a@b`: a port and a path, unless the secret is all digits up to the `@`.
    if re.match(rb"\d{1,5}/", secret):
        return None
    return Finding(start, end, Label.PASSWORD)


def _pin(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    return Finding(start, end, Label.PIN) if stands_alone(data, start, end) else None


def _user(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    name = data[start:end].rstrip(_TRAILING).lower()
    if not name or name in _SYSTEM_USERS or name in _NO_VALUES or name.isdigit():
        return None
    return Finding(start, start + len(name), Label.LOGIN, name.decode("latin-1"))


def _ssid(match: Match, data: bytes) -> Finding | None:
    start, end = _value(match, 1)
    if start >= end:
        return None
    return Finding(start, end, Label.SSID, data[start:end].decode("latin-1").lower())


DETECTORS = (
    Detector("url-credentials", rb"://([^\s\"'<>/?#@:]*:[^\s\"<>]*|[^\s\"'<>/?#]+)@", _url),
    Detector(
        "named-secret", rb"(?i)([0-9a-z_.-]*(?:" + _SECRET_NAMES + rb")[0-9a-z_]{0,16})" + _SEPARATOR + _VALUE, _named
    ),
    Detector("option-secret", rb"(?i)(--?[a-z-]*(?:password|passwd|token|secret|key|psk))\s" + _VALUE, _named),
    Detector(
        "quoted-secret", rb"(?i)\b(password|passord|psk|token|secret)\s" + rb"(?:\"([^\"]*)\"|'([^']*)'()()())", _named
    ),
    Detector(
        "query-secret",
        rb"(?i)[?&]([a-z_.-]*(?:key|token|auth|sig|signature|session|sid|pwd|pass|user|username|login|code|state))=([^&\s\"'<>#]+)",
        _query,
    ),
    Detector("key", rb"(?i)\bkey[\"']?\s?[=:]\s?[\"']?([^\s\"',;<>]{16,})", _bare_key),
    Detector("authorization", rb"(?i)\b(?:bearer|basic|apikey)\s+([0-9a-z+/=._~-]{8,})", _scheme),
    Detector("jwt", rb"\b(eyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}(?:\.[0-9A-Za-z_-]*)*)", _scheme),
    Detector(
        "pin",
        rb"(?i)\b(?:(?:user|door|lock|alarm|access|setup)[ _-]?code|pin(?:[ _-]?(?:code|kode))?|pinkode(?:n)?"
        rb"|kode(?:n)?|dorkode(?:n)?)"
        rb"[\"']?\s{0,2}(?::|=|is|er)?\s{0,2}[\"']?(\d{4,8})",
        _pin,
    ),
    Detector(
        "login",
        rb"(?i)\b(?:(?:user(?:name)?|login|uname|bruker(?:navn)?|acct)[\"']?\s{0,2}[=:]\s{0,2}[\"']?|(?:for|invalid)\suser\s)"
        rb"([^\s\"'(&,;:<>]+)",
        _user,
    ),
    Detector("login-sshd", rb"\bfor ([^\s\"'(&,;:<>]+) from \S+ port \d", _user),
    Detector("cookie", rb"(?i)\b(?:set-)?cookie[\"']?:\s?[\"']?([^\s=\"]+=[^\"<>]*)", _cookie),
    Detector("ssid", rb"(?i)\b(?:e?ssid)[\"']?\s{0,2}[=:]\s{0,2}" + _VALUE, _ssid),
)
