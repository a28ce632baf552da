"""What is served here is described, and stands in the table of what each route asks."""

from agent.api.asks import ASKS
from tests.agent.processing.working_house import WorkingHouse


async def test_each_route_is_described_with_what_it_takes_and_gives(house: WorkingHouse) -> None:
    status, document = await house.ask("olga", "GET", "/api/openapi.json")
    assert status == 200
    mine = [route for route in ASKS if any(word in route for word in ("/support", "/process", "/disclosures"))]
    assert len(mine) == 9
    for route in mine:
        method, path = route.split()
        said = document["paths"][path][method.lower()]
        assert said["summary"]
        assert ("requestBody" in said) == (method == "POST")
