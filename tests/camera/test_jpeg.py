"""The outside of a JPEG."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.worker.jpeg import NoJpeg, Truncated, dimensions

Make = Callable[..., bytes]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"comment": b"\xff\xd9"}])
def test_size(make_jpeg: Make, options: dict[str, object]) -> None:
    assert dimensions(make_jpeg((123, 45), **options)) == (123, 45)


def test_padding_after_the_end(make_jpeg: Make) -> None:
    assert dimensions(make_jpeg() + bytes(100)) == (640, 480)


@pytest.mark.parametrize(
    "data", [b"", b"text\n" * 100, b"\x89PNG\r\n\x1a\n" + bytes(64), b"GIF89a" + bytes(64), b"\xff\xd8" + b"text" * 9]
)
def test_other_things(data: bytes) -> None:
    with pytest.raises(NoJpeg):
        dimensions(data)


def test_every_cut_is_noticed(make_jpeg: Make) -> None:
    whole = make_jpeg((64, 48))
    for length in range(2, len(whole)):
        with pytest.raises(Truncated):
            dimensions(whole[:length])


def test_no_size(make_jpeg: Make) -> None:
    whole = bytearray(make_jpeg())
    header = whole.index(b"\xff\xc0")
    whole[header + 5 : header + 9] = bytes(4)
    with pytest.raises(NoJpeg, match="no size"):
        dimensions(bytes(whole))


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_nothing_else(data: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00\x11\x08"):
        try:
            width, height = dimensions(start + data)
        except (NoJpeg, Truncated):
            continue
        assert width > 0
        assert height > 0
