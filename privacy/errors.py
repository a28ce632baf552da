"""What can go wrong in `privacy`, each with a hint that says what a person can do."""


class PrivacyError(Exception):
    """Base of this package's errors: one clear line, and a hint."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.hint})" if self.hint else super().__str__()


class OrderRefused(PrivacyError):
    """An order that was not carried out and never will be; `code` is stable, for machines."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class HoldRefused(PrivacyError):
    """A hold that was not placed, renewed or released; `code` is stable, for machines."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class SealBroken(PrivacyError):
    """Sealed bytes that do not open: damaged, foreign, or their key is dead."""


class StoreBroken(PrivacyError):
    """A store could not read or write what it must."""


class ReceiptInvalid(PrivacyError):
    """A receipt that does not verify."""


class RedactionRefused(PrivacyError):
    """Something that must not leave, because nobody can say that it is clean."""
