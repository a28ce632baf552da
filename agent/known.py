"""What the gateway knows by name: a mistyped camera must not pass for one of which nothing was found."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from privacy.records import Scope
from privacy.store import Store

_EVER: Final = datetime.max.replace(tzinfo=UTC)

LISTED_BY: Final = {
    "camera": "portvakt cameras list",
    "device": "portvakt devices list",
    "person": "portvakt people list",
}
"""Which verb shows the names of a kind."""


def unknown_names(
    scope: Scope, cameras: Collection[str], devices: Collection[str], stores: Sequence[Store]
) -> tuple[str, ...]:
    """Each name in `scope` that is not among `cameras` and `devices`, and of which no store keeps anything.

    As `camera nope`. A camera that was removed is known for as long as something of it is kept. On the `Disk` thread.
    """
    return tuple(
        f"{kind} {name}"
        for kind, name, alone in _named(scope)
        if name not in {"camera": cameras, "device": devices}.get(kind, ())
        and not any(store.count(alone, _EVER) for store in stores)
    )


def where_to_look(unknown: str) -> str:
    """The verb that lists what one of `unknown_names` may be meant to be."""
    return LISTED_BY[unknown.partition(" ")[0]]


def _named(scope: Scope) -> Iterator[tuple[str, str, Scope]]:
    yield from (("camera", name, Scope(cameras=(name,))) for name in scope.cameras)
    yield from (("device", name, Scope(devices=(name,))) for name in scope.devices)
    yield from (("person", name, Scope(subjects=(name,))) for name in scope.subjects)
