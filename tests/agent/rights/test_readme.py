"""The README shows the table as it is."""

import runpy
from pathlib import Path

import pytest

import agent
from agent.rights.shown import TITLE, section
from agent.rights.table import TABLE

README = Path(agent.__file__).parent.parent / "README.md"


def test_the_readme_shows_the_table() -> None:
    text = README.read_text("utf-8")
    assert text.count(TITLE) == 1
    shown = TITLE + text.partition(TITLE)[2].partition("\n## ")[0] + "\n"
    assert shown.rstrip() == section(TABLE).rstrip(), "run `python -m agent.rights.shown`, and put it there"


def test_it_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(RuntimeWarning, match="agent.rights.shown"):  # which runpy says of what is imported already
        runpy.run_module("agent.rights.shown", run_name="__main__")
    assert capsys.readouterr().out == section(TABLE)
