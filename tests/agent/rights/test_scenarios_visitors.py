"""Those who come, call or ask from outside: what the table was thought through for, one after the other."""

from datetime import timedelta

import pytest

from agent.rights.actions import Action, Group, Need
from agent.rights.decision import Denied, decide
from agent.rights.grants import Actor, Reach, Token
from agent.rights.household import INSTALLATION, Camera
from agent.rights.target import HOME, Target
from privacy.hold import Role
from privacy.records import RecordClass
from tests.agent.rights.home import (
    DAY,
    GRO,
    IVAR,
    LARS,
    LONG_AGO,
    NOW,
    OLGA,
    RAGNA,
    RUNE,
    SIV,
    TIRIL,
    VERA,
    alarm,
    allowed,
    grant,
    home,
    person,
    refused,
    session,
)

DOOR = Target(cameras=("door",))
RUNES_CAM = Target(cameras=("runes-cam",))
OF_RUNE = Target(subjects=(RUNE,))
OF_VERA = Target(subjects=(VERA,))


class TestTheResponder:
    def test_finds_the_wearer_while_the_alarm_is_open_and_no_longer(self) -> None:
        assert allowed(home(alarms=alarm(RAGNA)), RAGNA, Action.VIEW_POSITION, OF_VERA).tell == {VERA}
        assert refused(home(), RAGNA, Action.VIEW_POSITION, OF_VERA) == "no_alarm"
        assert refused(home(alarms=alarm(RAGNA, since=NOW + DAY)), RAGNA, Action.VIEW_POSITION, OF_VERA) == "no_alarm"

    def test_who_was_not_called_finds_nobody(self) -> None:
        assert refused(home(alarms=alarm("another")), RAGNA, Action.VIEW_POSITION, OF_VERA) == "no_alarm"

    def test_finds_nobody_else_and_not_everybody(self) -> None:
        household = home(alarms=alarm(RAGNA))
        assert refused(household, RAGNA, Action.VIEW_POSITION, OF_RUNE) == "no_alarm"
        assert refused(household, RAGNA, Action.VIEW_POSITION, HOME) == "no_alarm"

    def test_opens_the_door_by_grant_during_the_alarm(self) -> None:
        lent = grant(RAGNA, Role.RESPONDER, Action.CONTROL_DEVICES, by=VERA)
        lamp = Target(devices=("lamp",))
        assert refused(home(grants=(lent,)), RAGNA, Action.CONTROL_DEVICES, lamp) == "no_alarm"
        allowed(home(grants=(lent,), alarms=alarm(RAGNA)), RAGNA, Action.CONTROL_DEVICES, lamp)


class TestTheDaughterOfAWearer:
    def test_sees_where_she_is_by_her_grant_alone(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.VIEW_POSITION, by=VERA)
        assert allowed(home(grants=(lent,)), GRO, Action.VIEW_POSITION, OF_VERA).tell == {VERA}
        assert refused(home(), OLGA, Action.VIEW_POSITION, OF_VERA) == "not_granted"
        by_owner = grant(GRO, Role.GUEST, Action.VIEW_POSITION, by=OLGA)
        assert refused(home(grants=(by_owner,)), GRO, Action.VIEW_POSITION, OF_VERA) == "giver_may_not"

    def test_sees_past_alarms_by_her_grant_alone(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.READ_ALARMS, by=VERA)
        allowed(home(grants=(lent,)), GRO, Action.READ_ALARMS, OF_VERA)
        assert refused(home(), OLGA, Action.READ_ALARMS, OF_VERA) == "of_another"


class TestSupport:
    def test_acts_within_an_open_session_alone(self) -> None:
        grants = (grant(SIV, Role.SUPPORT, Action.READ_DIAGNOSTICS),)
        allowed(home(grants=grants, support=session()), SIV, Action.READ_DIAGNOSTICS)
        for sessions in ((), session(end=NOW), session(start=NOW + DAY, end=NOW + 2 * DAY)):
            assert refused(home(grants=grants, support=sessions), SIV, Action.READ_DIAGNOSTICS) == "no_session"

    def test_does_not_act_without_a_grant(self) -> None:
        assert refused(home(support=session()), SIV, Action.READ_DIAGNOSTICS) == "not_granted"

    def test_sees_pictures_beside_somebody_of_the_house_alone(self) -> None:
        grants = (grant(SIV, Role.SUPPORT, Action.VIEW_PICTURES),)
        yes = allowed(home(grants=grants, support=session()), SIV, Action.VIEW_PICTURES, DOOR)
        assert yes.needs == {Need.SECOND_PERSON, Need.PURPOSE}

    def test_never_lets_itself_in(self) -> None:
        assert refused(home(), SIV, Action.OPEN_SUPPORT) == "role_may_not"


