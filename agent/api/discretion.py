"""What aiohttp would say of a request, without the request: it quotes what somebody sent, and from where."""

import logging
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError


def _withhold(record: logging.LogRecord) -> bool:
    """Say what kind of error it was, where it is ours. What is no HTTP was answered, and anybody can send it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        return False
    if record.levelno >= logging.ERROR:
        record.msg = "a request could not be answered: %s"
        record.args = (type(error).__name__,)
        record.exc_info = None
    return True


WITHHOLDING: Final = logging.getLogger(__name__)
"""For the server in the place of aiohttp's own."""
WITHHOLDING.addFilter(_withhold)
