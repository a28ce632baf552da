"""`python -I -m camera.worker`: requests on stdin, answers on stdout, until stdin ends."""

import os
import sys

from camera.worker.protocol import (
    LENGTH,
    MAX_REQUEST_BYTES,
    Answer,
    CannotStart,
    Ready,
    frame,
    parse_request,
)


def _read_exactly(count: int) -> bytes:
    """`count` bytes of stdin, or fewer where it ends."""
    data = bytearray()
    while len(data) < count and (chunk := os.read(0, count - len(data))):
        data += chunk
    return bytes(data)


def _say(answer: Answer) -> None:
    left = memoryview(frame(answer))
    while left:
        left = left[os.write(1, left) :]


def main() -> int:
    """Lock in, then serve. Returns the exit status."""
    try:
        from camera.worker.decode import decode, warm_up  # noqa: PLC0415 - its absence has to be told
        from camera.worker.isolation import CannotIsolate, isolate  # noqa: PLC0415 - same
    except (ImportError, RuntimeError) as error:
        # pyseccomp says RuntimeError where libseccomp is missing.
        _say(CannotStart(f"a library is missing: {error}", "install portvakt[camera] and Debian's libseccomp2"))
        return 1
    warm_up()
    try:
        isolate()
    except CannotIsolate as error:
        _say(CannotStart(f"it cannot lock itself in: {error}", "it needs a kernel with seccomp"))
        return 1
    _say(Ready())
    while len(head := _read_exactly(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        if length > MAX_REQUEST_BYTES:
            return 1
        _say(decode(parse_request(_read_exactly(length))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
