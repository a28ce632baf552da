"""Whatever comes in: one clear line, nothing else affected, nothing lost. The real agent, in processes of its own."""

import pytest

from privacy.records import Scope
from tests.scenarios import household
from tests.scenarios.household import House
from tests.scenarios.programs import camera, device, reported, until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]

REFUSED = {
    "signature": "its signature is wrong",
    "key": "its key is not trusted here",
    "audience": "it is for another gateway, or for an earlier enrolment of this one",
    "algorithm": "it is not signed with Ed25519",
    "expired": "it came after its end",
    "size": "it is larger than 8 KiB",
    "form": "it is no compact JWS",
    "retained": "the broker keeps it for whoever comes; orders are never retained",
}
SETPOINT = "Thermostat.OccupiedHeatingSetpoint"


def good_things_work(house: House) -> None:
    """The heat pump obeys and reports, the camera delivers; `house` has bad neighbours to all of them."""
    page = house.agent.page
    wanted = 20.0 if reported(page.state(), "pump", SETPOINT) != 20.0 else 21.0
    assert page.command("pump", SETPOINT, wanted)["fate"] == "done"
    page.see(lambda state: reported(state, "pump", SETPOINT) == wanted, "the set point")
    newest = camera(page.state(), "front")["newest"]
    page.see(lambda state: (camera(state, "front")["newest"] or "") > (newest or ""), "a new picture")


@pytest.mark.parametrize(
    ("id_", "reason", "line"),
    [
        ("missing", r"missing.tty is missing (plug it in", r"missing.tty is missing (plug it in"),
        ("noisy", "unit 1 answers rubbish (check baud rate", None),
    ],
)
def test_a_serial_device_that_is_missing_or_answers_rubbish(
    house: House, id_: str, reason: str, line: str | None
) -> None:
    seen = house.agent.page.see(lambda state: device(state, id_)["reason"], f"why {id_} cannot be reached")
    assert reason in seen
    assert not device(house.agent.page.state(), id_)["reachable"]
    good_things_work(house)
    assert len(house.agent.lines_with(f"{id_}.tty")) == (1 if line else 0), house.agent.said


@pytest.mark.parametrize(
    ("id_", "reason"),
    [
        ("text", "the camera sent something that is no JPEG (check that its address"),
        ("cut", "the camera sent a JPEG that ends too early (check"),
        ("hang", "did not deliver within 10 s (check its network"),
        ("drip", "did not deliver within 10 s (check its network"),
        ("login", "refused the login (HTTP 401) (check user name and password)"),
        ("redirect", "redirects to another address (if that is right, configure"),
        ("gone", "is unreachable: Connection refused (check its power and network)"),
    ],
)
def test_a_camera_that_does_not_deliver_a_picture(house: House, id_: str, reason: str) -> None:
    seen = house.agent.page.see(lambda state: camera(state, id_)["reason"], f"why {id_} does not work")
    assert reason in seen
    assert not household.told(seen)
    one = camera(house.agent.page.state(), id_)
    assert (one["working"], one["pictures"]) == (False, 0)
    good_things_work(house)
    assert len(house.agent.lines_with(f"camera {id_}: ")) == 1, house.agent.said


@pytest.mark.parametrize("code", REFUSED)
def test_an_order_that_is_none(house: House, code: str) -> None:
    refusal = f"({code})"
    lines, pictures = len(house.agent.lines_with(refusal)), camera(house.agent.page.state(), "front")["pictures"]
    house.cloud.send_bad(code)
    until(lambda: len(house.agent.lines_with(refusal)) > lines, f"the refusal in:\n{house.agent.said}")
    house.cloud.obeyed(Scope(cameras=("nobody",)))  # taken after the bad one, which therefore was acknowledged
    assert house.agent.lines_with(refusal)[lines:] == [
        f"WARNING agent.cloud.link: cloud: refused an order: {REFUSED[code]} ({code})"
    ]
    assert camera(house.agent.page.state(), "front")["pictures"] >= pictures, "it erased something"
    good_things_work(house)


def test_an_order_larger_than_any_packet_does_not_even_come_in(house: House) -> None:
    before = len(house.agent.problems)
    house.cloud.send(b"x" * 200_000)
    house.cloud.obeyed(Scope(cameras=("nobody",)))
    assert len(house.agent.problems) == before


def test_nothing_that_is_said_gives_the_household_away(house: House) -> None:
    page = house.agent.page
    page.see(lambda state: all(camera(state, id_)["reason"] for id_ in ("hang", "login", "text")), "all the reasons")
    for path in ("/api/state", "/api/health", "/api/inventory", "/api/audit", "/metrics", "/api/devices/4711-0815"):
        assert not household.told(page.get(path)[1].decode()), path
    assert not household.told(page.post("/api/found/none/adopt", {"family": "homekit", "code": "4711-0815"})["detail"])
    until(lambda: any("picture_failed" in line for line in house.cloud.log()), "the uploaded log")
    assert not household.told("\n".join(house.cloud.log()))
    assert not household.told(house.agent.said)
