"""What a scope is about, and the household until people can sign in."""

import pytest

from agent.rights.actions import Action
from agent.rights.decision import Allowed, decide
from agent.rights.local import LOCAL_OWNER, local_household
from agent.rights.target import HOME, Target
from privacy.records import RecordClass, Scope
from tests.agent.rights.home import NOW


def test_a_scope_is_about_what_it_names() -> None:
    scope = Scope(classes=(RecordClass.SNAPSHOT,), cameras=("door",), devices=("lamp",), subjects=("anna",), start=NOW)
    assert Target.of(scope) == Target(
        classes=(RecordClass.SNAPSHOT,), cameras=("door",), devices=("lamp",), subjects=("anna",)
    )
    assert Target.of(scope).placed
    assert not HOME.about("anna").placed
    assert Target.of(scope).about("bo").subjects == ("bo",)


OF = {
    Action.EXPORT_OWN: HOME.about(LOCAL_OWNER.person),
    Action.ERASE_OTHERS: HOME.about("a-visitor"),
    Action.EXPORT_OTHERS: HOME.about("a-visitor"),
    Action.RELEASE_HOLD: HOME.about("page"),
    Action.VIEW_PICTURES: Target(cameras=("door",)),
    Action.VIEW_PRESENCE: HOME.about(LOCAL_OWNER.person),
}
TODAY = [
    *OF,
    Action.CONTROL_DEVICES,
    Action.ERASE_HOME,
    Action.ERASE_EVERYTHING,
    Action.PLACE_HOLD,
    Action.CONFIRM_TIME,
]


@pytest.mark.parametrize("action", TODAY)
def test_the_local_owner_does_what_the_house_can_do(action: Action) -> None:
    household = local_household(("door",))
    assert isinstance(decide(household, LOCAL_OWNER, action, OF.get(action, HOME), NOW), Allowed)
    assert local_household(("door",)) is household, "made anew only when the cameras change"
