"""Handing out the certificate: the page, what is beside it, and that nothing else is there, nor for long."""

import asyncio
import base64
import hashlib
import json
import os
import plistlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.api.problems import BODY_LIMIT, as_problems
from agent.cli import trust as verb
from agent.cli.outcome import carry_out
from agent.errors import ConfigInvalid, Refused
from agent.lan import trust as trust_module
from agent.lan.contract import TrustBody, TrustView
from agent.lan.lan import Lan
from agent.lan.routes import trust_routes
from agent.lan.trust import SERVICE, TrustDesk
from agent.supervisor import Supervisor
from privacy.authority import Authority
from privacy.store import Disk
from tests.agent.lan.conftest import Known


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    one = Supervisor()
    yield one
    await one.stop(SERVICE)


@pytest.fixture
def desk(lan: Lan, disk: Disk, supervisor: Supervisor, time: Known, monkeypatch: pytest.MonkeyPatch) -> TrustDesk:
    monkeypatch.setattr(lan, "addresses", lambda: ("127.0.0.1",))
    return TrustDesk(lan, disk=disk, supervisor=supervisor, clock=time, random_bytes=os.urandom)


async def got(url: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as response:
        return response.status, await response.read(), dict(response.headers)


async def refused(url: str) -> bool:
    try:
        await got(url)
    except aiohttp.ClientConnectionError:
        return True
    return False


class Page(HTMLParser):
    """Every link, and what stands in each language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.languages: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.append(values["href"] or "")
        if values.get("lang"):
            self.languages.append(values["lang"] or "")
        assert tag not in {"script", "form", "img", "iframe"}
        assert not any(name.startswith("on") or name in {"style", "src"} for name in values)


async def test_the_page_says_how_and_offers_the_authority_twice(desk: TrustDesk, authority: Authority) -> None:
    view = await desk.open(TrustBody())
    status, body, headers = await got(view.url)
    text, page = body.decode(), Page(body.decode())
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.languages == ["nb", "en"]
    assert {link for link in page.links if ":" not in link} == {"gateway.crt", "gateway.mobileconfig", "#en"}
    assert {link for link in page.links if ":" in link} == {view.page + "/"}
    assert text.count(view.fingerprint.replace(":", " ")) == 2
    assert authority.fingerprint == view.fingerprint
    assert "$" not in text
    assert headers["Cache-Control"] == "no-store"
    assert "script" not in headers["Content-Security-Policy"]

    _, der, headers = await got(view.url + "gateway.crt")
    assert (der, headers["Content-Type"]) == (authority.certificate, "application/x-x509-ca-cert")

    _, plist, headers = await got(view.url + "gateway.mobileconfig")
    assert headers["Content-Type"] == "application/x-apple-aspen-config"
    profile = plistlib.loads(plist)
    (payload,) = profile["PayloadContent"]
    assert payload["PayloadType"] == "com.apple.security.root"
    assert payload["PayloadContent"] == authority.certificate
    assert profile["PayloadUUID"] != payload["PayloadUUID"]
    assert plistlib.loads((await got(view.url + "gateway.mobileconfig"))[1]) == profile
    assert (await got(view.url, "HEAD"))[0] == 200


async def test_the_browser_applies_the_style_that_the_policy_names(desk: TrustDesk) -> None:
    _, body, headers = await got((await desk.open(TrustBody())).url)
    style = body.decode().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in headers["Content-Security-Policy"]


async def test_nothing_else_is_there(desk: TrustDesk) -> None:
    view = await desk.open(TrustBody())
    root = view.url.rsplit("/", 2)[0]
    secret = view.url.rsplit("/", 2)[1]
    assert len(bytes.fromhex(secret)) == 16
    elsewhere = ["/", "/api/state", "/gateway.crt", f"/{'0' * 32}/", f"/{secret}", f"/{secret}/x", f"/{secret}/../"]
    for path in elsewhere:
        status, body, _ = await got(root + path)
        assert (status, secret.encode() in body, b"Portvakt" in body) == (404, False, False), path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await got(view.url, method))[0] == 405


async def test_the_view_has_all_that_a_person_needs(desk: TrustDesk, lan: Lan, time: Known) -> None:
    view = await desk.open(TrustBody(seconds=120))
    assert view.page == lan.url
    assert view.until == time.at + timedelta(seconds=120)
    assert view.qr.lstrip().startswith("<?xml")
    assert "<svg" in view.qr
    assert lan.authority.handed


async def test_it_closes_by_itself(desk: TrustDesk, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await (over.wait() if seconds == 45 else real(seconds))

    monkeypatch.setattr(trust_module.asyncio, "sleep", sleep)
    view = await desk.open(TrustBody(seconds=45))
    assert (await got(view.url))[0] == 200
    over.set()
    async with asyncio.timeout(10):
        while SERVICE in supervisor:
            await real(0.01)
    assert await refused(view.url)


async def test_closed_by_hand_and_opened_anew(desk: TrustDesk) -> None:
    first = await desk.open(TrustBody())
    second = await desk.open(TrustBody())
    assert first.url != second.url
    assert await refused(first.url) or (await got(first.url))[0] == 404
    assert (await got(second.url))[0] == 200
    await desk.close()
    assert await refused(second.url)
    await desk.close()
    # Closed before it was served at all: its sockets do not stay open.
    third = await desk.open(TrustBody())
    await desk.close()
    assert await refused(third.url)


async def test_a_reset_hands_out_the_new_one(desk: TrustDesk, lan: Lan) -> None:
    first = await desk.open(TrustBody())
    second = await desk.open(TrustBody(reset=True))
    assert second.fingerprint != first.fingerprint
    assert second.page != first.page
    assert second.page == lan.url
    assert (await got(second.url + "gateway.crt"))[1] == lan.authority.certificate


async def test_the_address_that_leads_out_comes_first(
    desk: TrustDesk, lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lan, "addresses", lambda: ("127.0.0.2", "127.0.0.1", "::1"))
    monkeypatch.setattr(trust_module, "_ELSEWHERE", ("127.0.0.1", 9))
    view = await desk.open(TrustBody())
    assert [url.split("/")[2].rpartition(":")[0] for url in (view.url, *view.others)] == [
        "127.0.0.1",
        "127.0.0.2",
        "[::1]",
    ]
    for url in (view.url, *view.others):
        assert (await got(url))[0] == 200
    monkeypatch.setattr(trust_module, "_ELSEWHERE", ("255.255.255.255", 9))  # which nobody may connect to
    assert "//127.0.0.2:" in (await desk.open(TrustBody())).url


async def test_no_address_or_no_port_is_said(desk: TrustDesk, lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConfigInvalid("port 7 on 127.0.0.1 is in use by another program", hint="choose another lan.port")

    monkeypatch.setattr(trust_module, "listen", refuse)
    with pytest.raises(Refused, match=r"port 7 .* \(try again\)") as refusal:
        await desk.open(TrustBody())
    assert refusal.value.code == "no_lan"
    monkeypatch.setattr(lan, "addresses", tuple)
    with pytest.raises(Refused, match="no address on the LAN now"):
        await desk.open(TrustBody())


# ------------------------------------------------------------------------------------------------- asked by others

Serve = Callable[[TrustDesk | None], Awaitable[Path]]


@pytest.fixture
async def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Serves the routes on a socket, as the agent does."""
    runners = []

    async def serve_(desk: TrustDesk | None) -> Path:
        app = web.Application(middlewares=[as_problems], client_max_size=BODY_LIMIT)
        app.add_routes(trust_routes(desk))
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "api.sock")).start()
        monkeypatch.setenv("PORTVAKT_SOCKET", str(tmp_path / "api.sock"))
        return tmp_path / "api.sock"

    yield serve_
    for runner in runners:
        await runner.cleanup()


