"""Why a broker cannot be used, in one line that says what to look at. Pure functions, no network here."""

import socket
import ssl

from agent.errors import LinkDown

# MQTT 5, section 2.4: the reason codes that a person can do something about.
_REASONS = {
    0x82: ("it met a protocol error", "is it an MQTT 5 broker?"),
    0x84: ("it does not speak MQTT 5", "use a broker that does"),
    0x85: ("it does not accept our client id", "is the gateway's id the one that it was enrolled with?"),
    0x86: ("user name or password is wrong", "enter them again"),
    0x87: ("it does not authorise us", "does its access list allow this client its own topics?"),
    0x88: ("it is not available", "look at the broker"),
    0x89: ("it is busy", ""),
    0x8A: ("it has banned us", "ask who runs the broker"),
    0x8B: ("it is shutting down", ""),
    0x8D: ("it heard nothing from us for too long", "is the network slow or asleep?"),
    0x8E: ("another client came with our id", "do two gateways have the same id?"),
    0x93: ("we sent more at once than it allows", ""),
    0x95: ("a packet was larger than it allows", "raise the broker's limit"),
    0x97: ("our quota there is used up", "ask who runs the broker"),
    0x98: ("its operator ended the connection", ""),
    0x9F: ("we connect too often", ""),
}

_ORDERS = {
    "algorithm": "it is not signed with Ed25519",
    "audience": "it is for another gateway, or for an earlier enrolment of this one",
    "claims": "a claim is missing or malformed",
    "expired": "it came after its end",
    "form": "it is no compact JWS",
    "header": "its header carries a key or a critical extension",
    "issuer": "it names another issuer than the one whose key signed it",
    "key": "its key is not trusted here",
    "lifetime": "it wants to live for longer than an order may",
    "retained": "the broker keeps it for whoever comes; orders are never retained",
    "scope": "its scope names nothing",
    "signature": "its signature is wrong",
    "size": "it is larger than 8 KiB",
    "type": "it is no purge order",
}
"""Fixed sentences: nothing of what a stranger wrote gets into the log."""


def order_refused(code: str) -> str:
    """Why an order was refused, with `code` itself for whoever searches."""
    return f"{_ORDERS.get(code, 'it is not as it must be')} ({code})"


def refused(code: int, *, doing: str) -> LinkDown:
    """The broker answered with a reason code of 0x80 or above.

    Args:
        code: the reason code (MQTT 5, section 2.4).
        doing: what we asked of it, such as "a connection".
    """
    reason, hint = _REASONS.get(code, (f"reason code 0x{code:02X}", "see section 2.4 of MQTT 5"))
    return LinkDown(f"the broker refused {doing}: {reason}", hint=hint)


def lost(code: int) -> LinkDown:
    """An established connection ended; `code` is the broker's reason, or 0x80 or below where it gave none."""
    if code <= 0x80:  # noqa: PLR2004 - 0x00 normal, 0x80 unspecified: both say nothing
        return LinkDown(
            "the connection to the broker was lost",
            hint="is the network up, is the broker running, and does nobody else use our id?",
        )
    reason, hint = _REASONS.get(code, (f"reason code 0x{code:02X}", "see section 2.4 of MQTT 5"))
    return LinkDown(f"the broker ended the connection: {reason}", hint=hint)


def closed_early(*, tls: bool) -> LinkDown:
    """The broker closed the connection without an answer; TLS 1.3 refuses a client's certificate that way."""
    if tls:
        return LinkDown(
            "the broker closed the connection before it answered: it may not accept our certificate",
            hint="has the certificate expired, and does the broker trust who signed it?",
        )
    return LinkDown(
        "the broker closed the connection before it answered", hint="does this port want TLS, or is it no broker?"
    )


def unreachable(error: OSError, host: str, port: int) -> LinkDown:  # noqa: PLR0911 - one answer for each cause
    """The connection could not be made."""
    where = f"{host}:{port}"
    match error:
        case ssl.SSLCertVerificationError():
            return LinkDown(
                f"the certificate of {where} is not to be trusted: {error.verify_message}",
                hint="is `ca_file` the authority that signed it, `host` the name in it, and the clock right?",
            )
        case ssl.SSLError() if "ALERT" in str(error):
            return LinkDown(
                f"{where} does not accept our certificate",
                hint="has it expired, and does the broker trust who signed it?",
            )
        case ssl.SSLError():
            return LinkDown(f"no TLS with {where}", hint="is this the broker's TLS port?")
        case socket.gaierror():
            return LinkDown(f"{host} is no known host", hint="is the name right, and does name resolution work?")
        case ConnectionRefusedError():
            return LinkDown(f"nothing listens at {where}", hint="is the broker running, and the port right?")
        case TimeoutError():
            return LinkDown(f"{where} does not answer", hint="is the network up, and no firewall between?")
        case ConnectionError():
            return closed_early(tls=False)
        case _:
            return LinkDown(f"{where} cannot be reached: {error.strerror or type(error).__name__}")
