"""The desk: given and withdrawn, and what becomes of it when the medium refuses half-way."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.consent import desk as desk_module
from agent.consent.contract import ConsentBody, ConsentView
from agent.consent.desk import EXPIRY
from agent.errors import Refused
from agent.people.register import Person
from privacy import entries
from privacy.consent import No, Yes
from privacy.consent_text import Kind
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.orders import Form, Ground
from privacy.records import RecordClass, Scope
from tests.agent.consent.consent_house import TEXTS, ConsentHouse, agreed


def of(views: tuple[ConsentView, ...], kind: Kind = Kind.CAMERA) -> ConsentView:
    return next(view for view in views if view.kind is kind)


def fails(times: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, after a medium that refuses so often."""
    left = [times]

    def tried(*args: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise StoreBroken("the card is full")
        return call(*args, **named)

    return tried


class TestGiving:
    async def test_what_is_agreed_to_is_recorded_word_by_word(self, house: ConsentHouse) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        view = await house.desk.give(agreed(language="en"), "kari")
        assert gate.verdict == Yes("consent")
        [record] = view.records
        assert (view.state, view.bases) == ("given", ("consent", "contract"))
        assert (record.version, record.language, record.given) == (1, "en", house.clock.now())
        assert record.sha256 == TEXTS[Kind.CAMERA].sha256(1, "en")
        assert view.nb.withdraw == TEXTS[Kind.CAMERA].newest.nb.withdraw
        assert house.recorded == [entries.ConsentGiven(at=house.clock.now(), subject="kari", kind="camera", version=1)]

    async def test_each_kind_stands_for_itself_and_each_person_too(self, house: ConsentHouse) -> None:
        await house.desk.give(agreed(Kind.PRESENCE), "kari")
        views = await house.desk.of("kari")
        assert {view.kind: view.state for view in views} == {
            Kind.CAMERA: "never",
            Kind.PRESENCE: "given",
            Kind.POSITION: "never",
            Kind.HISTORY: "not_asked",
        }
        assert of(await house.desk.of("ola"), Kind.PRESENCE).state == "never"
        assert isinstance(house.gates.gate(Kind.CAMERA, ["kari"]).verdict, No)

    async def test_to_agree_twice_to_the_same_is_once_and_in_another_language_is_another(
        self, house: ConsentHouse
    ) -> None:
        await house.desk.give(agreed(), "kari")
        await house.desk.give(agreed(Kind.PRESENCE), "kari")
        house.clock.move(hours=1)
        assert len((await house.desk.give(agreed(), "kari")).records) == 1
        assert len((await house.desk.give(agreed(language="en"), "kari")).records) == 2

    @pytest.mark.parametrize("version", [2, 99])
    async def test_another_text_than_the_one_that_is_shown_is_refused(self, house: ConsentHouse, version: int) -> None:
        with pytest.raises(Refused) as refused:
            await house.desk.give(ConsentBody(kind=Kind.CAMERA, version=version, language="nb"), "kari")
        assert refused.value.code == "old_text"
        assert house.recorded == []

    async def test_whom_nobody_knows_consents_to_nothing(self, house: ConsentHouse) -> None:
        with pytest.raises(Refused) as refused:
            await house.desk.give(agreed(), "local-owner")
        assert refused.value.code == "unknown_person"

    async def test_nor_whom_an_order_reaches(self, house: ConsentHouse, monkeypatch: pytest.MonkeyPatch) -> None:
        await house.issuer.erase(Scope(classes=(RecordClass.CONSENT,)))
        house.barrier.raise_for("order", Scope(subjects=("ola",), classes=(RecordClass.CONSENT,)), _later(house))
        with pytest.raises(Refused) as refused:
            await house.desk.give(agreed(), "ola")
        assert refused.value.code == "ordered"

    async def test_a_medium_that_refuses_opens_nothing(
        self, house: ConsentHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        monkeypatch.setattr(house.store, "give", fails(1, house.store.give))
        with pytest.raises(StoreBroken):
            await house.desk.give(agreed(), "kari")
        await house.desk.refresh()
        assert isinstance(gate.verdict, No)
        await house.desk.give(agreed(), "kari")
        assert gate.verdict == Yes("consent")

    async def test_what_was_agreed_to_before_a_restart_counts_after_it(self, house: ConsentHouse) -> None:
        await house.desk.give(agreed(), "kari")
        house.start()
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        assert isinstance(gate.verdict, No)
        await house.desk.refresh()
        assert gate.verdict == Yes("consent")

    async def test_where_the_words_have_changed_all_are_asked_anew(self, house: ConsentHouse) -> None:
        await house.desk.give(agreed(), "kari")
        camera = TEXTS[Kind.CAMERA]
        newest = type(camera.newest)(2, camera.newest.nb, camera.newest.en)
        changed = type(camera)(Kind.CAMERA, "consent", 2, (*camera.versions, newest))
        house.desk._texts = {**TEXTS, Kind.CAMERA: changed}
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        await house.desk.refresh()
        assert isinstance(gate.verdict, No)
        assert of(await house.desk.of("kari")).state == "again"
        await house.desk.give(ConsentBody(kind=Kind.CAMERA, version=2, language="nb"), "kari")
        assert gate.verdict == Yes("consent")


def _later(house: ConsentHouse) -> Any:
    return house.clock.now() + timedelta(hours=1)


class TestWithdrawing:
    async def test_it_stops_first_and_then_orders_all_of_it_erased(self, house: ConsentHouse) -> None:
        await house.desk.give(agreed(), "kari")
        theirs, others = house.keep("bedroom", "kari"), house.keep("hall")
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        view = await house.desk.withdraw(Kind.CAMERA, "kari")
        assert isinstance(gate.verdict, No)
        [order] = house.orders()
        assert (order.form, order.ground, order.issuer) == (Form.STANDING, Ground.CONSENT_WITHDRAWN, "local")
        assert order.scope == Scope(subjects=("kari",), classes=(RecordClass.SNAPSHOT,))
        [record] = view.records
        assert (view.state, record.withdrawn, record.order) == ("withdrawn", house.clock.now(), order.id)
        assert house.recorded[1:] == [
            entries.ConsentWithdrawn(at=house.clock.now(), subject="kari", kind="camera", order=order.id)
        ]
        await house.eraser.finish()
        assert (house.vault.thumbnail(theirs), house.vault.thumbnail(others) is None) == (None, False)
        erased, verified = house.receipts()
        by_store = {line.store: (line.found, line.erased, line.left) for line in erased.stores}
        assert by_store == {"snapshots": (1, 1, 0), "person_register": (0, 0, 0), "consents": (0, 0, 0)}
        assert verified.complete
        assert len(await house.disk.run(house.store.of, "kari")) == 1, (
            "what was agreed to, and withdrawn, is kept: the law asks for it"
        )

    async def test_what_was_never_given_is_no_error_and_erases_nothing(self, house: ConsentHouse) -> None:
        assert (await house.desk.withdraw(Kind.CAMERA, "kari")).state == "never"
        await house.desk.give(agreed(), "kari")
        first = await house.desk.withdraw(Kind.CAMERA, "kari")
        house.clock.move(hours=1)
        assert await house.desk.withdraw(Kind.CAMERA, "kari") == first
        assert len(house.orders()) == 1

    async def test_given_again_it_opens_again_and_keeps_both_records(self, house: ConsentHouse) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        await house.desk.give(agreed(), "kari")
        await house.desk.withdraw(Kind.CAMERA, "kari")
        await house.eraser.finish()
        house.clock.move(minutes=5)
        view = await house.desk.give(agreed(), "kari")
        assert (view.state, [record.withdrawn is None for record in view.records]) == ("given", [False, True])
        assert gate.verdict == Yes("consent")
        house.start()
        await house.desk.refresh()
        assert house.gates.gate(Kind.CAMERA, ["kari"]).verdict == Yes("consent")
        assert house.orders() == []

    @pytest.mark.parametrize("kind", [Kind.HISTORY])
    async def test_only_consent_can_be_given_and_withdrawn(self, house: ConsentHouse, kind: Kind) -> None:
        for ask in (house.desk.withdraw(kind, "kari"), house.desk.give(agreed(kind), "kari")):
            with pytest.raises(Refused, match="rest on another ground than consent: contract") as refused:
                await ask
            assert refused.value.code == "not_consent"
        assert house.orders() == []

    @pytest.mark.parametrize("which", ["withdraw", "unordered", "ordered"])
    async def test_a_medium_that_refuses_stops_it_all_the_same_and_is_tried_again(
        self, house: ConsentHouse, monkeypatch: pytest.MonkeyPatch, which: str
    ) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        await house.desk.give(agreed(), "kari")
        monkeypatch.setattr(house.store, which, fails(1, getattr(house.store, which)))
        with pytest.raises(StoreBroken):
            await house.desk.withdraw(Kind.CAMERA, "kari")
        await house.desk.refresh()
        assert isinstance(gate.verdict, No)
        assert of(await house.desk.of("kari")).state == "withdrawn"
        running = asyncio.create_task(house.desk.run())
        async with asyncio.timeout(20):
            while not any(one.order for one in await house.disk.run(house.store.of, "kari")):
                await asyncio.sleep(0.002)
        running.cancel()
        assert {order.ground for order in house.orders()} == {Ground.CONSENT_WITHDRAWN}

    async def test_a_journal_that_refuses_is_tried_again_after_a_restart(
        self, house: ConsentHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.desk.give(agreed(), "kari")
        monkeypatch.setattr(house.journal, "admit", fails(9, house.journal.admit))
        with pytest.raises(StoreBroken):
            await house.desk.withdraw(Kind.CAMERA, "kari")
        with pytest.raises(StoreBroken):
            await house.desk.give(agreed(), "kari")
        house.start()
        view = await house.desk.give(agreed(), "kari")
        [order] = house.orders()
        assert [record.order for record in view.records] == [order.id, None], "what was withdrawn is erased first"

    async def test_who_withdraws_while_it_is_given_has_withdrawn(self, house: ConsentHouse) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        giving = asyncio.create_task(house.desk.give(agreed(), "kari"))
        await asyncio.sleep(0)
        view = await house.desk.withdraw(Kind.CAMERA, "kari")
        await giving
        assert isinstance(gate.verdict, No)
        assert view.state == "withdrawn"
        await house.desk.refresh()
        assert isinstance(gate.verdict, No)

    async def test_whom_an_erasure_takes_has_consented_to_nothing_any_more(self, house: ConsentHouse) -> None:
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        await house.desk.give(agreed(), "kari")
        house.clock.move(seconds=1)
        await house.issuer.erase(Scope(subjects=("kari",)))
        await house.desk.refresh()
        assert isinstance(gate.verdict, No), "from the moment at which the order stands in the journal"
        await house.eraser.finish()
        assert isinstance(gate.verdict, No)
        assert await house.disk.run(house.store.of, "kari") == []


class TestRunning:
    async def test_who_is_forgotten_is_collected_no_more_and_who_is_added_can_be_asked(
        self, house: ConsentHouse
    ) -> None:
        house.desk.people_changed()  # nobody runs yet: the start looks for itself
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        stranger = house.gates.gate(Kind.CAMERA, ["anna"])
        await house.desk.give(agreed(), "kari")
        running = asyncio.create_task(house.desk.run())
        await house.desk.refresh()
        assert gate.verdict == Yes("consent")

        def change() -> None:
            house.register.remove("kari")
            house.register.put(Person("anna", house.clock.now(), Role.GUEST, "Anna", lives_here=False))
            house.desk.people_changed()

        await house.disk.run(change)
        async with asyncio.timeout(20):
            while not isinstance(gate.verdict, No):
                await asyncio.sleep(0.002)
        assert gate.verdict.code == "unknown_person"
        assert isinstance(stranger.verdict, No)
        assert stranger.verdict.code == "not_consented"
        running.cancel()

    async def test_who_has_gone_is_forgotten_in_time(
        self, house: ConsentHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        assert timedelta(hours=1) == EXPIRY
        monkeypatch.setattr(desk_module, "EXPIRY", timedelta(milliseconds=1))
        gate = house.gates.gate(Kind.CAMERA, ["kari"])
        await house.desk.give(agreed(), "kari")
        await house.disk.run(house.register.remove, "kari")
        running = asyncio.create_task(house.desk.run())
        async with asyncio.timeout(20):
            while not isinstance(gate.verdict, No):
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.05)
        assert await house.disk.run(house.store.of, "kari") != []
        house.clock.move(days=180)
        async with asyncio.timeout(20):
            while await house.disk.run(house.store.of, "kari"):
                await asyncio.sleep(0.002)
        running.cancel()
        assert "1 consents of people who have gone are forgotten" in caplog.text
        assert "kari" not in caplog.text
