"""Support over the API and from the command line, with every part of the real gateway behind."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.processing.working_house import WorkingHouse, working

Capture = pytest.CaptureFixture[str]


@pytest.fixture
async def house(tmp_path: Path, clock: Any) -> AsyncIterator[WorkingHouse]:
    async with working(tmp_path, clock) as made:
        yield made


async def opened(house: WorkingHouse, who: str = "olga", **fields: Any) -> dict[str, Any]:
    status, case = await house.ask(who, "POST", "/api/support", {"person": house.ids["siri"], "hours": 2, **fields})
    assert status == 201, case
    assert isinstance(case, dict)
    return case


async def test_every_act_of_support_is_logged_and_counted_while_it_is_in(house: WorkingHouse) -> None:
    status, said = await house.ask("siri", "GET", "/api/health")
    assert (status, said["code"]) == (403, "no_session")
    case = await opened(house)
    assert (await house.ask("siri", "GET", "/api/health"))[0] == 200
    assert (await house.ask("siri", "GET", "/metrics"))[0] == 200
    assert (await house.ask("siri", "GET", "/api/inventory"))[0] == 403
    _, cases = await house.ask("rune", "GET", "/api/support")
    assert [(one["id"], one["lasts"], one["done"]) for one in cases] == [
        (case["id"], True, {"read_diagnostics": 1, "read_metrics": 1})
    ]
    status, ended = await house.ask("siri", "DELETE", f"/api/support/{case['id']}")
    assert (status, ended["why"], ended["done"]) == (
        200,
        "support",
        {"read_diagnostics": 1, "read_metrics": 1, "end_support": 1},
    )
    assert (await house.ask("siri", "GET", "/api/health"))[0] == 403
    assert await house.deeds("siri") == [
        ("read_diagnostics", False),
        ("end_support", True),
        ("read_inventory", False),
        ("read_metrics", True),
        ("read_diagnostics", True),
        ("read_diagnostics", False),
    ]
    assert ("open_support", True) in await house.deeds("olga")


async def test_who_is_let_in_is_told_and_so_is_who_lives_there(house: WorkingHouse) -> None:
    await opened(house, "rune")
    for name in ("olga", "siri"):
        lines = await house.doorway._activity.own(house.ids[name], None, 100)
        assert any(line.action == "open_support" and not line.own for line in lines), name


@pytest.mark.parametrize(("who", "code"), [("gro", "role_may_not"), ("siri", "role_may_not")])
async def test_nobody_lets_in_who_may_not(house: WorkingHouse, who: str, code: str) -> None:
    status, said = await house.ask(who, "POST", "/api/support", {"person": house.ids["siri"], "hours": 2})
    assert (status, said["code"]) == (403, code)
    assert await house.deeds(who) == [("open_support", False)]


async def test_a_guest_sees_no_case_and_ends_none(house: WorkingHouse) -> None:
    case = await opened(house)
    assert await house.ask("gro", "GET", "/api/support") == (200, [])
    status, said = await house.ask("gro", "DELETE", f"/api/support/{case['id']}")
    assert (status, said["code"]) == (403, "role_may_not")
    assert [one["id"] for one in (await house.ask("siri", "GET", "/api/support"))[1]] == [case["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"hours": 25}, 422, "invalid"),
        ({"hours": 2, "purpose": "curiosity"}, 422, "invalid"),
        ({"hours": 2, "person": "<b>"}, 422, "invalid"),
        ({"hours": 2, "person": "nobody"}, 404, "unknown_person"),
    ],
)
async def test_bad_input_is_refused(house: WorkingHouse, body: dict[str, Any], status: int, code: str) -> None:
    got, said = await house.ask("olga", "POST", "/api/support", {"person": house.ids["siri"], **body})
    assert (got, said["code"]) == (status, code)


async def test_a_session_ends_when_its_people_go(house: WorkingHouse) -> None:
    await opened(house)
    assert (await house.ask("olga", "DELETE", f"/api/people/{house.ids['siri']}"))[0] == 204
    _, [case] = await house.ask("rune", "GET", "/api/support")
    assert (case["why"], case["lasts"]) == ("gone", False)


async def test_from_the_command_line(house: WorkingHouse, capsys: Capture) -> None:
    assert await house.run("support", "list") == 0
    assert capsys.readouterr().out == ""
    siri = house.ids["siri"]
    assert (
        await house.run("support", "open", siri, "--hours", "2", "--action", "read_diagnostics", "--for", "repair") == 0
    )
    said = capsys.readouterr().out
    assert f"{siri} may read_diagnostics, until " in said
    assert await house.run("support", "list") == 0
    listed = capsys.readouterr().out
    assert "open" in listed
    assert "repair" in listed
    assert await house.run("support", "open", siri, "--hours", "2") == 1
    assert "open" in capsys.readouterr().err
    case = said.split()[1].rstrip(":")
    assert await house.run("support", "end", case) == 0
    assert capsys.readouterr().out == f"case {case} has ended\n"
    assert await house.run("support", "list") == 0
    assert "(home)" in capsys.readouterr().out
    assert (
        await house.run(
            "support", "open", siri, "--hours", "1", "--device", "lamp", "--by", house.ids["olga"], "--json"
        )
        == 0
    )
    second = json.loads(capsys.readouterr().out)
    assert (second["by"], second["reach"]) == (house.ids["olga"], {"devices": ["lamp"]})
    assert await house.run("support", "end", second["id"], "--json") == 0
    assert json.loads(capsys.readouterr().out)["why"] == "home"
    assert await house.run("support", "list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert await house.run("support", "open", siri, "--hours", "48") == 2
    assert "hours" in capsys.readouterr().err
