"""What cannot be is refused with a code, and changes nothing: each endpoint, each kind of bad input, a real agent."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.fuzz.inhabited import PASSWORD, Inhabited, inhabited

MARKUP: Final = "<script>alert(1)</script>"
LONG: Final = "x" * 300
NOW: Final = datetime.now(UTC)
SOON, LATER, PAST = ((NOW + timedelta(days=days)).isoformat() for days in (1, 400, -1))
HOME: Final = {"home": True}
PERSON: Final = {"role": "guest", "name": "Ola Nordmann", "lives_here": False}
GRANT: Final = {"person": "{guest}", "groups": ["devices"], "reach": HOME, "purpose": "visit", "end": SOON}
TOKEN: Final = {"name": "thermostat", "groups": ["devices"], "reach": HOME, "end": SOON}
SUPPORT: Final = {"person": "{support}", "hours": 1}
PROCESSOR: Final = {"name": "Vakt AS", "classes": ["op_log"], "country": "NO"}
HOLD: Final = {"scope": {"cameras": ["front"]}, "reason": "dispute"}
CLAIM: Final = {"camera": "front", "subject": "{guest}", "start": PAST, "end": SOON}
NOBODYS: Final = "0198c0de-0000-7000-8000-000000000001"

BAD: Final[list[tuple[str, str, str, Any, set[str]]]] = [
    # who, method, path, body, what it may be refused with
    *(
        ("owner", "POST", path, body, {"invalid"})
        for path, bodies in {
            "/api/people": [[], {}, {**PERSON, "role": "king"}, {**PERSON, "name": 1}, {**PERSON, "extra": 1}],
            "/api/grants": [7, {}, {**GRANT, "person": "../x"}, {**GRANT, "end": "soon"}, {**GRANT, "end": SOON[:19]}],
            "/api/tokens": ["", {**TOKEN, "name": 3}, {**TOKEN, "groups": ["none"]}, {**TOKEN, "reach": []}],
            "/api/holds": [False, {**HOLD, "reason": MARKUP}, {**HOLD, "scope": {"cameras": ["a/b"]}}],
            "/api/claims": [{**CLAIM, "subject": LONG}, {**CLAIM, "start": 1}, {**CLAIM, "camera": MARKUP}],
            "/api/consents": [{}, {"kind": "camera", "version": 0, "language": "nb"}, {"kind": MARKUP}],
            "/api/erase": [{}, {"scope": {"subjects": [MARKUP]}}, {"scope": {"everything": "yes"}}],
            "/api/exports": [{"scope": 1}, {"language": "xx"}, {"extra": True}],
            "/api/exports/stream": [{"scope": {"classes": ["none"]}}],
            "/api/restrict": [{"subject": MARKUP}, {"classes": ["none"]}, {"end": "never"}],
            "/api/object": [{}, {"record_class": MARKUP}],
            "/api/support": [{}, {**SUPPORT, "hours": 0}, {**SUPPORT, "hours": 1e9}, {**SUPPORT, "person": LONG}],
            "/api/processors": [{}, {**PROCESSOR, "classes": []}, {**PROCESSOR, "name": LONG}],
            "/api/disclosures": [{}, {"receiver": LONG, "ground": 1}, {"hold": "x"}],
            "/api/time": [{"at": "noon"}, {"at": "2026-01-01T00:00:00"}],
            "/api/sign-in/password": [
                {"login": "kari"},
                {"login": "", "password": "x"},
                {"login": LONG, "password": "x"},
            ],
            "/api/sign-in/code": [{"code": ""}, {"code": LONG}, {"code": ["x"]}],
            "/api/sign-in/passkey": [{"ceremony": "x"}, {"ceremony": MARKUP, "credential": {}}],
            "/api/sign-in/button": [{}, {"who": ""}, {"who": LONG}],
            "/api/claim": [{"code": "x"}, {"code": "x", "name": LONG, "lives_here": True}],
            "/api/presence": [{"password": 1}, {"passkey": {}}, {"second": LONG}],
            "/api/ways/passkeys": [
                {"ceremony": "x", "credential": []},
                {"ceremony": "x", "credential": {}, "name": LONG},
            ],
            "/api/ways/second-factor/confirm": [{}, {"code": "x" * 17}],
        }.items()
        for body in bodies
    ),
    # Of the right form, and not to be.
    ("owner", "POST", "/api/people", {**PERSON, "name": MARKUP}, {"bad_name"}),
    ("owner", "POST", "/api/people", {**PERSON, "name": " "}, {"bad_name"}),
    ("owner", "POST", "/api/people", {**PERSON, "email": MARKUP}, {"bad_email"}),
    ("owner", "POST", "/api/people", {**PERSON, "phone": "112233445566778899"}, {"bad_phone"}),
    ("owner", "PATCH", "/api/people/{owner}", {"role": "guest"}, {"no_owner", "lives_elsewhere"}),
    ("owner", "PATCH", "/api/people/nobody", {"name": "Ola"}, {"unknown_person"}),
    ("owner", "DELETE", "/api/people/nobody", None, {"unknown_person", "needs_second_person"}),
    ("owner", "POST", "/api/people/nobody/link", None, {"unknown_person"}),
    ("owner", "POST", "/api/people/{grant}/link", None, {"unknown_person"}),
    ("owner", "POST", "/api/grants", {**GRANT, "end": PAST}, {"bad_range"}),
    ("owner", "POST", "/api/grants", {**GRANT, "end": LATER}, {"bad_range"}),
    ("owner", "POST", "/api/grants", {**GRANT, "start": SOON, "end": SOON}, {"bad_range"}),
    ("owner", "POST", "/api/grants", {**GRANT, "person": "{owner}"}, {"to_oneself"}),
    ("owner", "POST", "/api/grants", {**GRANT, "person": "{token}"}, {"unknown_person"}),
    ("owner", "POST", "/api/grants", {**GRANT, "reach": {}}, {"empty_scope"}),
    ("owner", "POST", "/api/grants", {**GRANT, "reach": {"cameras": ["none"]}}, {"unknown_camera"}),
    ("owner", "POST", "/api/grants", {**GRANT, "actions": ["erase_everything"]}, {"not_granted"}),
    ("owner", "POST", "/api/tokens", {**TOKEN, "end": PAST}, {"bad_range"}),
    ("owner", "POST", "/api/tokens", {**TOKEN, "name": MARKUP}, {"bad_name"}),
    ("owner", "POST", "/api/tokens", {**TOKEN, "actions": ["erase_everything"]}, {"programs_may_not"}),
    ("owner", "DELETE", "/api/tokens/{grant}", None, {"unknown_token"}),
    ("owner", "DELETE", "/api/grants/{token}", None, {"unknown_grant"}),
    ("owner", "DELETE", "/api/grants/nothing", None, {"unknown_grant"}),
    ("owner", "DELETE", "/api/holds/{grant}", None, {"unknown_hold", "not_own"}),
    ("owner", "DELETE", "/api/sessions/{grant}", None, {"unknown_session"}),
    ("owner", "DELETE", "/api/ways/passkeys/" + "0" * 32, None, {"unknown_passkey"}),
    ("owner", "POST", "/api/agreements/{grant}", None, {"unknown_agreement"}),
    ("owner", "POST", "/api/claims", {**CLAIM, "camera": "none"}, {"unknown_camera"}),
    ("owner", "POST", "/api/claims", {**CLAIM, "end": PAST}, {"bad_range"}),
    ("owner", "POST", "/api/claims", {**CLAIM, "end": LATER}, {"bad_range"}),
    (
        "owner",
        "POST",
        "/api/consents",
        {"kind": "camera", "version": 999, "language": "nb"},
        {"old_text", "not_consent"},
    ),
    ("owner", "POST", "/api/erase", {"scope": {}}, {"empty_scope", "of_another"}),
    ("owner", "GET", "/api/exports/{grant}", None, {"unknown_path"}),
    ("owner", "DELETE", "/api/exports/" + "0" * 32, None, {"unknown_export", "unknown_path"}),
    ("owner", "POST", "/api/restrict", {"start": SOON, "end": PAST}, {"bad_range"}),
    ("owner", "POST", "/api/support", {**SUPPORT, "person": "{guest}"}, {"not_support", "unknown_person", "bad_role"}),
    ("owner", "DELETE", "/api/support/{grant}", None, {"unknown_support", "unknown_session", "unknown_case"}),
    ("owner", "DELETE", "/api/processors/{grant}", None, {"unknown_processor", "unknown_agreement"}),
    ("owner", "POST", "/api/processors", {**PROCESSOR, "name": MARKUP}, {"bad_name"}),
    ("owner", "GET", "/api/snapshots/{grant}/image", None, {"unknown_snapshot"}),
    ("owner", "GET", "/api/receipts/{grant}/erased", None, {"unknown_receipt"}),
    ("owner", "GET", "/api/activity?limit=0", None, {"bad_range"}),
    ("owner", "GET", "/api/activity?before=-1", None, {"bad_range"}),
    ("owner", "GET", "/api/activity/all?limit=" + "9" * 400, None, {"not_alone"}),
    ("owner", "GET", "/api/activity/growth/999999999999999", None, {"bad_range"}),
    ("owner", "GET", "/api/activity/999999999999999/proof", None, {"unknown_entry"}),
    ("owner", "PUT", "/api/ways/password", {"new": "short"}, {"bad_password"}),
    ("owner", "PUT", "/api/ways/password", {"new": "password1234"}, {"bad_password"}),
    ("owner", "POST", "/api/ways/second-factor/confirm", {"code": "000000"}, {"no_second_factor"}),
    ("owner", "POST", "/api/presence", {"password": "not this one at all"}, {"wrong_credentials"}),
    ("owner", "POST", "/api/presence", {}, {"needs_presence"}),
    # Other people's.
    ("guest", "DELETE", "/api/tokens/{token}", None, {"unknown_token", "role_may_not"}),
    ("guest", "DELETE", "/api/sessions/{session}", None, {"unknown_session"}),
    ("guest", "PATCH", "/api/people/{owner}", {"name": "Nobody"}, {"role_may_not"}),
    ("guest", "POST", "/api/people/{owner}/link", None, {"role_may_not"}),
    ("guest", "POST", "/api/restrict", {"subject": "{owner}"}, {"not_own", "role_may_not"}),
    ("guest", "POST", "/api/exports", {"scope": {"subjects": ["{owner}"]}}, {"not_own", "role_may_not"}),
    ("guest", "POST", "/api/erase", {"scope": {"subjects": ["{owner}"]}}, {"role_may_not", "not_own"}),
    ("guest", "POST", "/api/support", SUPPORT, {"role_may_not"}),
    ("guest", "GET", "/api/activity/all", None, {"role_may_not"}),
    ("resident", "POST", "/api/erase", {"scope": {"everything": True}}, {"role_may_not", "needs_second_person"}),
    # Ways in that are none, or are over.
    ("nobody", "POST", "/api/sign-in/code", {"code": "{used}"}, {"wrong_code"}),
    ("nobody", "POST", "/api/sign-in/code", {"code": "AAAA-AAAA-AAAA-AAAA-AAAA"}, {"wrong_code"}),
    ("nobody", "POST", "/api/sign-in/code", {"code": "{secret}"}, {"wrong_code"}),
    ("nobody", "POST", "/api/sign-in/password", {"login": "{guest}", "password": MARKUP}, {"wrong_credentials"}),
    (
        "nobody",
        "POST",
        "/api/sign-in/passkey",
        {"ceremony": "x", "credential": {}},
        {"no_passkeys_here"},
    ),
    ("nobody", "POST", "/api/sign-in/button", {"who": "Kari Owner"}, {"button_not_pressed"}),
    ("nobody", "POST", "/api/claim", {"code": "{used}", "name": "Ola", "lives_here": True}, {"claimed"}),
    ("ended", "GET", "/api/state", None, {"not_signed_in"}),
    ("program", "GET", "/api/sessions", None, {"programs_may_not"}),
    ("program", "POST", "/api/erase", {"scope": {"everything": True}}, {"programs_may_not"}),
    ("program", "POST", "/api/tokens", TOKEN, {"programs_may_not"}),
]


OWN: Final = tuple(
    f"/api/{each}"
    for each in ("ways", "session", "presence", "consents", "exports", "restrict", "object", "agreements", "sign-in")
)
"""What may change something of the owner's own."""


