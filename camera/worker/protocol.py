"""What the agent and its decoding worker say to each other: frames of a 4-byte big-endian length and MessagePack.

The worker speaks first (`Ready` or `CannotStart`), then answers each `Request` with one `Picture` or `Refusal`.
The agent trusts nothing that comes back: lengths are bounded, and the types are checked while decoding.
"""

import struct
from typing import Final, Literal

import msgspec

from camera.picture import Mask, Picture

LENGTH: Final = struct.Struct(">I")
MAX_JPEG_BYTES: Final = 8 * 1024 * 1024
MAX_REQUEST_BYTES: Final = MAX_JPEG_BYTES + 64 * 1024
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000


class Request(msgspec.Struct, frozen=True, tag="request"):
    """Check `jpeg`, cover what `masks` cover, encode it anew."""

    jpeg: bytes
    masks: tuple[Mask, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker is isolated and waits."""


class CannotStart(msgspec.Struct, frozen=True, tag="cannot_start"):
    """The worker will not decode: a library is missing, or it cannot lock itself in."""

    problem: str
    hint: str


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The bytes are no picture that can be shown."""

    code: Literal["no_jpeg", "truncated", "too_many_pixels", "undecodable", "too_large"]


Answer = Ready | CannotStart | Picture | Refusal

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    """`message` with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def parse_request(body: bytes) -> Request:
    """The request in `body`, without its length."""
    return _requests.decode(body)


def parse_answer(body: bytes) -> Answer:
    """The answer in `body`, without its length.

    Raises:
        msgspec.DecodeError: it is none; `msgspec.ValidationError` is one of these.
    """
    return _answers.decode(body)
