"""A policy file that is wrong is one clear line: which file, which class, what, and what would be right."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.errors import PrivacyError
from privacy.policy import FOLDER, Event, known_systems, policies
from privacy.records import RecordClass

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Change = Callable[[str, str, str], None]
MANY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for system in (*known_systems(), "record_classes"):
        text = (FOLDER / f"{system}.toml").read_text(encoding="utf-8")
        (tmp_path / f"{system}.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def change(folder: Path) -> Change:
    def replace(file: str, old: str, new: str) -> None:
        path = folder / f"{file}.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


BASE = "record_classes"
SNAPSHOT = 'limits = { captured = "7 days", consent_withdrawn = "at once" }'


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((BASE, "[snapshot]", "[snapshot"), r"record_classes\.toml cannot be read: .*line"),
        (
            (BASE, "[snapshot]", "[snapshots]"),
            r"record_classes\.toml: there is no record class 'snapshots' \(one of sna",
        ),
        ((BASE, "[snapshot]", "[op_log.snapshot]"), r"record_classes\.toml: op_log: .*`snapshot`"),
        (
            (BASE, 'purpose = "to control the home"', ""),
            r"record_classes\.toml: device: .*`purpose`.*has `purpose`, `ba",
        ),
        ((BASE, 'purpose = "to control the home"', 'purpose = ""'), r"record_classes\.toml: device: .*length >= 1"),
        ((BASE, 'purpose = "to control', 'why = "to control'), r"record_classes\.toml: device: .*`why`"),
        ((BASE, '["employment"]', '["because"]'), r"record_classes\.toml: visit: .*'because'"),
        ((BASE, '["employment"]', "[]"), r"record_classes\.toml: visit: .*length >= 1"),
        ((BASE, "ceiling = false", "ceiling = 0"), r"record_classes\.toml: person: .*bool"),
        ((BASE, SNAPSHOT, "limits = {}"), r"record_classes\.toml: snapshot has no limit \(such as limits = "),
        ((BASE, SNAPSHOT, 'limits = "7 days"'), r"record_classes\.toml: snapshot: .*limits"),
        ((BASE, SNAPSHOT, "limits = { captured = 7 }"), r"record_classes\.toml: snapshot: .*`str`, got `int`"),
        ((BASE, SNAPSHOT, 'limits = { captured = "7 days" }'), r"rests on consent, .*consent_withdrawn = "),
        ((BASE, SNAPSHOT, 'limits = { taken = "7 days" }'), r"snapshot: there is no event 'taken' \(one of captured"),
        (("pocket", "routing_off", "routing"), r"pocket\.toml: location: there is no event 'routing'"),
        (("pocket", "classes.location", "classes.place"), r"pocket\.toml: there is no record class 'place' \(one of"),
        (("pocket", "classes.location", "location"), r"pocket\.toml: .*`location`.*`name`, `about` and `classes`"),
        (("pocket", "classes.location", "classes.location.all"), r"pocket\.toml: location: .*has `limits` here"),
        (("pocket", "[classes.location]", "[[classes]]"), r"pocket\.toml: .*`object`, got `array`"),
        (("pocket", 'name = "Sensio Pocket / Pocket 365"', ""), r"pocket\.toml: .*`name`"),
        (("pocket", "[classes.backup]", "[classes.backup]\npurpose = 'x'"), r"pocket\.toml: backup: .*`purpose`"),
        (("pocket", '["employment"]', '["because"]'), r"pocket\.toml: person: .*'because'"),
        (
            ("pocket", '["employment"]', '["vital interest"]'),
            r"person rests on vital interest, and in record_classes\.toml on contract / employment / consent",
        ),
        (("pocket", "[classes.backup]", "[classes.snapshot]"), r"captured = '90 days' is longer than the '7 days' of"),
        (("pocket", 'routing_off = "at once"', 'alarm_closed = "1 day"'), r"pocket\.toml cannot be read"),
        (
            ("pocket", 'alarm_closed = "at once"', 'alarm_closed = "1 day"'),
            r"location: alarm_closed = '1 day' is longer",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, change: Change, wrong: tuple[str, str, str], says: str) -> None:
    change(*wrong)
    with pytest.raises(PrivacyError, match=says) as raised:
        policies(["pocket"], folder=folder)
    assert "\n" not in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize(
    "said",
    ["soon", "", "7", "7d", "0 days", "07 days", "-7 days", "7.5 days", "1000 days", "7  days", "7 weeks", "7 days\\n"],
)
def test_what_is_no_limit_says_what_one_looks_like(folder: Path, change: Change, said: str) -> None:
    change(BASE, '"30 days"', f'"{said}"')
    with pytest.raises(PrivacyError, match=r'sensor_history: captured = .* is no limit \(such as "at once", "72 h'):
        policies(folder=folder)


@pytest.mark.parametrize("said", ["1 month", "3 months"])
def test_a_few_months_are_said_in_days(folder: Path, change: Change, said: str) -> None:
    change(BASE, '"30 days"', f'"{said}"')
    with pytest.raises(PrivacyError, match=r"sensor_history: .*say it in days"):
        policies(folder=folder)


def test_a_missing_class_is_named(folder: Path) -> None:
    path = folder / "record_classes.toml"
    text = path.read_text(encoding="utf-8")
    first, last = text.index("[alarm]"), text.index("[activity]")
    path.write_text(text[:first] + text[last:], encoding="utf-8")
    with pytest.raises(PrivacyError, match=r"record_classes\.toml: no policy for alarm, visit"):
        policies(folder=folder)


def test_a_file_that_is_missing_or_no_text_is_one_line(folder: Path) -> None:
    (folder / "record_classes.toml").write_bytes(b"\xff")
    with pytest.raises(PrivacyError, match=r"record_classes\.toml cannot be read: .*utf-8"):
        policies(folder=folder)
    (folder / "record_classes.toml").unlink()
    with pytest.raises(PrivacyError, match=r"record_classes\.toml cannot be read"):
        policies(folder=folder)


@pytest.mark.parametrize("system", ["smarthome", "record_classes", "../policies/pocket", ""])
def test_an_unknown_system_is_refused_with_those_known(system: str) -> None:
    with pytest.raises(PrivacyError, match=r"no policy of a system .*known: pocket, portal, safemate_pro"):
        policies(["smart_home", system])


def test_a_gateway_serves_one_system_at_least() -> None:
    with pytest.raises(PrivacyError, match=r"no system is named for this gateway \(name one of pocket"):
        policies([])


def test_a_file_that_is_no_policy_is_no_system(folder: Path) -> None:
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    assert known_systems(folder) == known_systems()


def test_a_further_vendor_is_a_file_and_may_add_a_limit(folder: Path) -> None:
    text = 'name = "N"\nabout = "a"\n[classes.device]\nlimits = { captured = "1 minute", last_used = "2 years" }\n'
    (folder / "new.toml").write_text(text, encoding="utf-8")
    device = policies(["new"], folder=folder)[RecordClass.DEVICE]
    assert device.limit == timedelta(minutes=1)
    assert {limit.after: limit.time for limit in device.limits} == {
        Event.OUT_OF_USE: timedelta(0),
        Event.CAPTURED: timedelta(minutes=1),
        Event.LAST_USED: timedelta(days=730),
    }


def test_a_vendor_that_differs_in_nothing_needs_no_classes(folder: Path) -> None:
    (folder / "new.toml").write_text('name = "N"\nabout = "a"\n', encoding="utf-8")
    limits = policies(["new"], folder=folder)[RecordClass.PERSON].limits
    assert {(limit.after, limit.time, limit.system) for limit in limits} == {
        (Event.OUT_OF_USE, timedelta(0), "new"),
        (Event.CONSENT_WITHDRAWN, timedelta(0), "new"),
    }


@MANY
@given(data=st.data())
def test_of_any_systems_the_earliest_date_wins(folder: Path, data: st.DataObject) -> None:
    """Against the plain reading: every system dates the record by all of its own limits, and so does the site."""
    hours = st.integers(1, 500)
    said = data.draw(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.dictionaries(st.sampled_from(Event), hours), min_size=1)
    )
    for system, limits in said.items():
        text = "".join(f'{event} = "{time} hours"\n' for event, time in limits.items())
        body = f"[classes.backup.limits]\n{text}" if limits else ""
        (folder / f"{system}.toml").write_text(f"name = 'N'\nabout = 'a'\n{body}", encoding="utf-8")
    happened = data.draw(st.dictionaries(st.sampled_from(Event), hours.map(lambda n: NOW + timedelta(hours=n))))
    happened[Event.CAPTURED] = NOW
    whole = {system: {Event.CAPTURED: 720, **limits} for system, limits in said.items()}
    dates = [
        (happened[event] + timedelta(hours=time), system)
        for system, limits in whole.items()
        for event, time in limits.items()
        if event in happened
    ]
    due = policies(list(said), folder=folder)[RecordClass.BACKUP].due(NOW, happened)
    assert due
    assert due.at == min(dates)[0]
    assert (due.at, due.limit.system) in dates

    site = timedelta(hours=data.draw(hours))
    numbered = {event for limits in whole.values() for event in limits}
    shortest = {event: min(limits[event] for limits in whole.values() if event in limits) for event in numbered}
    if site > timedelta(hours=max(shortest.values())):
        with pytest.raises(PrivacyError, match="never lengthen"):
            policies(list(said), {RecordClass.BACKUP: site}, folder)
        return
    sooner = policies(list(said), {RecordClass.BACKUP: site}, folder)[RecordClass.BACKUP].due(NOW, happened)
    assert sooner
    assert sooner.at == min(due.at, *(happened[event] + site for event in numbered if event in happened))
