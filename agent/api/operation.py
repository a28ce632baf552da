"""What a route takes and gives, said once beside its handler: the OpenAPI document is made of it (`openapi.py`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiohttp import web

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[web.StreamResponse]])
_SAID: Final = "__operation__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request, for whoever writes a program against the API."""

    summary: str
    """What it does, in a line."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """The type of each parameter of the query, all of which may be left out."""
    body: Any = None
    """The type of the JSON body; None: there is none."""
    answer: Any = None
    """The type of the JSON answer; None: there is none, or it is of another `media` type."""
    status: int = 200
    media: str = "application/json"
    refusals: tuple[int, ...] = ()
    """HTTP statuses of refusals besides those that any request may get."""


def operation(  # noqa: PLR0913 - each a word about the request
    summary: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,  # noqa: ANN401 - any type that msgspec knows, such as a union or a tuple
    answer: Any = None,  # noqa: ANN401 - same
    status: int = 200,
    media: str = "application/json",
    refusals: tuple[int, ...] = (),
) -> Callable[[Handler], Handler]:
    """Say what a handler takes and gives."""
    said = Operation(
        summary=summary,
        query=query or {},
        body=body,
        answer=answer,
        status=status,
        media=media,
        refusals=refusals,
    )

    def say(handler: Handler) -> Handler:
        setattr(handler, _SAID, said)
        return handler

    return say


def operation_of(handler: object) -> Operation:
    """What was said of a handler.

    Raises:
        LookupError: nothing was.
    """
    said = getattr(handler, _SAID, None)
    if said is None:
        raise LookupError(f"{handler} does not say what it takes and gives")
    assert isinstance(said, Operation)  # noqa: S101 - set above and nowhere else
    return said
