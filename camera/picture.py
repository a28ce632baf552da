"""A picture as it leaves the decoding worker, and the masks that went over it."""

import msgspec


class Mask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A black rectangle over what must not be seen, in fractions (0 to 1) of the upright picture's width and height.

    Raises:
        ValueError: not inside the picture, or empty.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        # Written so that NaN fails as well.
        inside = 0 <= self.left < 1 and 0 <= self.top < 1 and self.width > 0 and self.height > 0
        if not (inside and self.left + self.width <= 1 and self.top + self.height <= 1):
            raise ValueError("a mask takes left, top, width and height as fractions inside the picture, 0 to 1")


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A checked, masked and freshly encoded picture: nothing of the camera's own file is left in it, no EXIF either."""

    image: bytes
    """JPEG."""
    thumbnail: bytes
    """JPEG, at most 320 pixels wide."""
    width: int
    """Of `image`, in pixels."""
    height: int

    def __repr__(self) -> str:
        return f"Picture({self.width} x {self.height})"
