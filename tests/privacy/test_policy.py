"""What the vendors promised, typed from the promises themselves, and how they combine."""

import functools
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.errors import PrivacyError
from privacy.policy import SITE, Event, Policy, known_systems, policies
from privacy.records import RecordClass

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = timedelta(0)
DAY = timedelta(days=1)
SYSTEMS = ("smart_home", "portal", "pocket", "safemate_pro", "sensornordic")
PAIRS = list(itertools.combinations(SYSTEMS, 2))


def days(number: float) -> timedelta:
    return timedelta(days=number)


BASES = {
    "snapshot": "consent / contract",
    "camera_login": "contract",
    "op_log": "contract",
    "device": "contract",
    "sensor_history": "contract",
    "presence": "consent",
    "person": "contract / employment / consent",
    "location": "consent",
    "wearer_position": "contract / vital interest",
    "alarm": "contract / vital interest",
    "visit": "employment",
    "activity": "legal duty",
    "alarm_contact": "vital interest",
    "consent": "legal duty",
    "support_case": "contract",
    "disclosure": "legal duty",
    "web_session": "contract",
    "export": "legal duty",
    "order_journal": "legal duty",
    "receipt": "legal duty",
    "backup": "as inside",
}

PROMISED = [
    # class, event, for every system
    ("snapshot", "captured", days(7)),
    ("camera_login", "captured", None),
    ("camera_login", "last_used", days(7)),
    ("camera_login", "out_of_use", NOTHING),
    ("op_log", "captured", timedelta(hours=72)),
    ("op_log", "acknowledged", NOTHING),
    ("device", "captured", None),
    ("device", "out_of_use", NOTHING),
    ("sensor_history", "captured", days(30)),
    ("presence", "captured", days(7)),
    ("presence", "consent_withdrawn", NOTHING),
    ("location", "captured", None),
    ("location", "alarm_closed", NOTHING),
    ("location", "consent_withdrawn", NOTHING),
    ("wearer_position", "captured", timedelta(hours=24)),
    ("wearer_position", "superseded", NOTHING),
    ("alarm", "captured", days(180)),
    ("visit", "captured", days(180)),
    ("visit", "out_of_use", NOTHING),
    ("activity", "captured", days(180)),
    ("alarm_contact", "captured", None),
    ("alarm_contact", "out_of_use", NOTHING),
    ("consent", "captured", None),
    ("consent", "person_gone", days(180)),
    ("support_case", "captured", days(1095)),
    ("disclosure", "captured", days(1095)),
    ("web_session", "browser_closed", NOTHING),
    ("web_session", "installers_last_use", timedelta(minutes=10)),
    ("export", "captured", None),
    ("export", "ready", timedelta(hours=24)),
    ("order_journal", "captured", days(1095)),
    ("receipt", "captured", days(1095)),
]

DIFFERENT = [
    # system, class, event
    ("smart_home", "backup", "captured", days(30)),
    ("portal", "backup", "captured", days(30)),
    ("pocket", "backup", "captured", days(90)),
    ("safemate_pro", "backup", "captured", days(120)),
    ("sensornordic", "backup", "captured", days(30)),
    ("smart_home", "person", "consent_withdrawn", NOTHING),
    ("smart_home", "person", "out_of_use", NOTHING),
    ("portal", "person", "consent_withdrawn", NOTHING),
    ("portal", "person", "out_of_use", NOTHING),
    ("pocket", "person", "consent_withdrawn", NOTHING),
    ("safemate_pro", "person", "consent_withdrawn", days(180)),
    ("safemate_pro", "person", "out_of_use", days(180)),
    ("sensornordic", "person", "out_of_use", NOTHING),
    ("pocket", "location", "routing_off", NOTHING),
    ("smart_home", "location", "routing_off", None),
]


def said(policy: Policy, event: Event) -> timedelta | None:
    return next((limit.time for limit in policy.limits if limit.after is event), None)


@functools.cache
def read_once(systems: tuple[str, ...]) -> dict[RecordClass, Policy]:
    return policies(systems)


