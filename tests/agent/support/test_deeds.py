"""What of a request goes into the activity log: of somebody from support, all of it."""

from datetime import timedelta
from typing import Any

import pytest

from agent.api.asks import Question
from agent.api.permission import Asked, Caller
from agent.deeds import Deeds
from agent.rights.actions import Action
from agent.rights.decision import Allowed, Denied
from tests.agent.support.support_house import SupportHouse

YES, NO = Allowed("role", "support", "Yes."), Denied("no_session", "No.")


class Log:
    def __init__(self) -> None:
        self.noted: list[tuple[str, bool]] = []

    async def note(self, deed: Any) -> None:
        self.noted.append((deed.action, True))

    async def note_if_possible(self, deed: Any) -> bool:
        self.noted.append((deed.action, False))
        return True


@pytest.mark.parametrize(
    ("who", "answer", "changes", "noted", "counted"),
    [
        ("siri", YES, False, [("read_health", True)], 1),
        ("siri", YES, True, [("read_health", False)], 1),
        ("siri", NO, False, [("read_health", False)], 0),
        ("rune", YES, False, [], 0),
        ("rune", YES, True, [("read_health", False)], 0),
        ("rune", NO, False, [("read_health", False)], 0),
    ],
)
async def test_each_act_of_support_is_noted_before_it_is_shown(  # noqa: PLR0913, PLR0917 - each a column
    house: SupportHouse, who: str, answer: Any, changes: Any, noted: list[tuple[str, bool]], counted: int
) -> None:
    log, acted = Log(), list[tuple[str, Action]]()
    parts: dict[str, Any] = {"activity": log, "agreements": None, "button": None, "clock": house.clock}
    deeds = Deeds(
        **parts, household=house.household.current, acted=lambda person, action: acted.append((person, action))
    )
    house.pass_(timedelta(seconds=1))
    asked = Asked(
        caller=Caller(house.actor(who)),
        route="GET /api/state",
        question=Question(Action.READ_HEALTH),
        answer=answer,
        purpose=None,
        changes=changes,
    )
    await deeds.looked(asked)
    await Deeds(**parts, household=house.household.current).looked(asked)
    assert log.noted == noted * 2
    assert acted == [(house.ids[who], Action.READ_HEALTH)] * counted
