"""A door that stands open: whoever comes over the network is the hand at the box. For tests of what lies behind it."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from agent.api.door import Door
from agent.api.permission import LOCAL, Asked, Caller, Permission
from agent.rights.household import Household
from agent.rights.local import local_household
from privacy.clock import SystemClock

House = Any


class Silent:
    """Nobody is told of anything, and nobody agrees to anything; what was asked is remembered."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    async def looked(self, asked: Asked) -> None:
        self.asked.append(asked)

    async def agreed(self, request: web.Request, caller: Caller, question: Any) -> bool:
        return False


def open_door(
    house: House,
    caller: Caller | None = LOCAL,
    household: Callable[[], Household] | None = None,
    witness: Any = None,
    **more: Any,
) -> Door:
    """A door through which everybody is `caller`, in `household`: by default the local owner's."""

    async def identify(_request: web.Request) -> Caller | None:
        return caller

    def local() -> Household:
        return local_household(tuple(camera.id for camera in house.section("cameras")))

    made = household or local
    return Door(
        **{
            "identify": identify,
            "claimed": lambda: True,
            "permission": Permission(lambda _caller: made(), SystemClock()),
            "witness": witness or Silent(),
            "follow_ends": lambda _told: None,
            **more,
        }
    )