def dated(systems: tuple[str, ...], class_: RecordClass, events: Mapping[Event, datetime]) -> datetime | None:
    due = read_once(systems)[class_].due(NOW, events)
    return due.at if due else None


def test_the_five_systems_are_known() -> None:
    assert set(known_systems()) == set(SYSTEMS)


@pytest.mark.parametrize("class_", RecordClass)
def test_each_class_says_why_it_is_kept(class_: RecordClass) -> None:
    policy = policies()[class_]
    assert policy.record_class is class_
    assert policy.basis == BASES[class_]
    assert policy.purpose


@pytest.mark.parametrize(
    ("systems", "class_", "bases"),
    [
        # Care staff are registered by their employer; nobody is a user of the portal by employment.
        (("pocket",), "person", "employment"),
        (("portal",), "person", "contract / consent"),
        (("safemate_pro",), "person", "contract / employment / consent"),
        (("pocket", "portal"), "person", "contract / employment / consent"),
        (("portal", "pocket"), "person", "contract / employment / consent"),
        (("pocket",), "location", "consent"),
        (("pocket", "portal"), "visit", "employment"),
    ],
)
def test_each_system_has_its_bases(systems: tuple[str, ...], class_: str, bases: str) -> None:
    assert read_once(systems)[RecordClass(class_)].basis == bases


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("class_", "event", "time"), PROMISED)
def test_what_every_system_promises(class_: str, event: str, time: timedelta | None, system: str) -> None:
    assert said(read_once((system,))[RecordClass(class_)], Event(event)) == time


@pytest.mark.parametrize(("system", "class_", "event", "time"), DIFFERENT)
def test_what_one_system_promises(system: str, class_: str, event: str, time: timedelta | None) -> None:
    assert said(read_once((system,))[RecordClass(class_)], Event(event)) == time


def test_no_class_is_left_out_of_the_promises() -> None:
    assert {row[0] for row in PROMISED} | {row[1] for row in DIFFERENT} == set(RecordClass) == set(BASES)


def test_the_limit_from_capture_is_the_one_that_holds_whatever_else_happens() -> None:
    every = policies()
    assert every[RecordClass.SNAPSHOT].limit == days(7)
    assert every[RecordClass.DEVICE].limit is None
    assert every[RecordClass.EXPORT].limit is None


def test_of_two_systems_the_shorter_time_counts_whichever_is_named_first() -> None:
    for systems in (("pocket", "safemate_pro"), ("safemate_pro", "pocket")):
        due = policies(systems)[RecordClass.BACKUP].due(NOW)
        assert due
        assert (due.at, due.limit.system) == (NOW + days(90), "pocket")
        assert str(due.limit) == "90 days after it was captured (pocket)"


@pytest.mark.parametrize("pair", PAIRS)
@settings(max_examples=30)
@given(data=st.data())
def test_over_every_pair_of_systems_the_earliest_date_wins(pair: tuple[str, str], data: st.DataObject) -> None:
    class_ = data.draw(st.sampled_from(RecordClass))
    events = data.draw(
        st.dictionaries(st.sampled_from(Event), st.integers(0, 500).map(lambda hours: NOW + timedelta(hours=hours)))
    )
    events.pop(Event.CAPTURED, None)
    alone = [date for system in pair if (date := dated((system,), class_, events))]
    assert dated(pair, class_, events) == min(alone, default=None)


def test_a_limit_that_waits_counts_once_its_event_has_happened() -> None:
    login = policies()[RecordClass.CAMERA_LOGIN]
    assert login.due(NOW) is None
    used = login.due(NOW, {Event.LAST_USED: NOW + DAY})
    assert used
    assert (used.at, str(used.limit)) == (NOW + days(8), "7 days after its last use (smart_home)")
    removed = login.due(NOW, {Event.LAST_USED: NOW + DAY, Event.OUT_OF_USE: NOW + days(2)})
    assert removed
    assert (removed.at, str(removed.limit)) == (NOW + days(2), "at once after it goes out of use (smart_home)")


def test_an_event_long_after_the_limit_changes_nothing() -> None:
    due = policies()[RecordClass.SNAPSHOT].due(NOW, {Event.CONSENT_WITHDRAWN: NOW + days(9)})
    assert due
    assert due.at == NOW + days(7)


