"""Those who live there, own it or lived there: what the table was thought through for, one after the other."""

from datetime import timedelta

import pytest

from agent.rights.actions import Action, Need
from agent.rights.decision import Denied
from agent.rights.grants import Reach
from agent.rights.household import Camera, Membership, Person
from agent.rights.target import HOME, Target
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from tests.agent.rights.home import (
    DAY,
    GRO,
    IVAR,
    LARS,
    LONG_AGO,
    MONA,
    NOW,
    OLGA,
    PEOPLE,
    RUNE,
    SIV,
    TIRIL,
    VERA,
    allowed,
    asked,
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


class TestTheAbusivePartnerWhoOwnsTheHome:
    def test_does_not_see_a_camera_that_is_the_others_alone(self) -> None:
        assert refused(home(), OLGA, Action.VIEW_PICTURES, RUNES_CAM) == "of_another"

    def test_does_not_see_it_among_all_cameras(self) -> None:
        assert refused(home(), OLGA, Action.VIEW_PICTURES, HOME) == "of_another"
        assert refused(home(), OLGA, Action.VIEW_PICTURES, Target(cameras=("door", "runes-cam"))) == "of_another"

    def test_cannot_make_it_shared_by_assigning_it(self) -> None:
        assert refused(home(), OLGA, Action.ASSIGN_CAMERA, RUNES_CAM) == "of_another"

    def test_cannot_take_the_shared_one_away_alone(self) -> None:
        assert allowed(home(), OLGA, Action.ASSIGN_CAMERA, DOOR).needs == {Need.SECOND_PERSON}

    def test_sees_nothing_of_before_it_was_shared(self) -> None:
        given_back = Camera(id="runes-cam", since=NOW - timedelta(hours=1))
        household = home(cameras={"runes-cam": given_back})
        assert allowed(household, OLGA, Action.VIEW_PICTURES, RUNES_CAM).history_from == NOW - timedelta(hours=1)
        older = Target(cameras=("runes-cam",), moment=NOW - DAY)
        assert refused(household, OLGA, Action.VIEW_PICTURES, older) == "before_access"

    def test_cannot_have_a_friend_look_instead(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, by=OLGA)
        assert refused(home(grants=(lent,)), GRO, Action.VIEW_PICTURES, RUNES_CAM) == "giver_may_not"

    def test_cannot_grant_it_to_herself(self) -> None:
        lent = grant(OLGA, Role.OWNER, Action.VIEW_PICTURES, by=OLGA)
        assert refused(home(grants=(lent,)), OLGA, Action.VIEW_PICTURES, RUNES_CAM) == "giver_may_not"

    def test_cannot_take_it_by_a_tag_or_a_claim(self) -> None:
        assert refused(home(), OLGA, Action.TAG_PICTURE, RUNES_CAM) == "of_another"
        assert refused(home(), OLGA, Action.ACCEPT_CLAIM, RUNES_CAM) == "of_another"

    def test_does_not_see_when_the_other_was_in(self) -> None:
        assert refused(home(), OLGA, Action.VIEW_PRESENCE, OF_RUNE) == "not_granted"
        assert refused(home(), OLGA, Action.VIEW_PRESENCE, HOME) == "not_granted"

    def test_does_not_learn_it_from_the_others_window(self) -> None:
        assert refused(home(), OLGA, Action.READ_HISTORY, Target(devices=("runes-window",))) == "of_another"
        assert refused(home(), OLGA, Action.READ_HISTORY, Target(rooms=("runes",))) == "of_another"
        assert refused(home(), OLGA, Action.READ_HISTORY, HOME) == "of_another"

    def test_does_not_read_what_the_other_did(self) -> None:
        assert refused(home(), OLGA, Action.READ_ALL_ACTIVITY) == "not_alone"
        assert refused(home(), OLGA, Action.READ_OWN_ACTIVITY, OF_RUNE) == "not_own"

    def test_cannot_erase_or_hold_what_is_the_others(self) -> None:
        assert refused(home(), OLGA, Action.ERASE_OTHERS, OF_RUNE) == "asks_themselves"
        assert refused(home(), OLGA, Action.ERASE_HOME, RUNES_CAM) == "of_another"
        assert refused(home(), OLGA, Action.PLACE_HOLD, OF_RUNE) == "of_another"

    @pytest.mark.parametrize("class_", [RecordClass.ACTIVITY, RecordClass.PRESENCE, RecordClass.CONSENT])
    def test_cannot_erase_it_under_the_name_of_its_class(self, class_: RecordClass) -> None:
        scope = Scope(classes=(class_,))
        assert refused(home(), OLGA, Action.ERASE_HOME, Target.of(scope)) == "of_another"

    def test_cannot_erase_it_under_the_name_of_a_time(self) -> None:
        assert refused(home(), OLGA, Action.ERASE_HOME, Target.of(Scope(start=NOW - DAY))) == "of_another"

    def test_cannot_end_the_others_hold(self) -> None:
        assert refused(home(), OLGA, Action.RELEASE_HOLD, OF_RUNE) == "asks_themselves"
        allowed(home(), RUNE, Action.RELEASE_HOLD, OF_RUNE)

    def test_removes_nobody_in_silence(self) -> None:
        assert allowed(home(), OLGA, Action.REMOVE_PERSON, OF_RUNE).tell == {RUNE}

    def test_does_not_remove_a_fellow_owner_alone(self) -> None:
        owner = person(RUNE, Role.OWNER, here=True)
        household = home(people={each.id: each for each in (*PEOPLE, owner)})
        for action in (Action.REMOVE_PERSON, Action.MANAGE_PEOPLE):
            assert allowed(household, OLGA, action, OF_RUNE).needs == {Need.SECOND_PERSON}

    def test_wipes_everything_by_her_own_hand_only_and_everybody_is_told(self) -> None:
        yes = allowed(home(), OLGA, Action.ERASE_EVERYTHING)
        assert yes.needs == {Need.PRESENCE}
        assert yes.tell == {each.id for each in PEOPLE} - {OLGA}


class TestWhatIsSharedIsShownToAll:
    def test_a_look_at_the_shared_camera_is_told_to_those_who_live_there(self) -> None:
        assert allowed(home(), OLGA, Action.VIEW_PICTURES, DOOR).tell == {RUNE, TIRIL, VERA}
        assert allowed(home(), RUNE, Action.VIEW_PICTURES, DOOR).tell == {OLGA, TIRIL, VERA}

    def test_a_granted_look_at_ones_own_camera_is_told_to_its_person_alone(self) -> None:
        lent = grant(GRO, Role.GUEST, Action.VIEW_PICTURES, by=RUNE)
        assert allowed(home(grants=(lent,)), GRO, Action.VIEW_PICTURES, RUNES_CAM).tell == {RUNE}

    def test_who_is_tagged_is_told(self) -> None:
        tagged = Target(cameras=("door",), also=(GRO, "a-visitor"))
        assert allowed(home(), OLGA, Action.TAG_PICTURE, tagged).tell == {RUNE, TIRIL, VERA, GRO}


class TestAResidentAgainstTheOwnersWill:
    @pytest.mark.parametrize(
        "action",
        [
            Action.EXPORT_OWN,
            Action.ERASE_OWN,
            Action.RECTIFY_OWN,
            Action.RESTRICT_OWN,
            Action.OBJECT_OWN,
            Action.CONSENT_OWN,
            Action.READ_OWN_ACTIVITY,
            Action.PLACE_HOLD,
            Action.REMOVE_PERSON,
            Action.DISCLOSE,
        ],
    )
    def test_has_their_own_rights(self, action: Action) -> None:
        assert allowed(home(), RUNE, action, OF_RUNE).right == "resident"

    def test_takes_their_own_camera_down_and_empties_it(self) -> None:
        allowed(home(), RUNE, Action.MANAGE_CAMERAS, RUNES_CAM)
        allowed(home(), RUNE, Action.ERASE_HOME, RUNES_CAM)
        assert not allowed(home(), RUNE, Action.ASSIGN_CAMERA, RUNES_CAM).needs, "and asks nobody"

    def test_keeps_evidence_from_a_shared_camera(self) -> None:
        allowed(home(), RUNE, Action.PLACE_HOLD, DOOR)

    def test_shows_their_own_camera_to_whom_they_like(self) -> None:
        lent = grant(OLGA, Role.OWNER, Action.VIEW_PICTURES, by=RUNE)
        assert allowed(home(grants=(lent,)), OLGA, Action.VIEW_PICTURES, RUNES_CAM).right == lent.id

    def test_sends_support_away(self) -> None:
        allowed(home(), RUNE, Action.END_SUPPORT)

    def test_does_not_erase_what_is_shared_or_remove_the_owner(self) -> None:
        assert refused(home(), RUNE, Action.ERASE_HOME, DOOR) == "not_granted"
        assert refused(home(), RUNE, Action.REMOVE_PERSON, Target(subjects=(OLGA,))) == "not_own"
        assert refused(home(), RUNE, Action.ERASE_EVERYTHING) == "role_may_not"


class TestTheLandlord:
    @pytest.mark.parametrize(
        "action", [Action.MANAGE_DEVICES, Action.READ_DIAGNOSTICS, Action.INSTALL_UPDATES, Action.CHANGE_SETTINGS]
    )
    def test_does_what_is_technical_and_the_tenants_are_told(self, action: Action) -> None:
        assert allowed(home(), LARS, action).tell in ({OLGA, RUNE, TIRIL, VERA}, set())

    @pytest.mark.parametrize(
        ("action", "target"),
        [
            (Action.VIEW_PICTURES, DOOR),
            (Action.VIEW_PRESENCE, OF_RUNE),
            (Action.READ_HISTORY, HOME),
            (Action.READ_DEVICES, HOME),
            (Action.CONTROL_DEVICES, HOME),
            (Action.MANAGE_CAMERAS, DOOR),
            (Action.READ_LOG, HOME),
            (Action.READ_PEOPLE, HOME),
        ],
    )
    def test_does_not_look_into_a_lived_in_home(self, action: Action, target: Target) -> None:
        assert refused(home(), LARS, action, target) in {"lives_elsewhere", "not_own", "lived_in", "not_granted"}

    def test_cannot_let_himself_in(self) -> None:
        lent = grant(LARS, Role.OWNER, Action.VIEW_PICTURES, by=LARS)
        assert refused(home(grants=(lent,)), LARS, Action.VIEW_PICTURES, DOOR) == "giver_may_not"
        himself = Target(subjects=(LARS,))
        assert allowed(home(), LARS, Action.MANAGE_PEOPLE, himself).needs == {Need.SECOND_PERSON}

    def test_cannot_have_an_installer_or_support_look(self) -> None:
        grants = (
            grant(IVAR, Role.INSTALLER, Action.VIEW_PICTURES, by=LARS),
            grant(SIV, Role.SUPPORT, Action.READ_LOG, by=LARS),
        )
        assert refused(home(grants=grants), IVAR, Action.VIEW_PICTURES, DOOR) == "giver_may_not"
        assert refused(home(grants=grants, support=session()), SIV, Action.READ_LOG) == "giver_may_not"

    def test_puts_nobody_out_by_a_click(self) -> None:
        assert allowed(home(), LARS, Action.REMOVE_PERSON, OF_RUNE).needs == {Need.SECOND_PERSON}
        assert refused(home(), LARS, Action.ERASE_EVERYTHING) == "lives_elsewhere"
        assert allowed(home(), LARS, Action.TRANSFER_HOME).needs == {Need.PRESENCE, Need.SECOND_PERSON}

    def test_sees_what_the_tenants_grant(self) -> None:
        lent = grant(LARS, Role.OWNER, Action.VIEW_PICTURES, by=RUNE, reach=Reach(cameras=("door",)))
        assert allowed(home(grants=(lent,)), LARS, Action.VIEW_PICTURES, DOOR).right == lent.id

    def test_has_the_empty_home_back_without_what_the_tenant_left(self) -> None:
        empty = home(OLGA, RUNE, TIRIL, VERA, rooms={}, cameras={"door": Camera(id="door", since=NOW - DAY)})
        for action in (Action.MANAGE_CAMERAS, Action.ASSIGN_CAMERA, Action.ERASE_HOME):
            allowed(empty, LARS, action, DOOR)
        allowed(empty, LARS, Action.MANAGE_PEOPLE)
        assert refused(empty, LARS, Action.VIEW_PICTURES, DOOR) == "not_granted"
        activity = Target(classes=(RecordClass.ACTIVITY,))
        assert refused(empty, LARS, Action.ERASE_HOME, activity) == "of_another"


class TestTheTeenager:
    def test_lives_there_and_sees_what_is_shared(self) -> None:
        allowed(home(), TIRIL, Action.CONTROL_DEVICES, Target(devices=("lamp",)))
        allowed(home(), TIRIL, Action.VIEW_PICTURES, DOOR)

    def test_has_a_room_that_no_parent_watches(self) -> None:
        room = home(
            rooms={"tirils": frozenset({TIRIL})},
            cameras={"hers": Camera(id="hers", room="tirils")},
            devices={"window": "tirils"},
        )
        for parent in (OLGA, RUNE):
            assert refused(room, parent, Action.VIEW_PICTURES, Target(cameras=("hers",))) == "of_another"
            assert refused(room, parent, Action.READ_HISTORY, Target(devices=("window",))) == "of_another"
            assert refused(room, parent, Action.VIEW_PRESENCE, Target(subjects=(TIRIL,))) == "not_granted"
        allowed(room, TIRIL, Action.MANAGE_CAMERAS, Target(cameras=("hers",)))

    def test_withdraws_consent_and_erases_against_the_parents(self) -> None:
        for action in (Action.CONSENT_OWN, Action.ERASE_OWN, Action.EXPORT_OWN):
            allowed(home(), TIRIL, action, Target(subjects=(TIRIL,)))

    def test_shows_where_she_is_and_grants_nothing_else(self) -> None:
        allowed(home(), TIRIL, Action.MANAGE_GRANTS, Target(subjects=(TIRIL,)))
        assert refused(home(), TIRIL, Action.MANAGE_GRANTS, HOME) == "minor"
        lent = grant(OLGA, Role.OWNER, Action.VIEW_PRESENCE, by=TIRIL)
        hers = Target(subjects=(TIRIL,))
        assert allowed(home(grants=(lent,)), OLGA, Action.VIEW_PRESENCE, hers).tell == {TIRIL}
        assert refused(home(grants=(lent,)), OLGA, Action.VIEW_PRESENCE, OF_RUNE) == "giver_may_not"

    def test_does_not_own_or_hold_the_home(self) -> None:
        assert refused(home(), TIRIL, Action.PLACE_HOLD, DOOR) == "minor"
        assert refused(home(), TIRIL, Action.OPEN_SUPPORT) == "minor"
        assert refused(home(), TIRIL, Action.CONFIRM_TIME) == "minor"


class TestTheTenantWhoHasMovedOut:
    OF_MONA = Target(subjects=(MONA,))

    @pytest.mark.parametrize(
        "action",
        [Action.CONTROL_DEVICES, Action.VIEW_PICTURES, Action.READ_HISTORY, Action.READ_LOG, Action.RAISE_ALARM],
    )
    def test_sees_nothing_any_more(self, action: Action) -> None:
        assert refused(home(), MONA, action, HOME) == "left"

    @pytest.mark.parametrize("action", [Action.EXPORT_OWN, Action.ERASE_OWN, Action.RECTIFY_OWN, Action.PLACE_HOLD])
    def test_keeps_the_rights_over_what_is_kept_of_them(self, action: Action) -> None:
        allowed(home(), MONA, action, self.OF_MONA)

    def test_has_none_over_what_is_kept_of_others(self) -> None:
        assert refused(home(), MONA, Action.EXPORT_OWN, OF_RUNE) == "not_own"

    def test_does_not_live_on_in_a_grant(self) -> None:
        grants = (
            grant(MONA, Role.RESIDENT, Action.MANAGE_DEVICES, by=OLGA),
            grant(GRO, Role.GUEST, Action.VIEW_PICTURES, by=MONA),
        )
        assert refused(home(grants=grants), MONA, Action.MANAGE_DEVICES) == "left"
        assert refused(home(grants=grants), GRO, Action.VIEW_PICTURES, DOOR) == "giver_may_not"

    def test_loses_it_at_the_moment_of_leaving(self) -> None:
        left = NOW - 30 * DAY
        assert asked(home(), MONA, Action.READ_DEVICES, HOME, left) == Denied("left", asked_why())
        allowed(home(), MONA, Action.READ_DEVICES, HOME, left - timedelta(seconds=1))


def asked_why() -> str:
    decision = asked(home(), MONA, Action.RAISE_ALARM)
    assert isinstance(decision, Denied)
    return decision.why


class TestTheNewTenant:
    def test_sees_nothing_of_before(self) -> None:
        new = Person(id="nora", memberships=(Membership(role=Role.RESIDENT, since=NOW - DAY, lives_here=True),))
        household = home(people={"nora": new})
        assert allowed(household, "nora", Action.VIEW_PICTURES, DOOR).history_from == NOW - DAY
        older = Target(cameras=("door",), moment=NOW - 2 * DAY)
        assert refused(household, "nora", Action.VIEW_PICTURES, older) == "before_access"
        assert refused(household, "nora", Action.VIEW_PICTURES, DOOR, NOW - 2 * DAY) == "not_yet"


class TestWhoLivesAlone:
    def test_divides_with_nobody(self) -> None:
        alone = home(RUNE, TIRIL, VERA, rooms={}, cameras={"door": Camera(id="door")})
        assert not allowed(alone, OLGA, Action.ASSIGN_CAMERA, DOOR).needs
        allowed(alone, OLGA, Action.READ_ALL_ACTIVITY)
        allowed(alone, OLGA, Action.VIEW_PICTURES, HOME)

    def test_sees_all_cameras_since_the_last_of_them_was_shared(self) -> None:
        cameras = {"door": Camera(id="door"), "garden": Camera(id="garden", since=NOW - 2 * DAY)}
        alone = home(RUNE, TIRIL, VERA, rooms={}, cameras=cameras)
        assert allowed(alone, OLGA, Action.VIEW_PICTURES, HOME).history_from == NOW - 2 * DAY
        assert allowed(alone, OLGA, Action.VIEW_PICTURES, DOOR).history_from == LONG_AGO

    def test_shows_the_log_to_a_fellow_owner(self) -> None:
        lent = grant(LARS, Role.OWNER, Action.READ_ALL_ACTIVITY, by=OLGA)
        assert refused(home(grants=(lent,)), LARS, Action.READ_ALL_ACTIVITY) == "giver_may_not"
        allowed(home(RUNE, TIRIL, VERA, grants=(lent,)), LARS, Action.READ_ALL_ACTIVITY)

    def test_does_not_read_on_what_those_did_who_have_left(self) -> None:
        left = person(RUNE, Role.RESIDENT, here=True, until=NOW - DAY)
        household = home(people={OLGA: PEOPLE[0], RUNE: left})
        assert allowed(household, OLGA, Action.READ_ALL_ACTIVITY).history_from == NOW - DAY

    def test_in_a_home_to_which_nobody_moved_nothing_ever_changed(self) -> None:
        assert home(people={OLGA: person(OLGA, Role.OWNER)}).settled(NOW) is None


class TestTwoRoles:
    def test_the_better_one_counts(self) -> None:
        both = Person(
            id="both",
            memberships=(
                Membership(role=Role.INSTALLER, since=LONG_AGO),
                Membership(role=Role.RESIDENT, since=NOW - DAY, lives_here=True),
            ),
        )
        household = home(people={"both": both}, grants=(grant("both", Role.INSTALLER, Action.VIEW_PICTURES),))
        yes = allowed(household, "both", Action.VIEW_PICTURES, DOOR)
        assert (yes.by, yes.right, yes.needs) == ("role", "resident", frozenset())

    def test_of_two_refusals_the_closest_to_a_yes_is_given(self) -> None:
        ended = grant(LARS, Role.OWNER, Action.VIEW_PICTURES, by=RUNE, end=NOW)
        assert refused(home(grants=(ended,)), LARS, Action.VIEW_PICTURES, DOOR) == "grant_ended"
