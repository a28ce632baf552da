"""Restriction, objection and rectification: answered at once, each written down, and refused with its ground alone."""

from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.api.contract import HoldView
from agent.subject_rights.contract import ObjectionView
from privacy.activity_line import Line
from privacy.hold import Reason
from privacy.records import RecordClass, Scope
from tests.agent.subject_rights.subject_house import KARI, OLA, SubjectHouse, jpeg, unzipped


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> str:
    told = await response.json(content_type="application/problem+json")
    assert (response.status, told["code"]) == (status, code), told
    return str(told["detail"])


async def objected(house: SubjectHouse, record_class: str) -> ObjectionView:
    async with house.session.post("/api/object", json={"record_class": record_class}) as response:
        assert response.status == 200, await response.text()
        return msgspec.json.decode(await response.read(), type=ObjectionView)


async def lines(house: SubjectHouse, person: str = KARI) -> list[Line]:
    shown = await house.disk.run(house.storage.activity.lines, person, None, 50)
    return [each.line for each in shown]


class TestRestrict:
    async def test_what_is_restricted_is_kept_and_neither_shown_nor_exported(self, house: SubjectHouse) -> None:
        shown = await house.disk.run(house.storage.vault.newest, None, 10)
        async with house.session.post("/api/restrict", json={}) as response:
            assert response.status == 201
            hold = msgspec.json.decode(await response.read(), type=HoldView)
        assert (hold.reason, hold.scope.subjects, hold.by) == (Reason.PERSONS_REQUEST, (KARI,), KARI)
        left = await house.disk.run(house.storage.vault.newest, None, 10)
        assert (len(shown), len(left)) == (6, 2)
        files = unzipped(await house.streamed())
        assert not set(map(jpeg, (10, 20, 30, 60))) & set(files.values())
        # They still get in, are known, see who looked at them, and get their export.
        assert KARI in {person.id for person in await house.disk.run(house.storage.people.all)}
        assert await lines(house)
        view, _ = await house.exported()
        assert view.state == "ready"

    async def test_it_can_be_narrowed_and_ended(self, house: SubjectHouse) -> None:
        body = {"classes": ["snapshot"], "start": "2026-03-01T12:00:02Z", "end": "2026-03-01T12:00:03Z"}
        async with house.session.post("/api/restrict", json=body) as response:
            hold = msgspec.json.decode(await response.read(), type=HoldView)
        assert len(await house.disk.run(house.storage.vault.newest, None, 10)) == 5
        assert await house.run("release", hold.id) == 0
        assert len(await house.disk.run(house.storage.vault.newest, None, 10)) == 6

    async def test_nobody_loses_their_own_rights_by_it(self, house: SubjectHouse) -> None:
        response = await house.session.post("/api/restrict", json={"classes": ["activity", "export"]})
        assert "activity, export" in await problem(response, 422, "not_restrictable")

    async def test_one_of_another_is_a_hold_as_any(self, house: SubjectHouse) -> None:
        house.who = OLA
        response = await house.session.post("/api/restrict", json={"subject": KARI})
        await problem(response, 403, "of_another")

    async def test_it_may_name_the_person_themselves(self, house: SubjectHouse) -> None:
        async with house.session.post("/api/restrict", json={"classes": ["person"]}) as response:
            assert response.status == 201
        assert KARI not in {person.id for person in await house.disk.run(house.storage.people.all)}