class Prepared:
    """Sessions, and the ids that stand in the table in braces."""

    def __init__(self, house: Inhabited) -> None:
        self.house = house
        who = ("owner", "resident", "guest", "support")
        self.ids = {each: house.person(each) for each in who}
        self.shown = {"nobody": {}, **{each: house.credentials(each) for each in ("guest", "resident", "owner")}}
        signed_in = house.ask("POST", "/api/sign-in/password", {"login": self.ids["owner"], "password": PASSWORD})
        self.shown["watching"] = {"Cookie": signed_in.cookies[0].partition(";")[0]}
        made = house.locally("POST", "/api/tokens", {**TOKEN, "person": self.ids["owner"]})
        ended = house.locally("POST", "/api/tokens", {**TOKEN, "person": self.ids["owner"]})
        house.locally("DELETE", f"/api/tokens/{ended['token']['id']}")
        self.shown |= {
            name: {"Authorization": f"Bearer {each['secret']}"} for name, each in (("program", made), ("ended", ended))
        }
        granted = house.ask("POST", "/api/grants", {**GRANT, "person": self.ids["guest"]}, **self.shown["owner"])
        used = house.locally("POST", f"/api/people/{self.ids['support']}/link", {})["code"]
        assert house.ask("POST", "/api/sign-in/code", {"code": used}).status == 200
        [session, *_] = json.loads(house.ask("GET", "/api/sessions", **self.shown["owner"]).said)
        self.ids |= {"token": made["token"]["id"], "secret": made["secret"], "used": used, "session": session["id"]}
        self.ids["grant"] = json.loads(granted.said)["id"]

    def filled(self, text: Any) -> Any:
        """`text` with the ids in the place of their names."""
        said = json.dumps(text)
        for name, id_ in self.ids.items():
            said = said.replace(f"{{{name}}}", id_)
        return json.loads(said)

    def all_there_is(self, path: str) -> dict[str, Any]:
        """What a request of `path` could have changed."""
        paths = ("people", "grants", "tokens", "holds", "processors", "disclosures", "support", "audit")
        there = {path: self.house.locally("GET", f"/api/{path}") for path in paths}
        if not path.startswith(OWN):
            return there
        owners = ("ways", "consents", "exports", "agreements")
        there |= {
            path: json.loads(self.house.ask("GET", f"/api/{path}", **self.shown["watching"]).said) for path in owners
        }
        sessions = json.loads(self.house.ask("GET", "/api/sessions", **self.shown["watching"]).said)
        return {**there, "sessions": {session["id"] for session in sessions}}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with inhabited(tmp_path_factory.mktemp("house")) as house:
        yield Prepared(house)


