"""The table's file is read strictly, and says something of everything."""

import re
from importlib.resources import files

import pytest

from agent.rights.actions import Action, Group
from agent.rights.table import TABLE, Refusal, load
from privacy.errors import PrivacyError
from privacy.hold import Role

TEXT = (files("agent.rights") / "table.toml").read_text("utf-8")
OLD = (
    """  { allow = ["owner", "resident", "guest", "responder", "wearer"], why = "Whoever is there calls for help." },"""
)


def test_every_action_and_every_role_has_a_sentence() -> None:
    assert list(TABLE.rows) == list(Action)
    for row in TABLE.rows.values():
        assert all(row.of[role] for role in Role)
        assert all(re.fullmatch(r"[A-Z].+\.", rule.why) for rule in row.rules)


def test_every_group_has_actions() -> None:
    assert {group for _, group in TABLE.groups} == set(Group)


def test_no_sentence_stands_for_two_rules_of_one_action() -> None:
    for action, row in TABLE.rows.items():
        assert len({rule.why for rule in row.rules}) == len(row.rules), action


def test_codes_are_stable_words_and_each_means_one_thing() -> None:
    codes = [*Refusal, *(reason.code for reason in TABLE.conditions.values())]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[conditions]", "[conditions", "table of rights"),
        ('about = "raise an alarm"', 'about = "raise an alarm"\nwhatfor = "x"', "unknown field `whatfor`"),
        ('about = "raise an alarm"', 'about = ""', "length >= 1"),
        ('about = "raise an alarm"\n', "", "missing required field `about`"),
        ("[actions.raise_alarm]", "[actions.raise_hell]", "raise_hell"),
        ('group = "alarms"', 'group = "hens"', "hens"),
        ('"responder", "wearer"], why = "Whoever', '"responder", "ghost"], why = "Whoever', "ghost"),
        (
            '"responder", "wearer"], why = "Whoever',
            '"responder"], why = "Whoever',
            "raise_alarm says nothing of wearer",
        ),
        ('"guest", "responder", "wearer"], why = "Whoever', '"owner", "responder", "wearer"], why = "Whoever', "twice"),
        ('why = "Whoever is there calls for help."', 'why = "because"', "matching regex"),
        ('why = "Whoever is there calls for help." }', 'if = ["it rains"], why = "Whoever." }', "it rains"),
        ('why = "Whoever is there calls for help." }', 'never = ["guest"], why = "Whoever." }', "exactly one of"),
        ('why = "Whoever is there calls for help." }', 'needs = ["luck"], why = "Whoever." }', "luck"),
        (OLD, OLD + OLD.replace("allow", "grant"), None),
        (OLD, OLD + OLD.replace("allow", "never").replace("Whoever", "Nobody"), "says never of owner"),
        (OLD, '{ why = "Whoever is there calls for help." },', "exactly one of"),
        (
            '{ never = ["support"], why = "Nobody raises',
            '{ never = ["support"], after = true, why = "Nobody raises',
            "never",
        ),
        (
            '{ never = ["support"], why = "Nobody raises',
            '{ grant = ["support"], after = true, why = "Nobody raises',
            "ends",
        ),
        ('why = "Whoever is there calls for help." }', 'after = true, why = "Whoever." }', "without `own`"),
        ('left = "This', 'gone = "This', "gone"),
        ('left = "This person has left the home, and keeps the rights over what is kept of them alone."\n', "", "left"),
        ('session_open = { code = "no_session"', 'session_open = { code = "No Session"', "matching regex"),
        (re.escape("session_open = {") + ".*\n", "", "session_open"),
        (re.escape("[actions.read_health]") + "(.|\n)*?\n\n", "", "actions says nothing of read_health"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, says: str | None) -> None:
    pattern = old if "(" in old or ".*" in old else re.escape(old)
    text, changed = re.subn(pattern, new.replace("\\", r"\\"), TEXT)
    assert changed
    if says is None:
        load(text)
    else:
        with pytest.raises(PrivacyError, match=re.escape(says)):
            load(text)
