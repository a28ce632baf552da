"""The hand at the box, and its household: one owner who lives there, alone."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from agent.rights.grants import Actor
from agent.rights.household import Camera, Household, Membership, Person, household
from privacy.hold import Role

LOCAL_OWNER: Final = Actor("local-owner")
"""Whoever can use the command line's socket."""
_MEMBERSHIP: Final = Membership(role=Role.OWNER, since=datetime.min.replace(tzinfo=UTC), lives_here=True)


@lru_cache(maxsize=1)
def local_household(cameras: tuple[str, ...]) -> Household:
    """The local owner's household, with these cameras.

    Nobody else can ask, so nobody else is in it, and no camera is another's alone: who can use the gateway's own user
    answers for everybody in the house.
    """
    owner = Person(id=LOCAL_OWNER.person, memberships=(_MEMBERSHIP,))
    return household([owner], [Camera(id=camera) for camera in cameras])
