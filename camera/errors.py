"""What can go wrong with cameras, each with a hint. No message ever holds a URL's password or a picture's bytes."""


class CameraError(Exception):
    """Base of this package's errors: one clear line, and a hint. The supervisor retries after any of them."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.hint})" if self.hint else super().__str__()


class FetchFailed(CameraError):
    """The camera did not deliver: unreachable, too slow, refused the login, or sent too much."""


class NotAPicture(CameraError):
    """The camera delivered something that is no picture."""


class DecoderFailed(CameraError):
    """The decoding worker died, or went past its deadline and was killed."""