class TestObject:
    async def test_what_rests_on_another_ground_is_refused_with_it(self, house: SubjectHouse) -> None:
        view = await objected(house, "activity")
        assert (view.outcome, view.basis, view.order) == ("refused", ("legal duty",), None)
        assert "legal duty (to show who did, changed or viewed what, and why)" in view.en
        assert "6 months after it was captured" in view.en
        assert "rettslig plikt" in view.nb
        assert view.asked <= view.answered < view.legal_deadline
        [line] = [each for each in await lines(house) if each.action == "answer_objection"]
        assert (line.allowed, line.code, line.record, line.at) == (False, "other_ground", "activity", view.answered)
        assert [each.question.action for each in house.asked.asked] == ["object_own"]

    async def test_what_rests_on_consent_is_withdrawn(self, house: SubjectHouse) -> None:
        view = await objected(house, "presence")
        assert (view.outcome, view.order) == ("withdrawn", house.storage.journal.unfinished()[0].id)
        standing = {(one.person, one.kind) for one in await house.disk.run(house.storage.consents.standing)}
        assert (KARI, "presence") not in standing
        assert (OLA, "presence") in standing
        [line] = [each for each in await lines(house) if each.action == "answer_objection"]
        assert line.allowed
        # Where nothing was agreed to there is nothing to erase.
        assert (await objected(house, "location")).order is None

    async def test_no_interest_outweighs_what_the_person_says(self, house: SubjectHouse) -> None:
        claims = house.doorway._claims
        policy = replace(claims._policies[RecordClass.DEVICE], bases=("legitimate interest",))
        claims._policies = {**claims._policies, RecordClass.DEVICE: policy}
        view = await objected(house, "device")
        assert view.outcome == "erased"
        [order] = house.storage.journal.unfinished()
        assert (order.id, order.scope) == (view.order, Scope(subjects=(KARI,), classes=(RecordClass.DEVICE,)))

    async def test_nobody_objects_for_another(self, house: SubjectHouse) -> None:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(house.socket))) as session,
            session.post("http://portvakt/api/object", json={"record_class": "device"}) as response,
        ):
            await problem(response, 403, "not_yourself")
        response = await house.session.post("/api/object", json={"record_class": "device", "subject": OLA})
        await problem(response, 422, "invalid")


class TestCommandLine:
    async def test_export(self, house: SubjectHouse, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
        to = tmp_path / "kari.zip"
        assert await house.run("export", "--subject", KARI, "--to", str(to), "--language", "en") == 0
        files = unzipped(to.read_bytes())
        assert b"What is kept of you" in files["index.html"]
        assert to.stat().st_mode & 0o777 == 0o600
        assert f"{to.stat().st_size} bytes, all that is kept of {KARI}" in capsys.readouterr().out
        assert house.asked.asked[-1].question.action == "export_others"
        assert house.asked.asked[-1].question.target.subjects == (KARI,)
        # As everybody else, they are told.
        await house.doorway._deeds.looked(house.asked.asked[-1])
        told = (await lines(house))[0]
        assert (told.action, told.did, told.role) == ("export_others", False, "owner")
        assert await house.run("export", "--subject", KARI, "--to", str(to)) == 2
        assert "is there already" in capsys.readouterr().err

    async def test_export_of_a_part(
        self, house: SubjectHouse, tmp_path: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        to = tmp_path / "part.zip"
        line = ("--subject", KARI, "--to", str(to), "--class", "person", "--before", "2026-03-01T13:00+00:00", "--json")
        assert await house.run("export", *line) == 0
        assert msgspec.json.decode(capsys.readouterr().out)["bytes"] == to.stat().st_size
        assert {name for name in unzipped(to.read_bytes()) if "/" not in name} == {
            "person.json", "index.html", "manifest.json"
        }  # fmt: skip

    async def test_export_that_is_refused_or_breaks_off_leaves_no_file(
        self, house: SubjectHouse, tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        to = tmp_path / "kari.zip"
        assert await house.run("export", "--subject", KARI, "--to", str(to), "--language", "sv") == 2
        monkeypatch.setattr(house.desk, "_streams", 2)
        assert await house.run("export", "--subject", KARI, "--to", str(to)) == 1
        assert "other exports are being made" in capsys.readouterr().err
        assert not to.exists()
        assert await house.run("export", "--subject", KARI, "--to", str(tmp_path / "no" / "kari.zip")) == 2

    async def test_rectify(self, house: SubjectHouse, capsys: pytest.CaptureFixture[str]) -> None:
        await house.disk.run(house.storage.people.leave, house.storage.people.all()[0], house.clock.now())
        assert await house.run("rectify", KARI, "--name", "Kari Berg", "--email", "", "--language", "en") == 0
        assert f"{KARI}: Kari Berg, -, -" in capsys.readouterr().out
        assert await house.run("rectify", KARI) == 2
        assert await house.run("rectify", KARI, "--phone", "22225555", "--json") == 0
        assert '"+4722225555"' in capsys.readouterr().out

    async def test_restrict(self, house: SubjectHouse, capsys: pytest.CaptureFixture[str]) -> None:
        assert await house.run("restrict", KARI) == 2
        assert await house.run("restrict", KARI, "--class", "snapshot", "--yes") == 0
        assert f"class snapshot, person {KARI}" in capsys.readouterr().out
        assert len(await house.disk.run(house.storage.vault.newest, None, 10)) == 2
        assert await house.run("restrict", OLA, "--class", "snapshot", "--yes", "--json") == 0
        assert '"persons_request"' in capsys.readouterr().out
