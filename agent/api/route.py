"""What the tables of routes have in common: how an id stands in a path, and how an answer is written."""

from typing import Final

import msgspec
from aiohttp import web

_IDENTIFIER: Final = "[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"
"""As `privacy.records.Identifier`."""
ID: Final = f"{{id:{_IDENTIFIER}}}"
ORDER: Final = f"{{order:{_IDENTIFIER}}}"


def as_json(value: object, *, status: int = 200) -> web.Response:
    """An answer of any of the wire types, or several."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
