"""The topics of the cloud contract: `portvakt/v1/<gateway>/<channel>`.

A gateway's certificate should let it write and read its own branch only; then the gateway in the topic is the one that
the broker authenticated.
"""

from dataclasses import dataclass

PREFIX = "portvakt/v1"

ORDER = "order"
HELLO_ACK = "hello/ack"
RECEIPT_ACK = "receipt/ack"
LOG_ACK = "log/ack"
HELLO = "hello"
RECEIPT = "receipt"
LOG = "log"
REFUSAL = "refusal"
STATUS = "status"

DOWN = (ORDER, HELLO_ACK, RECEIPT_ACK, LOG_ACK)
"""From the cloud to the gateway."""
UP = (HELLO, RECEIPT, LOG, REFUSAL)
"""From the gateway to the cloud; and `status`, retained, `online` or (the last will) `offline`."""

ONLINE = b"online"
OFFLINE = b"offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway."""

    gateway: str

    def of(self, channel: str) -> str:
        """The topic of `channel`."""
        return f"{PREFIX}/{self.gateway}/{channel}"

    @property
    def down(self) -> tuple[str, ...]:
        """What the gateway subscribes to."""
        return tuple(self.of(channel) for channel in DOWN)


def of_any_gateway(channel: str) -> str:
    """The filter that a backend subscribes to."""
    return f"{PREFIX}/+/{channel}"


def parse(topic: str) -> tuple[str, str]:
    """(gateway, channel) of a topic of ours.

    Raises:
        ValueError: not one of ours.
    """
    start = PREFIX + "/"
    gateway, slash, channel = topic.removeprefix(start).partition("/")
    if not topic.startswith(start) or not slash or not gateway:
        raise ValueError("not a topic of this contract")
    return gateway, channel