async def portvakt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = await asyncio.to_thread(carry_out, list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 201),
        ({"seconds": 30}, 201),
        ({"seconds": 29.9}, 422),
        ({"seconds": 3601}, 422),
        ({"seconds": "10"}, 422),
        ({"seconds": True}, 422),
        ({"reset": 1}, 422),
        ({"port": 80}, 422),
        ([], 422),
        ("", 422),
    ],
)
async def test_what_may_be_asked(desk: TrustDesk, serve: Serve, body: object, status: int) -> None:
    connector = aiohttp.UnixConnector(str(await serve(desk)))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.post("http://portvakt/api/trust", json=body) as response:
            assert response.status == status
            await response.read()
        async with session.delete("http://portvakt/api/trust") as response:
            assert response.status == 204


async def test_the_command_line_shows_where_and_what_to_compare(
    desk: TrustDesk, serve: Serve, lan: Lan, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(desk)
    slept: list[float] = []
    monkeypatch.setattr(verb.time, "sleep", slept.append)
    monkeypatch.setattr(lan, "addresses", lambda: ("127.0.0.1", "127.0.0.2"))
    code, out, err = await portvakt(capsys, "trust", "--for", "2m")
    assert (code, err, slept) == (0, "", [120.0])
    assert lan.authority.fingerprint.replace(":", "") in "".join(out.split())
    assert out.count("/\n") >= 2
    assert lan.url in out
    assert "█" not in out  # no picture where nobody scans it

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, _ = await portvakt(capsys, "trust")
    assert (code, slept[-1]) == (0, 600.0)
    assert "█" in out


async def test_ctrl_c_closes_it(
    desk: TrustDesk, serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(desk)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb.time, "sleep", interrupted)
    code, out, _ = await portvakt(capsys, "trust")
    assert (code, out.splitlines()[-1]) == (0, "closed")
    url = next(word for word in out.split() if word.startswith("http://"))
    assert await refused(url)


async def test_json_does_not_wait_and_a_reset_is_asked_about(
    desk: TrustDesk, serve: Serve, capsys: pytest.CaptureFixture[str], lan: Lan
) -> None:
    await serve(desk)
    host = lan.host
    code, _, err = await portvakt(capsys, "trust", "--reset", "--json")
    assert code == 2
    assert "passkeys stop working" in err
    assert lan.host == host
    code, out, _ = await portvakt(capsys, "trust", "--reset", "--yes", "--json")
    assert code == 0
    assert set(json.loads(out)) == set(TrustView.__struct_fields__)
    assert lan.host != host


@pytest.mark.parametrize(("for_", "said"), [("soon", "not a duration"), ("5s", ">= 30"), ("2h", "<= 3600")])
async def test_a_time_that_cannot_be(
    desk: TrustDesk, serve: Serve, capsys: pytest.CaptureFixture[str], for_: str, said: str
) -> None:
    await serve(desk)
    code, _, err = await portvakt(capsys, "trust", "--for", for_)
    assert code == 2
    assert said in err


async def test_a_gateway_that_is_not_on_the_lan_says_so(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    await serve(None)
    code, _, err = await portvakt(capsys, "trust")
    assert code == 1
    assert "[lan]" in err
