"""The activity log over HTTP, and on the command line."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.api.activity_routes import ActivityRoutes
from agent.api.operation import operation_of
from privacy.activity_proof import TYP, ActivityGrowth, ActivityProof, verify_growth, verify_line
from privacy.checkpoint import verify_checkpoint
from privacy.records import Scope

DAY = timedelta(days=1)
Get = Callable[[str], Awaitable[tuple[int, Any]]]


@pytest.fixture
async def get(desk: Any) -> AsyncIterator[Get]:
    """The status of an answer, and what it says."""
    async with desk.served(), aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(desk.socket))) as session:

        async def fetch(path: str) -> tuple[int, Any]:
            async with session.get(f"http://portvakt{path}") as response:
                body = await response.read()
                return response.status, msgspec.json.decode(body) if "json" in response.content_type else body.decode()

        yield fetch


class TestRoutes:
    async def test_what_concerns_me(self, desk: Any, get: Get) -> None:
        await desk.look("kari", "ola", camera="front")
        await desk.look("lisa")
        status, [view] = await get("/api/activity")
        assert (status, view["own"], view["actor"], view["concerns"], view["camera"]) == (
            200, True, "kari", ["ola"], "front",
        )  # fmt: skip
        desk.caller = "ola"
        _, [view] = await get("/api/activity")
        assert (view["own"], view["actor"], view["name"], view["sequence"]) == (False, "kari", "Kari Nordmann", 1)

    async def test_page_by_page(self, desk: Any, get: Get) -> None:
        for _ in range(120):
            await desk.look("kari")
        pages = {path: [view["sequence"] for view in (await get(path))[1]] for path in (
            "/api/activity", "/api/activity?limit=2", "/api/activity?before=5", "/api/activity/all?before=3&limit=2",
        )}  # fmt: skip
        assert list(pages.values()) == [list(range(119, 19, -1)), [119, 118], [4, 3, 2, 1, 0], [2, 1]]

    @pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "before=0", "before=²"])
    async def test_a_bad_range(self, get: Get, query: str) -> None:
        for path in ("/api/activity", "/api/activity/all"):
            status, problem = await get(f"{path}?{query}")
            assert (status, problem["code"]) == (422, "bad_range")

    async def test_what_everybody_did_since_one_lives_alone(self, desk: Any, get: Get) -> None:
        await desk.look("lisa")
        desk.clock.time += DAY
        await desk.look("lisa")
        assert [view["sequence"] for view in (await get("/api/activity/all"))[1]] == [1, 0]
        assert (await get("/api/activity/all/0/proof"))[0] == 200
        desk.ola_left = desk.clock.now()
        assert [view["sequence"] for view in (await get("/api/activity/all"))[1]] == [1]
        assert (await get("/api/activity/all/1/proof"))[0] == 200
        assert (await get("/api/activity/all/0/proof"))[1]["code"] == "unknown_entry"
        desk.ola_left = None
        for path in ("/api/activity/all", "/api/activity/all/1/proof"):
            status, problem = await get(path)
            assert (status, problem["code"]) == (403, "not_alone")

    async def test_proofs(self, desk: Any, get: Get) -> None:
        jwk = desk.key.public_jwk()
        await desk.look("kari", "ola")
        _, before = await get("/api/activity/checkpoint")
        await desk.look("kari", "ola")
        _, grown = await get("/api/activity/growth/2")
        old = verify_checkpoint(before, jwk, TYP).log
        assert verify_growth(msgspec.convert(grown, ActivityGrowth), old, jwk).log.size == 4
        _, proof = await get("/api/activity/2/proof")
        line, _ = verify_line(msgspec.convert(proof, ActivityProof), jwk)
        assert (line.person, line.deed) == ("kari", 2)

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/api/activity/1/proof", (404, "unknown_entry")),
            ("/api/activity/999999999999999/proof", (404, "unknown_entry")),
            ("/api/activity/growth/3", (422, "bad_range")),
            ("/api/activity/all/7/proof", (404, "unknown_entry")),
        ],
    )
    async def test_what_there_is_not(self, desk: Any, get: Get, path: str, expected: tuple[int, str]) -> None:
        await desk.look("kari", "ola")
        status, problem = await get(path)
        assert (status, problem["code"]) == expected

    async def test_each_says_what_it_gives(self, desk: Any) -> None:
        for route in ActivityRoutes(desk.desk, desk).table():
            assert operation_of(route.handler).summary


class TestCommandLine:
    async def run(self, desk: Any, *arguments: str) -> int:
        async with desk.served():
            return int(await desk.run("activity", *arguments))

    async def test_show(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        await desk.look("kari", "ola", camera="front", purpose="care")
        await desk.look("ola", "kari", allowed=False, code="not_own")
        await desk.look("lisa", "kari")
        await desk.look(None, "kari", action="sign_in")
        assert await self.run(desk, "show") == 0
        rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        assert rows[0] == ["line", "at", "who", "did", "to", "purpose", "in the log"]
        assert [(row[2], *row[3:]) for row in rows[1:]] == [
            ("nobody known", "sign_in", "-", "-", "yes"),
            ("lisa", "view_pictures", "-", "-", "yes"),
            ("Ola Nordmann", "view_pictures: refused (not_own)", "-", "-", "yes"),
            ("I", "view_pictures", "front, ola", "care", "yes"),
        ]

    async def test_show_an_erased_one(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        await desk.look("ola", "kari")
        desk.log.erase(Scope(subjects=("ola",)), desk.clock.now() + DAY)
        assert await self.run(desk, "show") == 0
        assert "an erased resident" in capsys.readouterr().out

    @pytest.mark.parametrize(("lines", "told"), [("3", 3), ("250", 250), ("9999", 260)])
    async def test_show_as_json_more_than_a_page(
        self, desk: Any, capsys: pytest.CaptureFixture[str], lines: str, told: int
    ) -> None:
        await desk.desk.note(*(desk.deed("ola") for _ in range(260)))
        assert await self.run(desk, "show", "--all", "--json", "--lines", lines) == 0
        views = msgspec.json.decode(capsys.readouterr().out)
        assert [view["sequence"] for view in views] == list(range(259, 259 - told, -1))

    async def test_show_nothing(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert await self.run(desk, "show", "--json") == 0
        assert msgspec.json.decode(capsys.readouterr().out) == []

    async def test_show_where_the_first_lines_are_anothers(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        await desk.look("ola")
        await desk.look("kari")
        assert await self.run(desk, "show", "--json") == 0
        assert [view["sequence"] for view in msgspec.json.decode(capsys.readouterr().out)] == [1]

    async def test_verify(self, desk: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        kept = tmp_path / "activity.jws"
        await desk.look("kari", "ola")
        assert await self.run(desk, "checkpoint") == 0
        kept.write_text(capsys.readouterr().out)
        await desk.look("kari", "ola")
        key = str(desk.public)
        assert await self.run(desk, "verify", "--key", key) == 0
        assert capsys.readouterr().out == "genuine: a log of 4 lines; 2 of them are yours to see, and were checked\n"
        assert await self.run(desk, "verify", "--key", key, "--since", str(kept)) == 0
        assert "grown out of that checkpoint" in capsys.readouterr().out
        assert await self.run(desk, "verify", "--key", key, "--all", "--json") == 0
        assert msgspec.json.decode(capsys.readouterr().out) == {"valid": True, "lines": 4, "checked": 2}

    async def test_verify_finds_a_log_that_was_cut(
        self, desk: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kept = tmp_path / "activity.jws"
        await desk.look("kari")
        kept.write_text(await desk.desk.checkpoint())
        desk.log.tree.size = 0
        key = str(desk.public)
        assert await self.run(desk, "verify", "--key", key, "--since", str(kept)) == 1
        assert re.search(r"has 0 lines, and had 1", capsys.readouterr().err)

    async def test_verify_finds_a_line_that_was_changed(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        await desk.look("kari")
        desk.log.tree._put(0, 0, [bytes(32)])
        key = str(desk.public)
        assert await self.run(desk, "verify", "--key", key) == 1
        assert "line 0 is not what the log has" in capsys.readouterr().err
        assert await self.run(desk, "verify", "--key", key, "--json") == 1
        told = msgspec.json.decode(capsys.readouterr().out)
        assert (told["valid"], "line 0" in told["reason"]) == (False, True)

    async def test_verify_finds_an_agent_that_shows_something_else(
        self, desk: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.look("kari")
        [view] = await desk.desk.own("kari", None, 1)

        async def lies(*_: object) -> tuple[Any, ...]:
            return (msgspec.structs.replace(view, action="control_devices"),)

        monkeypatch.setattr(desk.desk, "own", lies)
        assert await self.run(desk, "verify", "--key", str(desk.public)) == 1
        assert "says something else" in capsys.readouterr().err