@pytest.mark.parametrize(("who", "method", "path", "body", "codes"), BAD)
def test_it_is_refused_and_changes_nothing(  # noqa: PLR0913, PLR0917 - the columns of the table
    prepared: Prepared, who: str, method: str, path: str, body: Any, codes: set[str]
) -> None:
    before = prepared.all_there_is(path)
    answer = prepared.house.ask(method, prepared.filled(path), prepared.filled(body), **prepared.shown[who])
    assert 400 <= answer.status < 500, answer.said
    assert answer.code in codes, answer.said
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert MARKUP.encode() not in answer.said
    assert prepared.all_there_is(path) == before


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 5000, b"x" * 70_000, b'{"name": "\\ud800"}'])
def test_what_is_no_json_is_refused(prepared: Prepared, text: bytes) -> None:
    for path in sorted({path for _, method, path, body, _ in BAD if method == "POST" and body is not None}):
        answer = prepared.house.ask("POST", prepared.filled(path), text, **prepared.shown["owner"])
        assert answer.code in {"malformed", "invalid", "too_large", "claimed"}, (path, answer.said)


def test_who_signs_in_with_a_password_of_the_table_does(prepared: Prepared) -> None:
    """The refusals above are for what is wrong with them, and not for anybody."""
    body = {"login": prepared.ids["guest"], "password": PASSWORD}
    assert prepared.house.ask("POST", "/api/sign-in/password", body).status in {200, 429}
