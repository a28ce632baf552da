"""Consent in the house as the composition root puts it together."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.model import Camera
from agent.people.register import Person
from privacy.consent_text import Kind
from privacy.hold import Role
from privacy.records import Scope
from tests.agent.consent.consent_house import agreed
from tests.agent.served_house import serving

BEDROOM = Camera(id="bedroom", name="Kari's room", url="http://192.0.2.5/snapshot.jpg", subjects=("kari",))
HALL = Camera(id="hall", name="Hall", url="http://192.0.2.6/snapshot.jpg")


async def test_from_yes_to_no_to_the_receipt(tmp_path: Path, clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path, clock, BEDROOM, HALL) as house:
        agent, storage = house.agent, house.storage
        desk = agent._doorway._consent

        def reasons() -> list[str]:
            return [camera.reason for camera in house.house.state().cameras]

        assert ["kari, whom nobody knows here" in reason for reason in reasons()] == [True, False]
        storage.people.put(Person("kari", clock.now(), Role.RESIDENT, "Kari", lives_here=True))
        await desk.refresh()
        assert ["until everybody whom it is assigned to" in reason for reason in reasons()] == [True, False]
        await desk.give(agreed(), "kari")
        assert reasons() == ["", ""]
        assert [camera.basis for camera in house.house.state().cameras] == ["consent", "contract"]
        theirs, shared = house.keep("bedroom", frozenset({"kari"})), house.keep("hall")
        await desk.withdraw(Kind.CAMERA, "kari")
        assert "until everybody whom it is assigned to" in reasons()[0]
        clock.move(seconds=1)
        await agent._eraser.finish()
        assert await agent._disk.run(storage.vault.thumbnail, theirs) is None
        assert await agent._disk.run(storage.vault.thumbnail, shared)
        verified, erased = house.house.state().receipts
        assert {line.store: line.erased for line in erased.stores if line.erased} == {"snapshots": 1}
        assert [(line.store, line.left) for line in verified.stores if line.left] == []
        assert erased.signature_valid
        assert await house.run("inventory") == 0
        assert "\nconsent\t" in capsys.readouterr().out
    async with serving(tmp_path, clock, BEDROOM, HALL) as house:
        await house.agent._doorway.open()
        assert "until everybody whom it is assigned to" in house.house.state().cameras[0].reason
        day = clock.now() + timedelta(days=1)
        assert house.storage.consents.count(Scope(subjects=("kari",)), day) == 1, "the record of it stays"