class TestTheInstallerUntilFriday:
    FRIDAY = NOW + 4 * DAY

    def test_works_until_then(self) -> None:
        lent = grant(IVAR, Role.INSTALLER, Action.MANAGE_DEVICES, end=self.FRIDAY)
        household = home(grants=(lent,))
        allowed(household, IVAR, Action.MANAGE_DEVICES, HOME, self.FRIDAY - timedelta(seconds=1))
        assert refused(household, IVAR, Action.MANAGE_DEVICES, HOME, self.FRIDAY) == "grant_ended"
        assert refused(household, IVAR, Action.MANAGE_DEVICES, HOME, NOW - 2 * DAY) == "grant_not_begun"

    def test_takes_a_test_picture_while_mounting_and_not_after(self) -> None:
        new = Camera(id="new", installed_from=NOW)
        lent = grant(IVAR, Role.INSTALLER, Action.TAKE_TEST_PICTURE, reach=Reach(cameras=("new",)))
        household = home(cameras={"new": new}, grants=(lent,))
        there = Target(cameras=("new",))
        assert allowed(household, IVAR, Action.TAKE_TEST_PICTURE, there).tell == {OLGA, RUNE, TIRIL, VERA}
        for at in (NOW - timedelta(seconds=1), NOW + INSTALLATION):
            assert refused(household, IVAR, Action.TAKE_TEST_PICTURE, there, at) == "not_installing"
        assert refused(household, IVAR, Action.VIEW_PICTURES, there) == "not_granted"

    def test_is_not_the_only_one_who_mounts_cameras(self) -> None:
        household = home(cameras={"new": Camera(id="new", installed_from=NOW)})
        there = Target(cameras=("new",))
        for who in (OLGA, RUNE, LARS):
            allowed(household, who, Action.TAKE_TEST_PICTURE, there)
        assert refused(household, IVAR, Action.TAKE_TEST_PICTURE, there) == "not_granted"
        assert refused(household, TIRIL, Action.TAKE_TEST_PICTURE, there) == "minor"
        left = home(people={RUNE: person(RUNE, Role.RESIDENT, until=NOW)}, cameras=household.cameras)
        assert refused(left, RUNE, Action.TAKE_TEST_PICTURE, there) == "left"

    @pytest.mark.parametrize("cameras", [("theirs",), ("unknown",), ("new", "theirs"), ()])
    def test_takes_none_of_a_room_that_is_somebodys(self, cameras: tuple[str, ...]) -> None:
        known = {
            "new": Camera(id="new", installed_from=NOW),
            "theirs": Camera(id="theirs", room="runes", installed_from=NOW),
        }
        lent = grant(IVAR, Role.INSTALLER, Action.TAKE_TEST_PICTURE)
        household = home(cameras=known, grants=(lent,))
        assert refused(household, IVAR, Action.TAKE_TEST_PICTURE, Target(cameras=cameras)) == "not_installing"

    def test_never_learns_who_is_in(self) -> None:
        lent = grant(IVAR, Role.INSTALLER, Action.VIEW_PRESENCE, by=RUNE)
        assert refused(home(grants=(lent,)), IVAR, Action.VIEW_PRESENCE, OF_RUNE) == "role_may_not"


