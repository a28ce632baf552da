"""The local API over real sockets: each route, and each refusal."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from agent.api.server import serve
from agent.errors import AgentError, Refused
from privacy.clock import SystemClock
from privacy.errors import StoreBroken
from tests.agent.open_door import open_door

House = Any
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def address(api_house: House) -> AsyncIterator[str]:
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=None) as url:
        yield url


@pytest.fixture
async def client(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that behaves as our own page does."""
    async with aiohttp.ClientSession(address, headers={"Origin": address}) as session:
        yield session


async def refused(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Expect problem details."""
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = await response.json(content_type="application/problem+json")
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


class TestReading:
    async def test_state_is_the_house(self, client: aiohttp.ClientSession, api_house: House) -> None:
        async with client.get("/api/state") as response:
            state = await response.json()
        assert state["gateway"] == "Gateway-4f2a"
        assert [each["id"] for each in state["devices"]] == ["pump", "lamp"]
        assert datetime.fromisoformat(state["ready_at"]) == api_house.now

    async def test_health_names_what_does_not_run(self, client: aiohttp.ClientSession, api_house: House) -> None:
        async with client.get("/api/health") as response:
            assert (await response.json())["ok"] is True
        services = api_house.state().services
        api_house.set(services=(type(services[0])(name="modbus", problem="the port is gone"),))
        async with client.get("/api/health") as response:
            health = await response.json()
        assert response.status == 200
        assert health["ok"] is False
        assert health["problems"] == [{"name": "modbus", "problem": "the port is gone"}]

    async def test_inventory(self, client: aiohttp.ClientSession) -> None:
        async with client.get("/api/inventory") as response:
            [row] = await response.json()
        assert (row["record_class"], row["count"]) == ("snapshot", 3)

    async def test_metrics_are_prometheus_text(self, client: aiohttp.ClientSession) -> None:
        async with client.get("/metrics") as response:
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "portvakt_snapshots 3" in await response.text()

    @pytest.mark.parametrize(("size", "thumbnail"), [("image", False), ("thumbnail", True)])
    async def test_a_picture_is_never_kept_by_the_browser(
        self, client: aiohttp.ClientSession, api_house: House, size: str, *, thumbnail: bool
    ) -> None:
        async with client.get(f"/api/snapshots/s0/{size}") as response:
            assert await response.read() == api_house.jpeg
        assert response.content_type == "image/jpeg"
        assert response.headers["Cache-Control"] == "no-store"
        assert api_house.asked == [("picture", "s0", thumbnail, "local-owner")]

    async def test_a_picture_that_has_gone(self, client: aiohttp.ClientSession) -> None:
        await refused(await client.get("/api/snapshots/gone/image"), 404, "unknown_snapshot")

    async def test_a_receipt_is_the_jws_itself(self, client: aiohttp.ClientSession, api_house: House) -> None:
        api_house.add_receipt("erased")
        receipt = api_house.state().receipts[0]
        async with client.get(f"/api/receipts/{receipt.order}/erased") as response:
            assert await response.text() == receipt.jws
        assert response.content_type == "text/plain"
        assert "attachment" in response.headers["Content-Disposition"]
        await refused(await client.get(f"/api/receipts/{receipt.order}/verified"), 404, "unknown_receipt")

    async def test_a_receipt_that_the_state_shows_no_more_is_found_in_the_log(
        self, client: aiohttp.ClientSession, api_house: House
    ) -> None:
        for number in range(25):
            api_house.add_receipt("verified", f"order-{number}")
        assert "order-0" not in {receipt.order for receipt in api_house.state().receipts}
        async with client.get("/api/receipts/order-0/verified") as response:
            assert await response.text() == api_house.audit_entries[0].jws

    async def test_the_page_and_its_files(self, client: aiohttp.ClientSession) -> None:
        async with client.get("/") as response:
            assert response.content_type == "text/html"
            assert "/static/app.js" in await response.text()
        async with client.get("/static/vendor/preact.js") as response:
            assert response.content_type == "text/javascript"
            etag = response.headers["ETag"]
        async with client.get("/static/vendor/preact.js", headers={"If-None-Match": etag}) as response:
            assert response.status == 304


class TestActing:
    async def test_command(self, client: aiohttp.ClientSession, api_house: House) -> None:
        body = {"capability": "OnOff.OnOff", "value": True}
        async with client.post("/api/devices/lamp/commands", json=body) as response:
            outcome = await response.json()
        assert response.status == 200
        assert outcome["fate"] == "done"
        assert api_house.asked == [("command", "lamp", "OnOff.OnOff", True, "local-owner")]

    async def test_adopt(self, client: aiohttp.ClientSession, api_house: House) -> None:
        body = {"family": "homekit", "code": "123-45-678"}
        async with client.post("/api/found/AA:BB:CC:DD:EE:FF/adopt", json=body) as response:
            assert (await response.json())["name"] == "Desk lamp"
        assert response.status == 201
        assert api_house.asked == [("adopt", "AA:BB:CC:DD:EE:FF", "homekit", "123-45-678", "local-owner")]

    async def test_remove(self, client: aiohttp.ClientSession, api_house: House) -> None:
        async with client.delete("/api/devices/lamp") as response:
            assert response.status == 204
        assert api_house.asked == [("remove", "lamp", "local-owner")]

    async def test_erase(self, client: aiohttp.ClientSession, api_house: House) -> None:
        body = {"scope": {"classes": ["snapshot"], "cameras": ["door"]}}
        async with client.post("/api/erase", json=body) as response:
            assert (await response.json())["order"]
        assert response.status == 202
        [(_, scope, actor)] = api_house.asked
        assert (list(scope.cameras), actor) == (["door"], "local-owner")


HOLD = {"scope": {"cameras": ["door"]}, "reason": "police_report"}


class TestHolds:
    async def test_are_placed_listed_and_released(self, client: aiohttp.ClientSession, api_house: House) -> None:
        async with client.post("/api/holds", json={**HOLD, "until": "2026-03-31T12:00:00+02:00"}) as response:
            placed = await response.json()
        assert response.status == 201
        [(_, body, actor)] = api_house.asked
        assert (body.reason, list(body.scope.cameras), actor) == ("police_report", ["door"], "local-owner")
        assert body.until == datetime(2026, 3, 31, 10, tzinfo=UTC)
        async with client.get("/api/holds") as response:
            assert await response.json() == [placed]
        async with client.delete(f"/api/holds/{placed['id']}") as response:
            assert (await response.json())["ended"]
        assert response.status == 200
        assert api_house.asked[1] == ("release", placed["id"], "local-owner")
        await refused(await client.delete(f"/api/holds/{placed['id']}"), 404, "unknown_hold")

    @pytest.mark.parametrize(
        "body",
        [
            {"scope": HOLD["scope"]},
            {"reason": "dispute"},
            {**HOLD, "reason": "curiosity"},
            {**HOLD, "scope": {"cameras": "door"}},
            {**HOLD, "scope": {"cameras": ["door"], "until": 1}},
            {**HOLD, "until": "2026-03-31T12:00:00"},
            {**HOLD, "until": "soon"},
            {**HOLD, "by": "the police"},
            [HOLD],
        ],
    )
    async def test_of_another_shape(self, client: aiohttp.ClientSession, api_house: House, body: object) -> None:
        await refused(await client.post("/api/holds", json=body), 422, "invalid")
        assert api_house.asked == []

    @pytest.mark.parametrize(
        ("code", "status"), [("empty_scope", 422), ("nobody_named", 422), ("bad_end", 422), ("ordered", 409)]
    )
    async def test_that_cannot_be(
        self, client: aiohttp.ClientSession, api_house: House, code: str, status: int
    ) -> None:
        api_house.refusal = Refused(code, "it cannot be", hint="do something else")
        await refused(await client.post("/api/holds", json=HOLD), status, code)

    async def test_that_ended_before(self, client: aiohttp.ClientSession, api_house: House) -> None:
        api_house.refusal = Refused("ended", "it has ended", hint="place another")
        await refused(await client.delete("/api/holds/0198c0de-0000-7000-8000-000000000002"), 409, "ended")


class TestTime:
    async def test_is_confirmed_by_a_person(self, client: aiohttp.ClientSession, api_house: House) -> None:
        async with client.post("/api/time", json={"at": "2026-03-01T12:00:00+01:00"}) as response:
            assert (await response.json())["known"] is True
        [(_, body, actor)] = api_house.asked
        assert (body.at, actor) == (datetime(2026, 3, 1, 11, tzinfo=UTC), "local-owner")

    async def test_that_is_not_believed(self, client: aiohttp.ClientSession, api_house: House) -> None:
        api_house.refusal = Refused("not_believed", "the gateway's clock says another", hint="look again")
        response = await client.post("/api/time", json={"at": "2026-03-01T12:00:00Z"})
        assert (await refused(response, 422, "not_believed"))["cure"] == "look again"

    @pytest.mark.parametrize(
        "body",
        [{}, {"at": None}, {"at": 1772366400}, {"at": "2026-03-01T12:00:00"}, {"at": "noon"}, {"at": "", "x": 1}],
    )
    async def test_of_another_shape(self, client: aiohttp.ClientSession, api_house: House, body: object) -> None:
        await refused(await client.post("/api/time", json=body), 422, "invalid")
        assert api_house.asked == []

    @pytest.mark.parametrize("path", ["/api/time", "/api/holds"])
    async def test_and_holds_take_json_alone(self, client: aiohttp.ClientSession, path: str) -> None:
        await refused(await client.post(path, data="at=noon"), 415, "wrong_content_type")
        await refused(await client.post(path, data="{", headers=JSON), 400, "malformed")


async def test_the_checkpoint_of_the_log_is_the_jws_itself(client: aiohttp.ClientSession, api_house: House) -> None:
    api_house.signed_checkpoint = "header.claims.signature"
    async with client.get("/api/audit/checkpoint") as response:
        assert (await response.text(), response.content_type) == ("header.claims.signature", "application/jose")
    await refused(await client.post("/api/audit/checkpoint", json={}), 405, "wrong_method")


class TestWhatTheHouseRefuses:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("unknown_device", 404),
            ("not_found", 404),
            ("configured", 409),
            ("bad_value", 422),
            ("adoption_failed", 422),
            ("empty_scope", 422),
            ("something_new", 422),
        ],
    )
    async def test_has_a_status_a_code_and_a_cure(
        self, client: aiohttp.ClientSession, api_house: House, code: str, status: int
    ) -> None:
        api_house.refusal = Refused(code, "it cannot be", hint="do something else")
        problem = await refused(await client.delete("/api/devices/lamp"), status, code)
        assert (problem["detail"], problem["cure"]) == ("it cannot be", "do something else")

    @pytest.mark.parametrize("error", [AgentError("not now", hint="later"), StoreBroken("disk", hint="later")])
    async def test_trouble_of_ours_is_503(
        self, client: aiohttp.ClientSession, api_house: House, error: Exception
    ) -> None:
        api_house.refusal = error
        problem = await refused(await client.get("/api/snapshots/s0/image"), 503, "unavailable")
        assert problem["cure"] == "later"


class TestBugs:
    async def test_are_one_answer_and_one_line_without_anything_that_was_sent(
        self, client: aiohttp.ClientSession, api_house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        api_house.refusal = KeyError("the name of somebody")
        problem = await refused(await client.get("/api/snapshots/s0/image"), 500, "bug")
        assert problem["cure"]
        [record] = caplog.records
        assert record.exc_info is None
        assert re.fullmatch(
            r"a bug: KeyError at .*routes\.py:\d+ picture, .*conftest\.py:\d+ _ask, "
            r"answering GET /api/snapshots/\{id\}/\{size\}; please report it",
            record.message,
        )
        api_house.refusal = None  # and nothing else was hurt
        async with client.get("/api/snapshots/s0/image") as response:
            assert response.status == 200

    async def test_in_the_feed_end_that_feed_alone(
        self, client: aiohttp.ClientSession, api_house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        listener = await client.ws_connect("/api/ws")
        assert (await listener.receive_json(timeout=10))["type"] == "state"
        api_house.set(log=object())  # nothing that can be sent
        assert (await listener.receive(timeout=10)).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        [record] = caplog.records
        assert record.message.startswith("a bug: TypeError at ")
        assert "answering GET /api/ws" in record.message
        async with client.get("/api/health") as response:
            assert response.status == 200


COMMAND = {"capability": "OnOff.OnOff", "value": True}


class TestBadInput:
    @pytest.mark.parametrize(
        ("path", "body", "says"),
        [
            ("/api/devices/lamp/commands", {}, "capability"),
            ("/api/devices/lamp/commands", {"capability": "OnOff.OnOff"}, "value"),
            ("/api/devices/lamp/commands", {**COMMAND, "value": None}, "$.value"),
            ("/api/devices/lamp/commands", {**COMMAND, "value": [1]}, "$.value"),
            ("/api/devices/lamp/commands", {**COMMAND, "value": 10**30}, "$.value"),
            ("/api/devices/lamp/commands", {**COMMAND, "value": "x" * 300}, "$.value"),
            ("/api/devices/lamp/commands", {**COMMAND, "deadline_seconds": 0}, "$.deadline_seconds"),
            ("/api/devices/lamp/commands", {**COMMAND, "deadline_seconds": 1e9}, "$.deadline_seconds"),
            ("/api/devices/lamp/commands", {**COMMAND, "sudo": True}, "sudo"),
            ("/api/devices/lamp/commands", {**COMMAND, "<script>": True}, "a member that nobody knows"),
            ("/api/erase", {"scope": {"everything": True, "<script>": 1}}, "a member that nobody knows - at `$.scope`"),
            ("/api/found/x/adopt", {"code": "1"}, "family"),
            ("/api/found/x/adopt", {"family": "homekit", "code": 12345678}, "$.code"),
            ("/api/erase", {"scope": {"classes": ["<script>"]}}, "$.scope.classes[0]"),
            ("/api/erase", {"scope": {"cameras": ["../door"]}}, "$.scope.cameras[0]"),
            ("/api/erase", {"scope": {"cameras": ["../door"]}}, "an id has 1 to 64 of A-Z a-z 0-9 _ . : -"),
            ("/api/erase", {"scope": {"start": "2025-01-01T00:00:00"}}, "$.scope.start"),
            ("/api/erase", {"scope": {"everything": 1}}, "$.scope.everything"),
            ("/api/erase", {"scope": []}, "$.scope"),
            ("/api/erase", [], "object"),
        ],
    )
    async def test_says_where(
        self, client: aiohttp.ClientSession, api_house: House, path: str, body: Any, says: str
    ) -> None:
        problem = await refused(await client.post(path, json=body), 422, "invalid")
        assert says in problem["detail"]
        assert "<script>" not in problem["detail"]
        assert api_house.asked == []

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"nonsense", b'{"value": NaN}', b'{"value": "\xff"}', b'{"value": "\\ud800"}', b"\x00"]
    )
    async def test_no_json(self, client: aiohttp.ClientSession, api_house: House, body: bytes) -> None:
        await refused(await client.post("/api/devices/lamp/commands", data=body, headers=JSON), 400, "malformed")
        assert api_house.asked == []

    async def test_deeply_nested(self, client: aiohttp.ClientSession) -> None:
        body = b'{"capability":"a","value":' + b"[" * 60_000
        response = await client.post("/api/devices/lamp/commands", data=body, headers=JSON)
        assert response.status in {400, 422}

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    )
    async def test_what_a_form_could_send(
        self, client: aiohttp.ClientSession, api_house: House, content_type: str
    ) -> None:
        await refused(
            await client.post(
                "/api/erase",
                data=json.dumps({"scope": {"everything": True}}).encode(),
                headers={"Content-Type": content_type},
            ),
            415,
            "wrong_content_type",
        )
        assert api_house.asked == []

    async def test_too_large(self, client: aiohttp.ClientSession, api_house: House) -> None:
        body = b'{"scope": {"cameras": ["' + b"x" * 65_536 + b'"]}}'
        await refused(await client.post("/api/erase", data=body, headers=JSON), 413, "too_large")
        assert api_house.asked == []

    async def test_an_empty_scope_is_not_everything(self, client: aiohttp.ClientSession) -> None:
        await refused(await client.post("/api/erase", json={"scope": {}}), 422, "empty_scope")

    @pytest.mark.parametrize(
        "path",
        [
            "/api/nothing",
            "/api/devices/%00",
            "/api/devices/lamp%2f..%2f..",
            "/api/devices/" + "x" * 65,
            "/static/../server.py",
            "/static/%2e%2e/server.py",
            "/static/..%2fserver.py",
            "/static//etc/passwd",
            "/static/web",
            "/favicon.ico",
        ],
    )
    async def test_paths_that_are_not(self, client: aiohttp.ClientSession, path: str) -> None:
        from yarl import URL  # noqa: PLC0415 - only here: a URL that the client must not tidy up

        base = str(client._base_url).rstrip("/")
        async with aiohttp.ClientSession(headers={"Origin": base}) as raw:
            method = raw.delete if "devices" in path else raw.get
            await refused(await method(URL(base + path, encoded=True)), 404, "unknown_path")

    async def test_wrong_method(self, client: aiohttp.ClientSession) -> None:
        response = await client.put("/api/erase", json={})
        await refused(response, 405, "wrong_method")
        assert response.headers["Allow"] == "POST"

    async def test_a_get_of_the_socket_without_upgrade(self, client: aiohttp.ClientSession) -> None:
        await refused(await client.get("/api/ws"), 400, "malformed")

    async def test_markup_is_only_ever_data(self, client: aiohttp.ClientSession, api_house: House) -> None:
        api_house.set_device("lamp", name="<script>alert(1)</script>")
        async with client.get("/api/state") as response:
            assert response.content_type == "application/json"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert (await response.json())["devices"][1]["name"] == "<script>alert(1)</script>"


class TestForeignPages:
    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""])
    @pytest.mark.parametrize("path", ["/", "/api/state", "/api/snapshots/s0/image", "/metrics"])
    async def test_a_name_that_is_not_ours(
        self, client: aiohttp.ClientSession, api_house: House, host: str, path: str
    ) -> None:
        host = host.format(port=client._base_url.port)  # type: ignore[union-attr]
        await refused(await client.get(path, headers={"Host": host}), 421, "foreign_host")
        assert api_house.asked == []

    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
    async def test_our_own_names(self, client: aiohttp.ClientSession, name: str) -> None:
        host = f"{name}:{client._base_url.port}"  # type: ignore[union-attr]
        headers = {"Host": host, "Origin": f"http://{host.lower()}"}
        async with client.post("/api/erase", json={"scope": {"everything": True}}, headers=headers) as response:
            assert response.status == 202

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}", None]
    )
    async def test_acting_from_elsewhere(self, address: str, api_house: House, origin: str | None) -> None:
        headers = {} if origin is None else {"Origin": origin.format(port=address.rpartition(":")[2])}
        async with aiohttp.ClientSession(address, headers=headers) as foreign:
            requests = [
                foreign.post("/api/erase", json={"scope": {"everything": True}}),
                foreign.post("/api/devices/lamp/commands", json=COMMAND),
                foreign.post("/api/found/x/adopt", json={"family": "homekit"}),
                foreign.delete("/api/devices/lamp"),
                foreign.options("/api/erase"),
            ]
            for request in requests:
                await refused(await request, 403, "foreign_page")
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await foreign.ws_connect("/api/ws")
        assert error.value.status == 403
        assert api_house.asked == []

    async def test_a_picture_in_a_foreign_page(self, address: str, api_house: House) -> None:
        """An <img> sends no Origin; the browser says in Sec-Fetch-Site that it is not for us."""
        async with aiohttp.ClientSession(address, headers={"Sec-Fetch-Site": "cross-site"}) as foreign:
            await refused(await foreign.get("/api/snapshots/s0/image"), 403, "foreign_page")
            async with foreign.get("/") as response:  # a link to the page itself is fine
                assert response.status == 200
        assert api_house.asked == []

    async def test_headers_on_every_answer(self, client: aiohttp.ClientSession) -> None:
        for path in ("/", "/static/app.js", "/api/state", "/api/nothing", "/api/snapshots/s0/image"):
            async with client.get(path) as response:
                headers = response.headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["Cache-Control"] in {"no-store", "no-cache"}
