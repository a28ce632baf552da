"""`portvakt people` against a real house, and what an erasure of a person leaves of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agent.served_house import ServedHouse, serving

KARI = ("people", "add", "--role", "owner", "--name", "Kari Nordmann", "--email", "kari@example.org")
FINE, NO, BAD = 0, 1, 2


@pytest.fixture
async def house(tmp_path: Path, clock: Any) -> AsyncIterator[ServedHouse]:
    async with serving(tmp_path, clock) as served:
        yield served


class Line:
    """The command line, and what it printed."""

    def __init__(self, house: ServedHouse, capsys: pytest.CaptureFixture[str]) -> None:
        self._house, self._capsys = house, capsys

    async def __call__(self, *words: str, code: int = FINE) -> str:
        self._capsys.readouterr()
        assert await self._house.run(*words) == code
        out, err = self._capsys.readouterr()
        return out + err

    async def json(self, *words: str, code: int = FINE) -> Any:
        return msgspec.json.decode((await self(*words, "--json", code=code)).partition("\nportvakt")[0])


@pytest.fixture
def line(house: ServedHouse, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(house, capsys)


async def test_people_come_change_and_go(house: ServedHouse, line: Line) -> None:
    assert await line("people", "list") == ""
    said = await line(*KARI)
    kari = said.partition(":")[0]
    assert said == f"{kari}: Kari Nordmann, owner\n"
    house.clock.move(seconds=1)
    ola = await line.json(
        "people", "add", "--role", "guest", "--name", "Ola", "--phone", "22225555", "--language", "en"
    )
    assert (ola["lives_here"], ola["phone"], ola["language"]) == (False, "+4722225555", "en")
    assert "Ola Hansen, resident" in await line(
        *("people", "change", ola["id"], "--name", "Ola Hansen", "--role", "resident", "--phone", "", "--lives-here")
    )
    listed = await line("people", "list")
    assert "Kari Nordmann" in listed
    assert "kari@example.org" in listed
    assert [(one["name"], one["phone"], one["lives_here"]) for one in await line.json("people", "list")] == [
        ("Kari Nordmann", None, True),
        ("Ola Hansen", None, True),
    ]
    assert "has left, and is forgotten in 30 days" in await line("people", "remove", ola["id"], "--yes")
    assert "left 20" in await line("people", "list")
    assert "Ola Hansen" in await line("people", "change", ola["id"], "--returns")
    assert "has left" in await line("people", "remove", ola["id"], "--yes")
    assert "is forgotten" in await line("people", "remove", ola["id"], "--yes")
    assert [one["id"] for one in await line.json("people", "list")] == [kari]


async def test_who_is_forgotten_at_once_and_who_is_a_minor(line: Line) -> None:
    await line(*KARI)
    tiril = await line.json("people", "add", "--role", "resident", "--name", "Tiril", "--minor")
    assert (tiril["minor"], tiril["until"]) == (True, None)
    assert (await line.json("people", "change", tiril["id"], "--adult"))["minor"] is False
    assert f"{tiril['id']} is forgotten\n" in await line("people", "remove", tiril["id"], "--forget", "--yes")
    assert [one["name"] for one in await line.json("people", "list")] == ["Kari Nordmann"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("add", "--role", "king", "--name", "K"), "it is one of owner", BAD),
        (("add", "--role", "owner", "--name", "<b>"), "a name has letters", NO),
        (("add", "--role", "owner", "--name", "K", "--email", "k"), "no e-mail address", NO),
        (("add", "--role", "owner", "--name", "K", "--phone", "1"), "no telephone number", NO),
        (("add", "--role", "owner", "--name", "K", "--language", "sv"), "it is one of nb, en", BAD),
        (("add", "--role", "owner", "--name", "K" * 201), "length <= 200", BAD),
        (("add", "--role", "guest", "--name", "K"), "needs an owner", NO),
        (("add", "--role", "owner", "--name", "K", "--minor"), "a minor does not own", NO),
        (("add", "--role", "guest", "--name", "K", "--lives-here"), "does not live here", NO),
        (("change", "p1"), "nothing is to be changed", BAD),
        (("change", "p1", "--name", "K"), "nobody here is p1", NO),
        (("remove", "p1", "--yes"), "nobody here is p1", NO),
        (("remove", "p1"), "say --yes", BAD),
        (("remove", "../x", "--yes"), "nothing is served", BAD),
    ],
)
async def test_what_is_wrong_gets_one_line_and_changes_nothing(
    line: Line, words: tuple[str, ...], said: str, code: int
) -> None:
    answer = await line("people", *words, code=code)
    assert said in answer
    assert answer.count("\n") == 1
    assert await line.json("people", "list") == []


async def test_an_erasure_of_a_person_leaves_nothing_of_them(house: ServedHouse, line: Line, tmp_path: Path) -> None:
    await line(*KARI)
    ola = await line.json("people", "add", "--role", "guest", "--name", "Ola", "--phone", "22225555")
    house.clock.move(seconds=1)
    (row,) = [row for row in await line.json("inventory") if row["record_class"] == "person"]
    assert row["count"] == 2
    answer = await line.json("erase", "--subject", ola["id"], "--yes", "--wait", "0", code=NO)
    assert answer["unknown"] == [], "the register knows this person, although no picture does"
    await house.agent._eraser.finish()
    (erased,) = [one for one in house.house.state().receipts if one.kind == "erased"]
    assert {one.store: (one.found, one.erased) for one in erased.stores}["person_register"] == (1, 1)
    assert [one["name"] for one in await line.json("people", "list")] == ["Kari Nordmann"]
    raw = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    assert b"Ola" not in raw
    assert b"Kari Nordmann" not in raw, "not in the clear before either"
    assert "portvakt people list" in await line("erase", "--subject", "nobody", "--yes", "--wait", "0", code=NO)
