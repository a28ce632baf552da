"""Grants in a household of six, from giving to their end, over the real registers."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from agent.api.contract import PersonChange
from agent.api.problems import NotPermitted
from agent.people import grant_desk, lending_desk
from agent.rights.actions import Action, Group, Need, Purpose
from agent.rights.decision import Allowed, Denied
from agent.rights.grants import Reach
from agent.rights.lending import may_end, may_lend
from agent.rights.local import LOCAL_OWNER
from agent.rights.target import HOME, Target
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from privacy.sealed_file import Concerns
from tests.agent.rights.home import home
from tests.agent.rights.six import DAY, DOOR, HOUR, MONDAY, Six, refused

SWITCH, SEE, LOOK = Action.CONTROL_DEVICES, Action.READ_DEVICES, Action.VIEW_PICTURES
FRIDAY = MONDAY.replace(day=5, hour=22)  # when Friday is over, on a Norwegian wall
INSTALLING = (SWITCH, SEE, Action.MANAGE_DEVICES, Action.READ_DIAGNOSTICS)


async def _kept_for_a_moment(six: Six) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await six.grants.keep_limit(six.time.age, six.time.now)


class TestTheInstallerUntilFriday:
    async def test_may_from_now_until_friday_is_over(self, six: Six) -> None:
        assert six.why_not("ivar", SWITCH) == "not_granted"
        given = await six.give("olga", "ivar", *INSTALLING, purpose=Purpose.INSTALLATION, end=FRIDAY)
        assert (given.role, given.by, given.start) == (Role.INSTALLER, six.ids["olga"], six.clock.now())
        assert all(six.may("ivar", action) for action in INSTALLING)
        assert not six.may("ivar", LOOK)
        six.clock.at = FRIDAY - timedelta(seconds=1)
        assert six.may("ivar", SWITCH)
        six.clock.at = FRIDAY
        assert six.why_not("ivar", SWITCH) == "grant_ended"

    async def test_is_forgotten_when_it_has_ended(self, six: Six, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        await six.give("olga", "ivar", SWITCH, end=FRIDAY)
        six.clock.at = FRIDAY - HOUR
        await _kept_for_a_moment(six)
        assert len(six.book.all()) == 1
        six.clock.at = FRIDAY
        keeping = asyncio.ensure_future(six.grants.keep_limit(six.time.age, six.time.now))
        while "are forgotten" not in caplog.text:
            await asyncio.sleep(0.001)
        keeping.cancel()
        assert six.book.all() == []
        assert six.why_not("ivar", SWITCH) == "not_granted"
        six.open()
        assert six.book.all() == []

    async def test_a_clock_that_was_set_back_lengthens_nothing(self, six: Six) -> None:
        await six.give("olga", "ivar", SWITCH, end=six.clock.now() + DAY)
        six.clock.pass_(2 * DAY)  # powered on for two days, whatever the wall says
        assert six.book.expire(MONDAY, six.time.age) == 1

    async def test_survives_a_restart_and_ends_with_the_role(self, six: Six) -> None:
        await six.give("olga", "ivar", SWITCH)
        six.open()
        assert six.may("ivar", SWITCH)
        await six.people.change(six.ids["ivar"], PersonChange(role=Role.GUEST), "local")
        assert six.why_not("ivar", SWITCH) == "not_granted"

    async def test_an_owner_takes_it_back_and_so_does_the_installer(self, six: Six) -> None:
        for who in ("olga", "ivar"):
            given = await six.give("olga", "ivar", SWITCH)
            assert [one.id for one in await six.grants.all(six.actor(who))] == [given.id]
            await six.grants.end(given.id, six.actor(who))
            assert not six.may("ivar", SWITCH)
            assert await six.grants.all(six.actor(who)) == ()

    async def test_at_the_box_it_is_in_the_only_owners_name(self, six: Six) -> None:
        given = await six.give("", "ivar", SWITCH)
        assert given.by == six.ids["olga"]
        assert six.may("ivar", SWITCH)
        assert [one.id for one in await six.grants.all(LOCAL_OWNER)] == [given.id]
        await six.grants.end(given.id, LOCAL_OWNER)
        assert not six.may("ivar", SWITCH)

    async def test_at_the_box_one_of_several_owners_is_named(self, six: Six) -> None:
        lars = await six.add("lars", Role.OWNER)
        assert (await six.give("", "ivar", SWITCH)).by == six.ids["olga"], "she lives there"
        await refused(six.give("", "ivar", SWITCH, by=six.ids["rune"]), "not_an_owner")
        assert (await six.give("", "ivar", Action.READ_DIAGNOSTICS, by=lars)).by == lars
        await six.add("kari", Role.OWNER, here=True)
        await refused(six.give("", "ivar", SWITCH), "no_giver")
        await refused(six.give("olga", "ivar", SWITCH, by=lars), "not_own")
        assert (await six.give("olga", "ivar", SWITCH, by=six.ids["olga"])).by == six.ids["olga"]


class TestTheGuestWithACamera:
    async def test_sees_that_one_and_no_other_and_not_before(self, six: Six) -> None:
        given = await six.give("olga", "gro", LOOK, reach=Reach(cameras=("door",)))
        allowed = six.asked("gro", LOOK, DOOR)
        assert isinstance(allowed, Allowed)
        assert allowed.history_from == given.start == given.history_from
        assert six.ids["rune"] in allowed.tell
        assert six.why_not("gro", LOOK) == "out_of_reach"
        assert six.why_not("gro", LOOK, Target(cameras=("runes",))) == "out_of_reach"
        assert six.why_not("gro", LOOK, Target(cameras=("door",), moment=given.start - HOUR)) == "before_access"

    async def test_nobody_lends_what_is_anothers_alone(self, six: Six) -> None:
        refusal = await refused(six.give("olga", "gro", LOOK, reach=Reach(cameras=("runes",))), "of_another")
        assert isinstance(refusal, NotPermitted)
        await refused(six.give("olga", "gro", LOOK), "of_another")
        await six.give("rune", "gro", LOOK, reach=Reach(cameras=("runes",)))
        assert six.may("gro", LOOK, Target(cameras=("runes",)))

    async def test_history_reaches_no_further_back_than_the_givers(self, six: Six) -> None:
        reach = Reach(cameras=("door",))
        since = MONDAY + HOUR
        given = await six.give("olga", "gro", LOOK, reach=reach, history_from=since)
        assert given.history_from == since
        allowed = six.asked("gro", LOOK, DOOR)
        assert isinstance(allowed, Allowed)
        assert allowed.history_from == since
        await refused(six.give("olga", "gro", LOOK, reach=reach, history_from=MONDAY - HOUR), "before_access")
        before: dict[str, Any] = {"groups": (Group.CAMERAS,), "reach": reach, "history_from": MONDAY - HOUR}
        await refused(six.give("olga", "gro", **before), "before_access")

    async def test_a_resident_does_not_lend_the_shared_camera_as_their_own(self, six: Six) -> None:
        reach = Reach(cameras=("door",))
        await refused(six.give("rune", "ivar", Action.MANAGE_CAMERAS, reach=reach), "not_granted")
        await refused(six.give("rune", "ivar", Action.MANAGE_CAMERAS), "not_granted")
        await six.give("rune", "ivar", Action.MANAGE_CAMERAS, reach=Reach(cameras=("runes",)))
        assert six.may("ivar", Action.MANAGE_CAMERAS, Target(cameras=("runes",)))

    async def test_what_the_giver_can_only_do_beside_somebody_is_not_lent(self, six: Six) -> None:
        household, at = six.household.current(), six.clock.now()
        reach = Reach(cameras=("door",))
        denied = may_lend(household, six.ids["olga"], Action.ASSIGN_CAMERA, reach, at)
        assert isinstance(denied, Denied)
        assert denied.code == "giver_may_not"

    async def test_what_the_guest_was_lent_is_not_handed_on(self, six: Six) -> None:
        await six.give("olga", "gro", LOOK, reach=Reach(cameras=("door",)))
        await six.add("odd", Role.GUEST)
        await refused(six.give("gro", "odd", LOOK, reach=Reach(cameras=("door",))), "not_granted")

    async def test_a_group_is_what_can_be_lent_of_it(self, six: Six) -> None:
        given = await six.give("olga", "gro", groups=(Group.DEVICES,), reach=Reach(devices=("lamp",)))
        assert set(given.actions) == {SWITCH, SEE, Action.READ_HISTORY}
        both = await six.give("olga", "gro", SWITCH, groups=(Group.DEVICES,), reach=Reach(devices=("lamp",)))
        assert (both.actions[0], set(both.actions)) == (SWITCH, set(given.actions))
        await refused(six.give("olga", "gro", groups=(Group.OWN,)), "nothing_lent")
        await refused(six.give("olga", "gro"), "nothing_lent")
        await refused(six.give("olga", "gro", Action.MANAGE_DEVICES), "not_granted")

    async def test_it_goes_with_who_gave_it(self, six: Six) -> None:
        await six.give("rune", "gro", LOOK, reach=Reach(cameras=("runes",)))
        await six.people.remove(six.ids["rune"], "local")
        assert six.book.all() == []
        assert not six.may("gro", LOOK, Target(cameras=("runes",)))

    async def test_it_goes_with_who_had_it(self, six: Six) -> None:
        await six.give("olga", "gro", SWITCH)
        await six.people.remove(six.ids["gro"], "local")
        assert six.book.all() == []
        assert six.why_not("gro", SWITCH) == "left"

    async def test_who_lends_must_do_it_themselves_when_it_is_used(self, six: Six) -> None:
        await six.add("kari", Role.OWNER, here=True)
        await six.give("olga", "gro", SWITCH)
        await six.people.change(six.ids["olga"], PersonChange(lives_here=False), "local")
        assert six.why_not("gro", SWITCH) == "giver_may_not"


class TestTheTeenager:
    async def test_shows_where_she_is_to_whom_she_likes(self, six: Six) -> None:
        own = Target(subjects=(six.ids["tiril"],))
        await six.give("tiril", "gro", Action.VIEW_PRESENCE)
        assert six.may("gro", Action.VIEW_PRESENCE, own)
        assert six.why_not("gro", Action.VIEW_PRESENCE, Target(subjects=(six.ids["rune"],))) == "giver_may_not"
        assert not six.may("olga", Action.VIEW_PRESENCE, own)

    async def test_and_nobody_else_learns_of_it_or_ends_it(self, six: Six) -> None:
        given = await six.give("tiril", "gro", Action.VIEW_PRESENCE)
        for who in ("tiril", "gro"):
            assert len(await six.grants.all(six.actor(who))) == 1
        for who in ("olga", "rune"):
            assert await six.grants.all(six.actor(who)) == ()
            await refused(six.grants.end(given.id, six.actor(who)), "unknown_grant")
        assert await six.grants.all(LOCAL_OWNER) == ()
        await refused(six.grants.end(given.id, LOCAL_OWNER), "unknown_grant")
        await six.grants.end(given.id, six.actor("tiril"))
        assert await six.grants.all(six.actor("gro")) == ()


class TestTheMovedOutTenant:
    async def test_keeps_what_outlives_the_home_and_nothing_else(self, six: Six) -> None:
        await six.give("rune", "gro", SWITCH)
        await six.people.remove(six.ids["rune"], "local")
        own = Target(subjects=(six.ids["rune"],))
        assert six.may("rune", Action.EXPORT_OWN, own)
        assert six.may("rune", Action.ERASE_OWN, own)
        assert six.why_not("rune", LOOK, DOOR) == "left"
        assert six.why_not("rune", SWITCH) == "left"
        assert six.why_not("gro", SWITCH) == "not_granted"
        await refused(six.give("rune", "gro", SWITCH), "left")
        await refused(six.give("olga", "rune", SWITCH), "unknown_person")
        await refused(six.make("rune", SEE), "unknown_person")

    async def test_who_comes_back_begins_anew(self, six: Six) -> None:
        await six.people.remove(six.ids["rune"], "local")
        six.clock.pass_(DAY)
        await six.people.change(six.ids["rune"], PersonChange(returns=True), "local")
        allowed = six.asked("rune", LOOK, DOOR)
        assert isinstance(allowed, Allowed)
        assert allowed.history_from == six.clock.now()

    async def test_the_landlord_lends_no_view_and_ends_no_grant_of_the_tenants(self, six: Six) -> None:
        await six.add("lars", Role.OWNER)
        await refused(six.give("lars", "ivar", SWITCH), "not_granted")
        assert (await six.give("lars", "ivar", Action.READ_DIAGNOSTICS)).by == six.ids["lars"]
        given = await six.give("rune", "gro", SWITCH)
        assert [one.by for one in await six.grants.all(six.actor("lars"))] == [six.ids["lars"]]
        await refused(six.grants.end(given.id, six.actor("lars")), "unknown_grant")


async def test_what_is_shared_is_ended_by_who_could_have_given_it(six: Six) -> None:
    shared = await six.give("olga", "gro", LOOK, reach=Reach(cameras=("door",)))
    runes = await six.give("rune", "gro", LOOK, reach=Reach(cameras=("runes",)))
    assert {one.id for one in await six.grants.all(six.actor("nils"))} == {shared.id, runes.id}
    await refused(six.grants.end(runes.id, six.actor("olga")), "giver_may_not")
    await six.grants.end(shared.id, six.actor("nils"))
    assert {one.id for one in await six.grants.all(six.actor("gro"))} == {runes.id}
    await refused(six.grants.end(shared.id, six.actor("gro")), "unknown_grant")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reach": Reach()}, "empty_scope"),
        ({"reach": Reach(classes=(RecordClass.SNAPSHOT,))}, "empty_scope"),
        ({"reach": Reach(cameras=("attic",))}, "unknown_camera"),
        ({"reach": Reach(rooms=("attic",))}, "unknown_room"),
        ({"reach": Reach(devices=tuple(f"d{n}" for n in range(101)))}, "too_many"),
        ({"end": MONDAY}, "bad_range"),
        ({"start": MONDAY + 30 * DAY, "end": MONDAY + 30 * DAY}, "bad_range"),
        ({"end": MONDAY + 368 * DAY}, "bad_range"),
        ({"person": "p0"}, "unknown_person"),
    ],
)
async def test_what_makes_no_sense_is_refused(six: Six, fields: dict[str, Any], code: str) -> None:
    refusal = await refused(six.give("olga", "gro", SWITCH, **fields), code)
    assert refusal.hint
    assert six.book.all() == []


async def test_nobody_lends_themselves_anything(six: Six) -> None:
    await refused(six.give("olga", "olga", SWITCH), "to_oneself")


async def test_a_start_to_come_is_waited_for_and_a_past_one_is_now(six: Six) -> None:
    later = await six.give("olga", "gro", SWITCH, start=six.clock.now() + DAY)
    assert six.why_not("gro", SWITCH) == "grant_not_begun"
    await six.grants.end(later.id, six.actor("olga"))
    past = await six.give("olga", "gro", SWITCH, start=MONDAY - DAY)
    assert past.start == past.history_from == six.clock.now()


async def test_there_is_an_end_to_how_many(six: Six, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grant_desk, "MOST_EACH", 1)
    await six.give("olga", "gro", SWITCH)
    await refused(six.give("olga", "ivar", SWITCH), "too_many")
    await six.give("rune", "ivar", SWITCH)
    monkeypatch.setattr(grant_desk, "MOST_GRANTS", 2)
    await refused(six.give("nils", "ivar", SWITCH), "too_many")


async def test_an_order_ends_the_rights_at_once_and_the_grants_with_them(six: Six) -> None:
    await six.give("olga", "gro", SWITCH)
    scope = Scope(subjects=(six.ids["gro"],))
    six.clock.pass_(HOUR)
    six.barrier.raise_for("order", scope, six.clock.now())
    await six.disk.run(six.household.refresh)
    assert six.why_not("gro", SWITCH) == "not_a_member"
    assert await six.grants.all(six.actor("olga")) == ()
    six.ids["odd"] = six.ids["gro"]
    await refused(six.give("olga", "odd", SWITCH), "unknown_person")
    assert six.book.erase(scope, six.clock.now()).erased == 1
    assert sum(six.book.scan(scope, six.clock.now())) == 0


async def test_an_order_for_the_giver_takes_what_they_gave(six: Six) -> None:
    await six.give("rune", "gro", SWITCH)
    await six.give("olga", "gro", SEE)
    six.clock.pass_(HOUR)
    scope = Scope(subjects=(six.ids["rune"],))
    assert six.book.erase(scope, six.clock.now()).erased == 1
    assert [one.lent.by for one in six.book.all()] == [six.ids["olga"]]  # type: ignore[union-attr]
    assert sum(six.book.scan(scope, six.clock.now())) == 0


async def test_an_order_that_comes_between_asking_and_writing_is_not_evaded(six: Six) -> None:
    six.barrier.raise_for("order", Scope(subjects=(six.ids["gro"],)), six.clock.now() + HOUR)
    await refused(six.give("olga", "gro", SWITCH), "ordered")
    assert six.book.all() == []


async def test_a_hold_hides_what_was_lent_and_takes_nothing(six: Six) -> None:
    given = await six.give("olga", "gro", SWITCH)
    six.held.add(six.ids["gro"])
    await six.disk.run(six.household.refresh)
    assert six.may("gro", SWITCH), "a hold keeps; it ends no right"
    assert await six.grants.all(six.actor("olga")) == ()
    await refused(six.grants.end(given.id, six.actor("olga")), "held")
    six.clock.pass_(4 * DAY)
    assert six.book.expire(six.clock.now(), six.time.age) == 0
    assert six.why_not("gro", SWITCH) == "grant_ended", "it lends nothing all the same"
    six.held.clear()
    assert six.book.expire(six.clock.now(), six.time.age) == 1


async def test_what_another_version_wrote_lends_nothing_and_goes_with_all(six: Six) -> None:
    gro = six.ids["gro"]
    six.book._files.append(gro, [(Concerns(six.clock.now(), subjects=(gro,)), b'{"type":"grant","of":"later"}')])
    six.household.refresh()
    assert six.book.all() == []
    assert six.book.erase(Scope(classes=(RecordClass.PERSON,)), six.clock.now() + HOUR).erased == 1


async def test_the_questions_of_an_end(six: Six) -> None:
    given = await six.give("olga", "gro", LOOK, reach=Reach(cameras=("door",)))
    private = await six.give("tiril", "gro", Action.VIEW_PRESENCE)
    for who, other in (("olga", "gro"), ("gro", "olga")):
        ((action, target),) = six.grants.asks_to_end(given.id, six.ids[who])
        assert (action, target) == (Action.OBJECT_OWN, Target(subjects=(six.ids[who],), also=(six.ids[other],)))
    ((action, target),) = six.grants.asks_to_end(given.id, six.ids["rune"])
    assert (action, target) == (Action.MANAGE_GRANTS, Target(cameras=("door",), also=(six.ids["gro"],)))
    for unknown in (private.id, "g0"):
        assert six.grants.asks_to_end(unknown, six.ids["rune"]) == [(Action.MANAGE_GRANTS, HOME)]


async def test_support_is_lent_a_look_beside_somebody(six: Six) -> None:
    await six.add("siv", Role.SUPPORT)
    await six.give("olga", "siv", LOOK, reach=Reach(cameras=("door",)), purpose=Purpose.SUPPORT)
    assert six.why_not("siv", LOOK, DOOR) == "no_session"
    await six.give("olga", "ivar", LOOK, reach=Reach(cameras=("door",)))
    allowed = six.asked("ivar", LOOK, DOOR)
    assert isinstance(allowed, Allowed)
    assert allowed.needs == {Need.SECOND_PERSON, Need.PURPOSE}


def test_a_year_is_the_longest() -> None:
    assert timedelta(days=365) < lending_desk.LONGEST < timedelta(days=367)


def test_a_room_that_there_is() -> None:
    lending_desk.check_reach(home(), Reach(rooms=("hall", "runes")))


async def test_a_wearer_shows_her_alarms_and_nobody_takes_that_from_her(six: Six) -> None:
    given = await six.give("vera", "gro", Action.READ_ALARMS)
    assert six.may("gro", Action.READ_ALARMS, Target(subjects=(six.ids["vera"],)))
    await refused(six.grants.end(given.id, six.actor("olga")), "giver_may_not")


async def test_a_look_that_its_own_need_makes_two_peoples_is_ended_by_neither_alone(six: Six) -> None:
    """What somebody may only do beside another, they do not answer for: neither to lend nor to end."""
    grant = (await six.give("olga", "gro", LOOK, reach=Reach(cameras=("door",)))).id
    (given,) = (one for one in six.household.current().grants if one.id == grant)
    assigning = msgspec.structs.replace(given, actions=(Action.ASSIGN_CAMERA,))
    assert may_end(six.household.current(), six.ids["nils"], given, six.clock.now())
    assert not may_end(six.household.current(), six.ids["nils"], assigning, six.clock.now())


async def test_who_was_lent_the_contacts_does_not_learn_who_was_lent_what(six: Six) -> None:
    await six.give("olga", "ivar", SWITCH)
    await six.give("olga", "gro", Action.READ_PEOPLE)
    assert [one.actions for one in await six.grants.all(six.actor("gro"))] == [(Action.READ_PEOPLE,)]
