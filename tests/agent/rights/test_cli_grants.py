"""`portvakt grants` and `portvakt tokens`, against the real desks on a socket."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.until import end_of
from agent.errors import Refused
from agent.rights.actions import Action
from privacy.hold import Role
from tests.agent.rights.served_six import at_the_box
from tests.agent.rights.six import DAY, Six

FINE, NO, BAD = 0, 1, 2


class Line:
    """The command line, and what it printed."""

    def __init__(self, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self._run, self._capsys = run, capsys

    async def __call__(self, *words: str, code: int = FINE) -> str:
        self._capsys.readouterr()
        assert await self._run(*words) == code, self._capsys.readouterr()
        out, err = self._capsys.readouterr()
        return out + err

    async def json(self, *words: str) -> Any:
        return msgspec.json.decode(await self(*words, "--json"))


@pytest.fixture
async def line(six: Six, tmp_path: Path, api_house: Any, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Line]:
    async with at_the_box(six, tmp_path / "api.sock", api_house.state()) as run:
        yield Line(run, capsys)


async def test_the_installer_until_friday_is_one_easy_command(six: Six, line: Line) -> None:
    said = await line("grants", "give", six.ids["ivar"], "--until", "friday")
    assert "may read_devices, control_devices" in said
    assert all(six.may("ivar", action) for action in (Action.CONTROL_DEVICES, Action.MANAGE_DEVICES))
    assert not six.may("ivar", Action.VIEW_PICTURES)
    (given,) = await line.json("grants", "list")
    assert (given["purpose"], given["by"]) == ("installation", six.ids["olga"])
    end = datetime.fromisoformat(given["end"]).astimezone()
    assert (end.strftime("%A"), end.hour, end.minute) == ("Saturday", 0, 0), "when Friday is over"
    assert end - six.clock.now() < 7 * DAY
    six.clock.at = end
    assert six.why_not("ivar", Action.CONTROL_DEVICES) == "grant_ended"


async def test_a_guest_with_a_camera_until_sunday(six: Six, line: Line) -> None:
    words = ("--until", "sunday", "--camera", "door", "--action", "view_pictures", "--device", "lamp")
    given = await line.json("grants", "give", six.ids["gro"], *words)
    assert (given["actions"], given["purpose"]) == (["view_pictures"], "visit")
    assert given["reach"] == {"cameras": ["door"], "devices": ["lamp"]}
    listed = await line("grants", "list")
    assert "at door, lamp" in listed
    assert "is nobody" in await line("grants", "give", six.ids["rune"], "--until", "today", code=BAD)
    assert f"{given['id']} has ended" in await line("grants", "end", given["id"])
    assert await line.json("grants", "list") == []
    assert await line("grants", "list") == ""
    assert "there is no grant" in await line("grants", "end", given["id"], code=NO)


async def test_all_that_can_be_said(six: Six, line: Line) -> None:
    later = (six.clock.now() + DAY).isoformat()
    words = (
        *("--until", "7d", "--group", "devices", "--action", "read_devices", "--for", "care", "--from", later),
        *("--history-from", six.clock.now().isoformat(), "--by", six.ids["olga"]),
    )
    given = await line.json("grants", "give", six.ids["gro"], *words)
    assert (given["purpose"], set(given["actions"])) == ("care", {"read_devices", "control_devices", "read_history"})
    assert six.why_not("gro", Action.READ_DEVICES) == "grant_not_begun"
    by_group = await line.json("grants", "give", six.ids["gro"], "--until", "7d", "--group", "devices")
    assert set(by_group["actions"]) == set(given["actions"])


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("give", "p0", "--until", "friday"), "is nobody", BAD),
        (("give", "p0", "--until", "friday", "--for", "visit", "--action", "read_devices"), "nobody here is p0", NO),
        (("give", "p0", "--until", "someday", "--for", "visit", "--action", "read_devices"), "that is no time", BAD),
        (("give", "p0", "--until", "friday", "--for", "fun", "--action", "read_devices"), "it is one of", BAD),
        (("give", "p0", "--until", "friday", "--for", "visit", "--action", "fly"), "it is one of", BAD),
        (("give", "p0", "--until", "friday", "--for", "visit", "--group", "fly"), "it is one of", BAD),
        (("give", "../x", "--until", "friday"), "not an id", BAD),
        (("give", "p0"), "--until", BAD),
        (("end", "../x"), "nothing is served", BAD),
    ],
)
async def test_what_is_wrong_gets_one_line(line: Line, words: tuple[str, ...], said: str, code: int) -> None:
    answer = await line("grants", *words, code=code)
    assert said in answer
    assert answer.count("\n") == 1


async def test_a_token_is_shown_once_listed_and_ended(six: Six, line: Line) -> None:
    said = await line("tokens", "make", "--name", "Graphs", "--action", "read_devices", "--until", "90d")
    secret = said.splitlines()[-1]
    actor = six.household.token_of(secret)
    assert actor is not None
    assert actor.person == six.ids["olga"]
    assert secret not in await line("tokens", "list")
    (listed,) = await line.json("tokens", "list")
    assert (listed["id"], listed["name"]) == (actor.token, "Graphs")
    assert "has ended" in await line("tokens", "end", listed["id"])
    assert six.household.token_of(secret) is None
    words = ("--name", "Heat", "--group", "devices", "--device", "lamp", "--until", "7d", "--by", six.ids["olga"])
    made = await line.json("tokens", "make", *words)
    assert six.household.token_of(made["secret"])
    assert "say in whose name" in await _of_two(six, line)


async def _of_two(six: Six, line: Line) -> str:
    await six.add("kari", Role.OWNER, here=True)
    return await line("tokens", "make", "--name", "X", "--action", "read_devices", "--until", "7d", code=NO)


@pytest.mark.parametrize(
    ("text", "days"),
    [("friday", 0), ("Fri", 0), ("today", 0), ("saturday", 1), ("tomorrow", 1), (" thursday ", 6), ("2026-06-05", 0)],
)
def test_a_day_is_meant_to_its_end(text: str, days: int) -> None:
    friday = datetime(2026, 6, 5, 15, 30).astimezone()
    midnight = datetime(2026, 6, 6).astimezone()
    assert end_of(text, friday) == midnight + timedelta(days=days)


def test_a_span_counts_from_now_and_a_time_is_one() -> None:
    now = datetime(2026, 6, 5, 15, 30).astimezone()
    assert end_of("3h", now) == now + timedelta(hours=3)
    assert end_of("2w", now) == now + timedelta(weeks=2)
    assert (
        end_of("2026-06-05T16:00+02:00", now).isoformat()
        == datetime.fromisoformat("2026-06-05T14:00+00:00").astimezone().isoformat()
    )
    assert end_of("2026-06-07T16:00", now) == datetime(2026, 6, 7, 16).astimezone()


@pytest.mark.parametrize("text", ["", "someday", "0d", "99999d", "9999-12-31", "2026-13-01", "-1d", "frid"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        end_of(text, datetime(2026, 6, 5, 15, 30).astimezone())
    assert refusal.value.code == "usage"


@given(st.text(max_size=30))
def test_any_text_is_a_time_to_come_or_one_clear_line(text: str) -> None:
    now = datetime(2026, 6, 5, 15, 30).astimezone()
    with suppress(Refused):
        assert end_of(text, now).tzinfo is not None
