"""The table for people: a section of the README, kept true by a test. `python -m agent.rights.shown` prints it."""

import sys
from collections.abc import Iterator
from typing import Final

from agent.rights.actions import Action
from agent.rights.table import TABLE, Row, Rule, Table, Verdict
from privacy.hold import Role

TITLE: Final = "## Who may do what"
_LEGEND: Final = """
Every request of the page, of programs and of the command line is asked of one function (`agent/rights/decision.py`),
and that asks one table (`agent/rights/table.toml`). What no rule there allows is refused, and the refusal is written
down like every look and every change (`agent/deeds.py`). A grant never carries more than its giver may do themselves, a
program's token never more than its person may. Orders from the cloud have their own rules (`privacy/orders.py`).

`+` may · `if` may, on conditions · `g` where somebody who may has granted it · `-` never · *left*: who has moved out
still may, for what is theirs
"""


def section(table: Table) -> str:
    """The whole section, from its title to before the next one."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield TITLE
    yield from _LEGEND.splitlines()
    yield ""
    yield f"| | {' | '.join(Role)} | left |"
    yield f"|---|{'---|' * (len(Role) + 1)}"
    for action, row in table.rows.items():
        cells = [_sign(row.of[role]) for role in Role]
        yield f"| {row.about} (`{action}`) | {' | '.join(cells)} | {_left(row)} |"
    yield ""
    yield "<details><summary>Why: each rule in a sentence</summary>"
    yield ""
    for action in table.rows:
        yield _reasons(action, table.rows[action])
    yield ""
    yield "</details>"


def _sign(rules: tuple[Rule, ...]) -> str:
    signs = []
    allowed = [rule for rule in rules if rule.verdict is Verdict.ALLOW]
    if allowed:
        signs.append("if" if all(rule.conditions or rule.needs for rule in allowed) else "+")
    if any(rule.verdict is Verdict.GRANT for rule in rules):
        signs.append("g")
    return " ".join(signs) or "-"


def _left(row: Row) -> str:
    return "if" if any(rule.after for rule in row.rules) else "-"


def _reasons(action: Action, row: Row) -> str:
    return f"- `{action}`: {' '.join(rule.why for rule in row.rules)}"


if __name__ == "__main__":
    sys.stdout.write(section(TABLE))
