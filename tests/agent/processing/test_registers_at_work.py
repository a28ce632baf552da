"""The registers over the API, by whom, and from the command line."""

import json

import pytest

from tests.agent.processing.working_house import WorkingHouse

Capture = pytest.CaptureFixture[str]
SKY = {"name": "Sky AS", "classes": ["op_log"], "country": "NO"}
HANDED = {"receiver": "police", "ground": "crime_report"}


async def test_an_owner_registers_and_ends_an_agreement_and_others_do_not(house: WorkingHouse) -> None:
    status, said = await house.ask("rune", "POST", "/api/processors", SKY)
    assert (status, said["code"]) == (403, "not_granted")
    status, made = await house.ask("olga", "POST", "/api/processors", SKY)
    assert (status, made["lasts"]) == (201, True)
    assert (await house.ask("rune", "GET", "/api/processors"))[1] == [made]
    assert (await house.ask("gro", "DELETE", f"/api/processors/{made['id']}"))[0] == 403
    status, ended = await house.ask("olga", "DELETE", f"/api/processors/{made['id']}")
    assert (status, ended["lasts"]) == (200, False)
    assert (await house.ask("olga", "DELETE", f"/api/processors/{made['id']}"))[1]["code"] == "ended"


async def test_to_disclose_takes_a_purpose_and_a_right(house: WorkingHouse) -> None:
    own, home = {"subjects": [house.ids["rune"]]}, {"cameras": ["front"]}
    status, said = await house.ask("rune", "POST", "/api/disclosures", {**HANDED, "scope": own})
    assert (status, said["code"]) == (403, "needs_purpose")
    status, made = await house.ask("rune", "POST", "/api/disclosures", {**HANDED, "scope": own}, "disclosure")
    assert status == 201
    assert (await house.ask("rune", "GET", "/api/disclosures"))[1] == [made]
    assert (await house.ask("olga", "GET", "/api/disclosures"))[1] == []
    for who, scope in (("rune", home), ("gro", home), ("olga", own)):
        assert (await house.ask(who, "POST", "/api/disclosures", {**HANDED, "scope": scope}, "disclosure"))[0] == 403
    house.clock.move(seconds=1)
    status, home_made = await house.ask("olga", "POST", "/api/disclosures", {**HANDED, "scope": home}, "disclosure")
    assert status == 201
    assert (await house.ask("gro", "GET", "/api/disclosures"))[1] == []
    assert (await house.ask("rune", "GET", "/api/disclosures"))[1] == [made, home_made]
    hold = {**HANDED, "hold": "0198c0de-0000-7000-8000-000000000002"}
    status, said = await house.ask("olga", "POST", "/api/disclosures", hold, "disclosure")
    assert (status, said["code"]) == (404, "unknown_hold")
    assert [action for action, allowed in await house.deeds("olga") if action == "disclose" and allowed]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ground": "because"},
        {"receiver": "my cousin"},
        {"reference": "he was drunk, and\n"},
        {"scope": {"cameras": [1]}},
    ],
)
async def test_bad_input_is_refused(house: WorkingHouse, wrong: dict[str, object]) -> None:
    body = {**HANDED, "scope": {"cameras": ["front"]}, **wrong}
    assert (await house.ask("olga", "POST", "/api/disclosures", body, "disclosure"))[0] == 422


async def test_agreements_from_the_command_line(house: WorkingHouse, capsys: Capture) -> None:
    assert await house.run("agreements", "list") == 0
    assert capsys.readouterr().out == ""
    add = ("agreements", "add", "--name", "Sky AS", "--class", "op_log")
    assert await house.run(*add, "--country", "no", "--since", "2026-01-01T00:00+01:00", "--reference", "K-17") == 0
    said = capsys.readouterr().out
    assert "Sky AS, until " in said
    assert await house.run("agreements", "list") == 0
    assert "lasts" in capsys.readouterr().out
    agreement = said.split()[1].rstrip(":")
    assert await house.run("agreements", "end", agreement) == 0
    assert capsys.readouterr().out == f"{agreement} has ended\n"
    assert await house.run("agreements", "end", agreement) == 1
    assert await house.run("agreements", "list") == 0
    assert "does not last" in capsys.readouterr().out
    assert await house.run(*add, "--country", "NO", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lasts"]
    assert await house.run("agreements", "list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert await house.run(*add, "--country", "Norway") == 2


async def test_disclosures_from_the_command_line(house: WorkingHouse, capsys: Capture) -> None:
    record = ("disclosures", "record", "--receiver", "police", "--ground", "crime_report")
    assert await house.run("disclosures", "list") == 0
    assert capsys.readouterr().out == ""
    assert await house.run(*record, "--camera", "front", "--reference", "2026/17") == 0
    assert "what is kept of camera front, to police" in capsys.readouterr().out
    assert await house.run("disclosures", "list") == 0
    assert "2026/17" in capsys.readouterr().out
    assert await house.run(*record, "--class", "snapshot", "--by", house.ids["olga"], "--json") == 0
    assert json.loads(capsys.readouterr().out)["by"] == house.ids["olga"]
    assert await house.run("disclosures", "list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    hold = "0198c0de-0000-7000-8000-000000000002"
    assert await house.run(*record, "--hold", hold, "--camera", "front") == 2
    assert await house.run(*record, "--hold", hold) in {1, 2}
    assert "there is no hold" in capsys.readouterr().err
    assert await house.run(*record) == 2
