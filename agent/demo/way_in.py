"""The demo claims its own gateway, by the hand at the box, and makes a way in for whoever looks at it."""

import aiohttp
import msgspec

from agent.api.contract import PersonBody, PersonView
from agent.demo.layout import Layout
from agent.errors import NotRunning
from agent.people.contact import Language
from agent.signin.contract import WayInView
from privacy.hold import Role

OWNER = PersonBody(
    role=Role.OWNER, name="Kari Nordmann", lives_here=True, email="kari@example.com", language=Language.BOKMAL
)


async def way_in(layout: Layout) -> WayInView:
    """A link that signs the owner of the demo's house in, once. The first call makes the owner.

    Raises:
        NotRunning: the agent does not answer, or not as it should.
    """
    try:
        async with aiohttp.ClientSession(
            "http://localhost",
            connector=aiohttp.UnixConnector(str(layout.socket)),
            headers={"Content-Type": "application/json"},
            raise_for_status=True,
        ) as socket:
            async with socket.get("/api/people") as answer:
                people = msgspec.json.decode(await answer.read(), type=tuple[PersonView, ...])
            owner = next((person.id for person in people if person.role is Role.OWNER), None)
            if owner is None:
                async with socket.post("/api/people", data=msgspec.json.encode(OWNER)) as answer:
                    owner = msgspec.json.decode(await answer.read(), type=PersonView).id
            async with socket.post(f"/api/people/{owner}/link", data=b"{}") as answer:
                return msgspec.json.decode(await answer.read(), type=WayInView)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise NotRunning(
            f"the agent made no way in: {error}", hint=f"look into {layout.root}/logs while the demo runs"
        ) from error