@pytest.mark.parametrize("number", [*range(4, 16), 24, 36, 48])
def test_months_are_never_longer_than_calendar_months(number: int) -> None:
    ends = []
    for start in (datetime(2023, 1, 1, tzinfo=UTC) + days(n) for n in range(4 * 366)):
        year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
        for day in (start.day, 30, 29, 28):
            try:
                ends.append(start.replace(year=year, month=month + 1, day=min(day, start.day)) - start)
                break
            except ValueError:
                continue
    assert len(ends) == 4 * 366
    assert min(ends) >= days(30 * number)


class TestSite:
    """A site may shorten any limit, and lengthen none."""

    @pytest.mark.parametrize("class_", RecordClass)
    def test_it_may_shorten_any(self, class_: RecordClass) -> None:
        site = timedelta(minutes=1)
        limits = policies(SYSTEMS[:1], {class_: site})[class_].limits
        assert [limit.time for limit in limits if limit.system == SITE] == [site]
        assert all(limit.time <= site for limit in limits)

    @pytest.mark.parametrize("class_", RecordClass)
    def test_the_other_classes_stay(self, class_: RecordClass) -> None:
        changed = policies(SYSTEMS[:1], {class_: timedelta(minutes=1)})
        assert {name for name, policy in policies().items() if policy != changed[name]} == {class_}

    def test_it_counts_from_what_the_promise_counts_from(self) -> None:
        due = policies(shortened={RecordClass.EXPORT: timedelta(hours=2)})[RecordClass.EXPORT].due(
            NOW, {Event.READY: NOW + DAY}
        )
        assert due
        assert (due.at, str(due.limit)) == (NOW + DAY + timedelta(hours=2), "2 hours after it is ready (site)")

    def test_from_capture_where_a_class_lives_while_it_is_in_use(self) -> None:
        policy = policies(shortened={RecordClass.DEVICE: DAY})[RecordClass.DEVICE]
        assert policy.limit == DAY
        assert said(policy, Event.OUT_OF_USE) == NOTHING

    def test_as_long_as_promised_is_no_change(self) -> None:
        assert policies(shortened={RecordClass.SNAPSHOT: days(7)}) == policies()

    @pytest.mark.parametrize(
        ("systems", "class_", "time"),
        [
            (("smart_home",), RecordClass.SNAPSHOT, days(7) + timedelta(microseconds=1)),
            (("smart_home",), RecordClass.CAMERA_LOGIN, days(8)),
            (("smart_home",), RecordClass.EXPORT, days(2)),
            (("pocket", "safemate_pro"), RecordClass.BACKUP, days(91)),
            # One of the two says six months, the other at once: then at once it is.
            (("smart_home", "safemate_pro"), RecordClass.PERSON, DAY),
        ],
    )
    def test_it_lengthens_none(self, systems: tuple[str, ...], class_: RecordClass, time: timedelta) -> None:
        with pytest.raises(PrivacyError, match=f"{class_} goes .* a site can shorten that, never lengthen it"):
            policies(systems, {class_: time})

    @pytest.mark.parametrize(("time", "words"), [(NOTHING, "0 seconds"), (-DAY, "-1 days")])
    def test_for_no_time_is_refused(self, time: timedelta, words: str) -> None:
        with pytest.raises(PrivacyError, match=f"snapshot: a site cannot keep it for {words}"):
            policies(shortened={RecordClass.SNAPSHOT: time})

    @pytest.mark.parametrize(
        ("time", "words"),
        [
            (DAY, "1 day"),
            (days(2), "2 days"),
            (timedelta(hours=36), "36 hours"),
            (timedelta(minutes=90), "90 minutes"),
            (timedelta(seconds=30), "30 seconds"),
        ],
    )
    def test_what_it_asks_for_is_put_in_words(self, time: timedelta, words: str) -> None:
        due = policies(shortened={RecordClass.SNAPSHOT: time})[RecordClass.SNAPSHOT].due(NOW)
        assert due
        assert due.limit.said == words
