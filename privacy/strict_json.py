"""JSON as an order must be: one value, no member twice (RFC 8259 leaves the meaning of duplicates open), no NaN."""

import json
from typing import Any


def loads(text: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: not UTF-8 JSON, not an object, a member twice, or NaN and its like.
    """
    try:
        value = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - bad input, not a wrong call
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member stands twice")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
