"""The record of processing: it says what runs, and nothing that does not."""

import json
from typing import Any

import pytest

from agent.processing.contract import AgreementBody, RecordOfProcessing
from agent.processing.markdown import markdown
from agent.rights.local import LOCAL_OWNER
from privacy.policy import policies
from privacy.records import RecordClass
from tests.agent.processing.working_house import WorkingHouse

Capture = pytest.CaptureFixture[str]


async def record(house: WorkingHouse, who: str = "olga") -> dict[str, Any]:
    status, made = await house.ask(who, "GET", "/api/processing")
    assert status == 200, made
    assert isinstance(made, dict)
    return made


def row(made: dict[str, Any], class_: RecordClass) -> dict[str, Any]:
    return next(one for one in made["rows"] if one["record_class"] == class_)


async def test_every_class_that_can_be_kept_stands_in_it_with_what_the_law_asks(house: WorkingHouse) -> None:
    made = await record(house)
    stored = {class_ for store in house.storage.stores for class_ in store.classes}
    classes = {RecordClass(one["record_class"]) for one in made["rows"]}
    assert classes == stored | {RecordClass.RECEIPT, RecordClass.ORDER_JOURNAL}
    rules = policies(("smart_home", "sensornordic"))
    for one in made["rows"]:
        policy = rules[RecordClass(one["record_class"])]
        assert (one["purpose"], tuple(one["basis"])) == (policy.purpose, policy.bases)
        assert one["people"]
        assert one["data"]
        assert one["limit"]
        assert any(said.startswith("tier ") for said in one["safeguards"])
        assert (one["recipients"], one["transfers"]) == ([], [])
    assert row(made, RecordClass.SUPPORT_CASE)["limit"] == "3 years"
    assert row(made, RecordClass.PERSON)["count"] == 4
    assert row(made, RecordClass.PERSON)["oldest"]
    assert "open a support session" in row(made, RecordClass.SUPPORT_CASE)["rights"]
    assert row(made, RecordClass.PERSON)["safeguards"][1].startswith("tier B")
    assert made["controller"] is None
    assert made["tier"].startswith("tier B")


async def test_the_backend_gets_lines_and_receipts_where_there_is_one(cloud_house: WorkingHouse) -> None:
    made = await record(cloud_house)
    assert made["controller"] == {"name": "Kari Nordmann", "contact": "kari@example.org"}
    got = {one["record_class"]: [r["what"] for r in one["recipients"]] for one in made["rows"] if one["recipients"]}
    assert got == {"op_log": ["redacted log lines"], "receipt": ["signed receipts, which name nobody"]}
    assert "redacted before it leaves; what is in doubt stays" in row(made, RecordClass.OP_LOG)["safeguards"]
    text = markdown(_typed(made))
    assert "- Controller: Kari Nordmann, kari@example.org" in text
    assert "the backend at broker.example.net (redacted log lines)" in text
    assert "not known here: ask the backend at broker.example.net" in text


async def test_processors_stand_in_it_while_their_agreement_lasts(house: WorkingHouse) -> None:
    desk = house.doorway._registers
    classes = (RecordClass.OP_LOG, RecordClass.ALARM)
    abroad = await desk.agree(
        AgreementBody(name="Far & Away | *Inc*", classes=classes, country="US", reference="K-1"), LOCAL_OWNER
    )
    house.clock.move(seconds=1)
    await desk.agree(AgreementBody(name="Sky AS", classes=classes, country="NO"), LOCAL_OWNER)
    made = await record(house)
    lines = row(made, RecordClass.OP_LOG)
    assert [(one["name"], one["third_country"]) for one in lines["recipients"]] == [
        ("Far & Away | *Inc*", True),
        ("Sky AS", False),
    ]
    assert lines["transfers"] == ["US (Far & Away | *Inc*)"]
    assert row(made, RecordClass.PERSON)["recipients"] == []
    text = markdown(_typed(made))
    assert r"Transfers to third countries: US (Far & Away \| \*Inc\*)" in text
    await desk.end(abroad.id)
    assert row(await record(house), RecordClass.OP_LOG)["transfers"] == []


@pytest.mark.parametrize(("who", "status"), [("olga", 200), ("rune", 200), ("siri", 403), ("gro", 403)])
async def test_it_is_for_those_whom_it_concerns(house: WorkingHouse, who: str, status: int) -> None:
    assert (await house.ask(who, "GET", "/api/processing"))[0] == status
    assert (await house.ask(who, "GET", "/api/processors"))[0] == status


async def test_it_is_printed(house: WorkingHouse, capsys: Capture) -> None:
    assert (
        await house.run("disclosures", "record", "--receiver", "police", "--ground", "court_order", "--camera", "front")
        == 0
    )
    capsys.readouterr()
    assert await house.run("inventory", "--record") == 0
    text = capsys.readouterr().out
    assert text.startswith("# Record of processing activities (GDPR, article 30)\n")
    assert "- Controller: not said: " in text
    assert "- Disclosed to authorities: police 1" in text
    assert "\n## support_case\n" in text
    assert "- Recipients: nobody\n" in text
    assert "- Transfers to third countries: none\n" in text
    assert await house.run("inventory", "--record", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) > 10


def _typed(made: dict[str, Any]) -> RecordOfProcessing:
    import msgspec  # noqa: PLC0415 - of this alone

    return msgspec.convert(made, RecordOfProcessing)
