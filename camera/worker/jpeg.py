"""A JPEG's outside (ITU-T T.81, annex B), read before a decoder sees it: is it one, how large, and is it whole."""

from typing import Final

SOI: Final = b"\xff\xd8"
EOI: Final = b"\xff\xd9"
SOS: Final = 0xDA
FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 without DHT, JPG and DAC, which share the range."""
BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""TEM and RST0 to RST7: markers without a segment."""


class NoJpeg(ValueError):
    """The bytes are no JPEG."""


class Truncated(ValueError):
    """A JPEG that ends too early."""


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as the frame header gives them (before any EXIF rotation).

    Raises:
        NoJpeg: another format, or none.
        Truncated: the end of the picture is missing.
    """
    if not data.startswith(SOI):
        raise NoJpeg("no start of image")
    size: tuple[int, int] | None = None
    position = len(SOI)
    while True:
        marker, position = _marker(data, position)
        if marker in BARE:
            continue
        length = int.from_bytes(data[position : position + 2])
        end = position + length
        if length < 2 or marker in {SOI[1], EOI[1]}:  # noqa: PLR2004 - the length counts its own two bytes
            raise NoJpeg("segments do not fit")
        if end > len(data):
            raise Truncated("a segment is cut short")
        if marker in FRAME_HEADERS:
            size = _size(data[position + 2 : end])
        if marker == SOS:
            break
        position = end
    # In entropy-coded data 0xFF is stuffed with 0x00, so an end marker after the scan's header is the real one.
    if data.find(EOI, end) < 0:
        raise Truncated("no end of image")
    if size is None:
        raise NoJpeg("no frame header before the scan")
    return size


def _marker(data: bytes, position: int) -> tuple[int, int]:
    if position + 4 > len(data):
        raise Truncated("no scan")
    if data[position] != 0xFF:  # noqa: PLR2004 - every marker begins with it (B.1.1.2)
        raise NoJpeg("no marker where one must be")
    while data[position] == 0xFF:  # noqa: PLR2004 - fill bytes
        position += 1
        if position >= len(data):
            raise Truncated("no scan")
    return data[position], position + 1


def _size(header: bytes) -> tuple[int, int]:
    if len(header) < 6:  # noqa: PLR2004 - precision, height, width, components (B.2.2)
        raise NoJpeg("the frame header is too short")
    height, width = int.from_bytes(header[1:3]), int.from_bytes(header[3:5])
    if not width or not height:
        raise NoJpeg("the frame header names no size")
    return width, height
