import socket
import ssl

import pytest

from agent.cloud import reasons


def unverified() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "unable to get local issuer certificate"
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectionRefusedError(), "nothing listens at broker:8883"),
        (TimeoutError(), "broker:8883 does not answer"),
        (socket.gaierror(), "broker is no known host"),
        (unverified(), "the certificate of broker:8883 is not to be trusted: unable to get local issuer certificate"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "no TLS with broker:8883"),
        (ConnectionResetError(), "the broker closed the connection before it answered"),
        (OSError(113, "No route to host"), "broker:8883 cannot be reached: No route to host"),
    ],
)
def test_each_cause_has_its_line(error: OSError, line: str) -> None:
    text = str(reasons.unreachable(error, "broker", 8883))
    assert text.startswith(line)
    assert "\n" not in text


@pytest.mark.parametrize("code", range(0x80, 0x100))
def test_every_reason_code_gives_a_line(code: int) -> None:
    for error in (reasons.refused(code, doing="the connection"), reasons.lost(code)):
        assert str(error).startswith("the ")
        assert "\n" not in str(error)


def test_what_the_broker_says_is_what_we_say() -> None:
    assert "does not authorise us" in str(reasons.refused(0x87, doing="the connection"))
    assert "another client came with our id" in str(reasons.lost(0x8E))
    assert "was lost" in str(reasons.lost(0x80))
    assert "certificate" in str(reasons.closed_early(tls=True))
    assert "TLS" in str(reasons.closed_early(tls=False))


@pytest.mark.parametrize(
    "code",
    ["retained", "size", "form", "algorithm", "header", "type", "key", "signature", "claims", "audience", "lifetime",
     "expired", "issuer", "scope"],
)  # fmt: skip
def test_each_refusal_of_an_order_has_its_own_sentence(code: str) -> None:
    line = reasons.order_refused(code)
    assert line.endswith(f" ({code})")
    assert not line.startswith(reasons.order_refused("a new one").partition(" (")[0])