class TestTheGuest:
    def test_uses_what_was_granted_and_nothing_else(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.CONTROL_DEVICES, reach=Reach(rooms=("hall",)))
        household = home(grants=(lent,))
        allowed(household, GRO, Action.CONTROL_DEVICES, Target(devices=("lamp",)))
        for elsewhere in (Target(devices=("runes-window",)), Target(devices=("unknown",)), HOME):
            assert refused(household, GRO, Action.CONTROL_DEVICES, elsewhere) == "out_of_reach"
        assert refused(household, GRO, Action.READ_DEVICES, Target(devices=("lamp",))) == "not_granted"

    def test_sees_the_class_of_records_that_was_granted(self) -> None:
        pictures = Reach(home=True, classes=(RecordClass.SNAPSHOT,))
        grants = (
            grant(GRO, Role.GUEST, Action.VIEW_PICTURES, reach=pictures),
            grant(GRO, Role.GUEST, Action.READ_HISTORY, reach=pictures),
            grant(GRO, Role.GUEST, Action.CONTROL_DEVICES, reach=pictures),
        )
        allowed(home(grants=grants), GRO, Action.VIEW_PICTURES, DOOR)
        for action in (Action.READ_HISTORY, Action.CONTROL_DEVICES):
            assert refused(home(grants=grants), GRO, action, Target(devices=("lamp",))) == "out_of_reach"

    def test_sees_history_from_when_access_was_given(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, start=NOW - DAY)
        assert allowed(home(grants=(lent,)), GRO, Action.VIEW_PICTURES, DOOR).history_from == NOW - DAY
        longer = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, history_from=LONG_AGO - DAY)
        given = allowed(home(grants=(longer,)), GRO, Action.VIEW_PICTURES, DOOR).history_from
        assert given == LONG_AGO, "no more than who gave it sees"

    def test_visits_and_asks_the_owner_to_be_erased(self) -> None:
        visitor = Target(subjects=("a-visitor",))
        allowed(home(), OLGA, Action.ERASE_OTHERS, visitor)
        assert refused(home(), RUNE, Action.ERASE_OTHERS, visitor) == "role_may_not"


class TestAProgram:
    def ask(self, action: Action, target: Target = HOME, **changed: object) -> str:
        fields = {"id": "t", "person": OLGA, "groups": (Group.DEVICES,), "reach": Reach(home=True)}
        token = Token(**{**fields, "start": NOW - DAY, "end": NOW + DAY, **changed})  # type: ignore[arg-type]
        decision = decide(home(tokens={"t": token}), Actor(OLGA, "t"), action, target, NOW)
        return decision.code if isinstance(decision, Denied) else "yes"

    def test_does_what_its_person_may_within_its_token(self) -> None:
        assert self.ask(Action.CONTROL_DEVICES) == "yes"
        assert self.ask(Action.READ_METRICS) == "token_out_of_reach"
        assert self.ask(Action.CONTROL_DEVICES, reach=Reach(rooms=("hall",))) == "token_out_of_reach"
        assert self.ask(Action.CONTROL_DEVICES, Target(rooms=("hall",)), reach=Reach(rooms=("hall",))) == "yes"
        assert self.ask(Action.CONTROL_DEVICES, end=NOW) == "token_ended"

    def test_never_does_what_a_person_must(self) -> None:
        everything = tuple(Group)
        for action in (Action.VIEW_PICTURES, Action.ERASE_EVERYTHING, Action.MANAGE_GRANTS, Action.CONSENT_OWN):
            assert self.ask(action, groups=everything) == "programs_may_not"

    def test_does_not_borrow_anothers_token(self) -> None:
        assert self.ask(Action.CONTROL_DEVICES, person=RUNE) == "unknown_token"
        assert decide(home(), Actor(OLGA, "forged"), Action.READ_HEALTH, HOME, NOW) == Denied(
            "unknown_token", "The program has no valid token."
        )


class TestTheUnknown:
    def test_may_nothing(self) -> None:
        assert refused(home(), "nobody", Action.READ_HEALTH) == "not_a_member"

    def test_camera_is_seen_by_nobody(self) -> None:
        nowhere = Target(cameras=("nowhere",))
        assert refused(home(), OLGA, Action.VIEW_PICTURES, nowhere) == "unknown_camera"
        lent = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, reach=Reach(rooms=("hall",)))
        assert refused(home(grants=(lent,)), GRO, Action.VIEW_PICTURES, nowhere) == "out_of_reach"

    def test_giver_gives_nothing(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, by="nobody")
        assert refused(home(grants=(lent,)), GRO, Action.VIEW_PICTURES, DOOR) == "giver_may_not"
