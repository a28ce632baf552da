import msgspec
import pytest

from agent.cloud import topics
from agent.cloud.messages import MOST_LACKING, Hello, HelloAck, LogAck, LogBatch, PublicKey, ReceiptAck, Refusal, decode
from agent.cloud.topics import Topics
from privacy.receipts import LogPosition
from privacy.signing import SigningKey

ORDER = "0197a000-0000-7000-8000-000000000001"


def test_a_topic_and_back() -> None:
    assert topics.parse(Topics("gw-1").of(topics.RECEIPT_ACK)) == ("gw-1", topics.RECEIPT_ACK)


@pytest.mark.parametrize("topic", ["", "portvakt/v1", "portvakt/v1/gw-1", "portvakt/v1//order", "other/v1/gw-1/order"])
def test_a_foreign_topic(topic: str) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        topics.parse(topic)


def test_a_hello_crosses_unchanged() -> None:
    key = msgspec.convert(SigningKey.generate().public_jwk(), PublicKey)
    hello = Hello(
        id=ORDER,
        gateway="gw-1",
        epoch=1,
        software="1",
        last_sequences={"cloud": 3},
        receipts=2,
        acknowledged=1,
        log=LogPosition(size=2, root="ab" * 32),
        receipt_key=key,
    )
    assert decode(msgspec.json.encode(hello), Hello) == hello


def test_a_later_version_may_add_members() -> None:
    assert decode(b'{"id": "b1", "colour": "red"}', LogAck) == LogAck(id="b1")


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", LogAck),
        (b"\xff\xfe", LogAck),
        (b"[" * 100_000, LogAck),
        (b"{}", LogAck),
        (b'{"id": 1}', LogAck),
        (b'{"id": "../../etc"}', LogAck),
        (b'{"id": "../x", "lines": []}', LogBatch),
        (b'{"id": "b1", "lines": [1]}', LogBatch),
        (b'{"id": "b1", "lines": ["\xff"]}', LogBatch),
        (b'{"order": "../x", "kind": "erased"}', ReceiptAck),
        (f'{{"order": "{ORDER}", "kind": "done"}}'.encode(), ReceiptAck),
        (b'{"sha256": "ab", "code": "form"}', Refusal),
        (b'{"sha256": "%s", "lacking": [-1]}' % (b"ab" * 32), HelloAck),
        (b'{"sha256": "%s", "lacking": %s}' % (b"ab" * 32, str([1] * (MOST_LACKING + 1)).encode()), HelloAck),
    ],
)
def test_what_makes_no_sense(payload: bytes, kind: type) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        decode(payload, kind)
