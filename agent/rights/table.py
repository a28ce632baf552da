"""The table of rights as data: read from `table.toml`, validated, never written here."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Final

import msgspec

from agent.rights.actions import Action, Group, Need
from privacy.errors import PrivacyError
from privacy.hold import Role
from privacy.records import RecordClass

_Sentence = Annotated[str, msgspec.Meta(pattern=r"^[A-Z].+[.]$(?!\n)")]


class Condition(StrEnum):
    """What may have to be so; `conditions.py` says how each is found out."""

    LIVES_HERE = "lives_here"
    ALONE = "alone"
    VACANT = "vacant"
    ADULT = "adult"
    OWN = "own"
    NOT_ANOTHERS = "not_anothers"
    NO_ACCOUNT = "no_account"
    SPARES_OWNERS = "spares_owners"
    INSTALLING = "installing"
    ALARM_OPEN = "alarm_open"
    SESSION_OPEN = "session_open"


class Refusal(StrEnum):
    """Why not, where it is no rule's own reason."""

    NOT_A_MEMBER = "not_a_member"
    NOT_YET = "not_yet"
    LEFT = "left"
    UNKNOWN_CAMERA = "unknown_camera"
    GRANT_NOT_BEGUN = "grant_not_begun"
    GRANT_ENDED = "grant_ended"
    OUT_OF_REACH = "out_of_reach"
    GIVER_MAY_NOT = "giver_may_not"
    BEFORE_ACCESS = "before_access"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a code, no token
    TOKEN_ENDED = "token_ended"  # noqa: S105 - same
    TOKEN_OUT_OF_REACH = "token_out_of_reach"  # noqa: S105 - same
    PROGRAMS_MAY_NOT = "programs_may_not"
    NEEDS_SECOND_PERSON = "needs_second_person"
    NEEDS_PRESENCE = "needs_presence"
    NEEDS_PURPOSE = "needs_purpose"


class Verdict(StrEnum):
    ALLOW = "allow"
    """By the role itself."""
    GRANT = "grant"
    """Where somebody who may do it has granted it."""
    NEVER = "never"


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said where a condition does not hold."""

    code: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+$(?!\n)")]
    why: _Sentence


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    why: _Sentence
    allow: tuple[Role, ...] = ()
    grant: tuple[Role, ...] = ()
    never: tuple[Role, ...] = ()
    conditions: tuple[Condition, ...] = msgspec.field(default=(), name="if")
    needs: tuple[Need, ...] = ()
    after: bool = False


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: Annotated[str, msgspec.Meta(min_length=1)]
    group: Group
    rules: Annotated[tuple[_Rule, ...], msgspec.Meta(min_length=1)]
    classes: tuple[RecordClass, ...] = ()
    history: bool = False
    shown: bool = False
    programs: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refusals: dict[Refusal, _Sentence]
    conditions: dict[Condition, Reason]
    actions: dict[Action, _Row]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table."""

    roles: tuple[Role, ...]
    verdict: Verdict
    conditions: tuple[Condition, ...]
    """All must hold."""
    needs: frozenset[Need]
    after: bool
    """It outlives the role: who has moved out keeps it."""
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one action."""

    about: str
    group: Group
    classes: tuple[RecordClass, ...]
    """What kind of record it is about."""
    history: bool
    """It shows what was; see `Allowed.history_from`."""
    shown: bool
    """The people concerned are told of it."""
    programs: bool
    """A program may do it for a person."""
    rules: tuple[Rule, ...]
    of: Mapping[Role, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    refusals: Mapping[Refusal, str]
    conditions: Mapping[Condition, Reason]
    rows: Mapping[Action, Row]

    @property
    def groups(self) -> tuple[tuple[Action, Group], ...]:
        """Every action with its group."""
        return tuple((action, row.group) for action, row in self.rows.items())


def load(text: str) -> Table:
    """Read a table.

    Raises:
        PrivacyError: it is not one, or says too little: every action, every role in it, every condition.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(str(error)) from error
    for part, words, said in (
        ("refusals", Refusal, file.refusals),
        ("conditions", Condition, file.conditions),
        ("actions", Action, file.actions),
    ):
        if missing := set(words) - said.keys():
            raise _wrong(f"{part} says nothing of {_list(missing)}")
    return Table(file.refusals, file.conditions, {action: _row(action, file.actions[action]) for action in Action})


def _row(action: Action, row: _Row) -> Row:
    rules = tuple(_rule(action, rule) for rule in row.rules)
    of = {role: tuple(rule for rule in rules if role in rule.roles) for role in Role}
    if left_out := [role for role in Role if not of[role]]:
        raise _wrong(f"{action} says nothing of {_list(left_out)}")
    for role, said in of.items():
        if len(said) > 1 and any(rule.verdict is Verdict.NEVER for rule in said):
            raise _wrong(f"{action} says never of {role}, and something else besides")
    return Row(row.about, row.group, row.classes, row.history, row.shown, row.programs, rules, of)


def _rule(action: Action, rule: _Rule) -> Rule:
    said = {Verdict.ALLOW: rule.allow, Verdict.GRANT: rule.grant, Verdict.NEVER: rule.never}
    if len([roles for roles in said.values() if roles]) != 1:
        raise _wrong(f"a rule of {action} has exactly one of allow, grant and never: {rule.why}")
    [(verdict, roles)] = [(verdict, roles) for verdict, roles in said.items() if roles]
    if len(set(roles)) < len(roles):
        raise _wrong(f"a rule of {action} names a role twice: {rule.why}")
    if verdict is Verdict.NEVER and (rule.conditions or rule.needs or rule.after):
        raise _wrong(f"never is never: a rule of {action} has conditions: {rule.why}")
    if verdict is Verdict.GRANT and rule.after:
        raise _wrong(f"a grant ends with the role: a rule of {action} has `after`: {rule.why}")
    if rule.after and Condition.OWN not in rule.conditions:
        raise _wrong(f"what outlives a role is about oneself: a rule of {action} has `after` without `own`: {rule.why}")
    return Rule(roles, verdict, rule.conditions, frozenset(rule.needs), rule.after, rule.why)


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _wrong(what: str) -> PrivacyError:
    return PrivacyError(f"the table of rights: {what}", hint="see the head of agent/rights/table.toml")


TABLE: Final = load((files("agent.rights") / "table.toml").read_text("utf-8"))
