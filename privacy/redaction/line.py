"""The only type that the spool and the uploader accept."""

from dataclasses import InitVar, dataclass

from privacy.errors import RedactionRefused


class _Mint:
    """What one needs to make a `RedactedLine`; nobody outside this module has it."""


_MINT = _Mint()


@dataclass(frozen=True, slots=True)
class RedactedLine:
    """One line that may leave: valid UTF-8, no line break, made by the redactor.

    Raises:
        RedactionRefused: somebody else tried to make one, or it is not one line.
    """

    text: str
    mint: InitVar[_Mint]

    def __post_init__(self, mint: _Mint) -> None:
        if mint is not _MINT:
            raise RedactionRefused("only the redactor makes redacted lines")
        if not self.text.isprintable() and (len(self.text.splitlines()) > 1 or self.text.endswith(("\n", "\r"))):
            raise RedactionRefused("a redacted line holds a line break")


def redacted(text: str) -> RedactedLine:
    """Say that `text` is clean. For the redactor, and for the spool, which reads what it sealed itself.

    A test holds the list of the callers.
    """
    return RedactedLine(text, _MINT)
