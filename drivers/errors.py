"""What can go wrong with devices, each with a hint that says what a person can do.

Foreign errors (serial, zeroconf, HomeKit, Modbus) are converted to these where they enter, and nowhere else.
"""


class DriverError(Exception):
    """Base of this package's errors: one clear line, and a hint. The supervisor retries after any of them."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.hint})" if self.hint else super().__str__()


class LinkLost(DriverError):
    """The line, port or connection is gone; nothing on it can be reached."""


class NoAnswer(DriverError):
    """The link stands, but the device did not answer in time, or answered rubbish."""


class Unsupported(DriverError):
    """The device or value is not one that this driver can handle; a retry will not help the command."""


class AdoptionFailed(DriverError):
    """The device could not be adopted: wrong code, gone, or already somebody else's."""
