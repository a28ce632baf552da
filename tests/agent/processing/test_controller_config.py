"""The section [controller] of the configuration."""

from pathlib import Path

import pytest

from agent.config import check, load
from agent.config.model import Controller

LEAST = 'version = 1\ngateway.id = "gw-1"\n'


def written(folder: Path, section: str) -> Path:
    path = folder / "portvakt.toml"
    path.write_text(LEAST + section)
    return path


@pytest.mark.parametrize("contact", ["kari@example.org", "+4722225555", "22 22 55 55"])
def test_what_is_read(tmp_path: Path, contact: str) -> None:
    section = f'[controller]\nname = "Kari Nordmann"\ncontact = "{contact}"\n'
    assert load(written(tmp_path, section), {}).controller == Controller(name="Kari Nordmann", contact=contact)


def test_it_may_be_left_out(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), {}).controller is None


@pytest.mark.parametrize(
    ("section", "key", "said"),
    [
        ('[controller]\nname = "Kari"', "controller.contact", ""),
        ('[controller]\ncontact = "kari@example.org"', "controller.name", ""),
        ('[controller]\nname = "<b>"\ncontact = "kari@example.org"', "controller.name", "is no name"),
        ('[controller]\nname = "Kari"\ncontact = "kari@"', "controller.contact", "neither"),
        ('[controller]\nname = "Kari"\ncontact = "12"', "controller.contact", "neither"),
        ('[controller]\nname = "Kari"\ncontact = "22225555"\nphone = "1"', "controller.phone", ""),
        ("controller = 1", "controller", ""),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, section: str, key: str, said: str) -> None:
    (problem,) = check(written(tmp_path, section), {})
    assert problem.key == key
    assert said in str(problem)
