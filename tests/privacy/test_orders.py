import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from privacy.errors import OrderRefused
from privacy.orders import TYP, Form, PurgeOrder, verify_order
from privacy.records import Item, RecordClass, Scope
from privacy.signing import SigningKey, Trust

GATEWAY = "gw-1/1"
Make = Callable[..., str]


def code_of(text: str | bytes, trust: Trust, clock: Any) -> str:
    with pytest.raises(OrderRefused) as refused:
        verify_order(text.encode() if isinstance(text, str) else text, audience=GATEWAY, trust=trust, clock=clock)
    assert str(refused.value)
    return refused.value.code


def resigned(text: str, key: SigningKey, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """The same order with other claims or another header, signed by the right key."""
    members = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
    members.update(claims)
    private = OKPKey.import_key(key.to_jwk())
    head = {"alg": "Ed25519", "kid": key.kid, "typ": TYP, **(header or {})}
    return jws.serialize_compact(
        head, json.dumps(members).encode(), private, algorithms=["Ed25519", "EdDSA"], registry=jws.JWSRegistry(
            algorithms=["Ed25519", "EdDSA"], strict_check_header=False)
    )  # fmt: skip


def test_a_good_order_is_verified(order_text: Make, trust: Trust, clock: Any) -> None:
    text = order_text()
    order = verify_order(text.encode(), audience=GATEWAY, trust=trust, clock=clock)
    assert order.issuer == "cloud"
    assert order.scope == Scope(cameras=("front",))
    assert order.jws == text
    assert text not in repr(order)


def test_only_verification_makes_an_order(order_text: Make, trust: Trust, clock: Any) -> None:
    order = verify_order(order_text().encode(), audience=GATEWAY, trust=trust, clock=clock)
    with pytest.raises(TypeError, match="only `verify_order`"):
        replace(order, verified=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        PurgeOrder("id", "cloud", 1, clock.now(), Form.POINT, order.ground, order.scope, "", "", None)  # type: ignore[arg-type]


def test_refusals_by_claim(order_text: Make, trust: Trust, clock: Any, issuer_key: SigningKey) -> None:
    now = int(clock.now().timestamp())
    assert code_of(order_text(aud="gw-2/1"), trust, clock) == "audience"
    assert code_of(order_text(aud="gw-1/2"), trust, clock) == "audience"
    assert code_of(order_text(iss="landlord"), trust, clock) == "issuer"
    assert code_of(order_text(iat=now - 100, exp=now), trust, clock) == "expired"
    assert code_of(order_text(exp=now + 181 * 86_400), trust, clock) == "lifetime"
    assert code_of(order_text(iat=now + 100, exp=now + 100), trust, clock) == "lifetime"
    assert code_of(order_text(scope=Scope()), trust, clock) == "scope"
    for start in (clock.now(), clock.now() + timedelta(hours=1)):
        assert code_of(order_text(scope=Scope(start=start, end=clock.now())), trust, clock) == "scope"
    good = order_text()
    assert code_of(resigned(good, issuer_key, jti="1"), trust, clock) == "claims"
    assert code_of(resigned(good, issuer_key, seq="1"), trust, clock) == "claims"
    assert code_of(resigned(good, issuer_key, iat=1e300), trust, clock) == "claims"
    assert code_of(resigned(good, issuer_key, form="soon"), trust, clock) == "claims"
    assert code_of(resigned(good, issuer_key, scope={"kameras": ["front"]}), trust, clock) == "claims"
    assert code_of(resigned(good, issuer_key, scope={"start": "2026-01-01T00:00:00"}), trust, clock) == "claims"
    assert verify_order(
        resigned(good, issuer_key, later_addition=1).encode(), audience=GATEWAY, trust=trust, clock=clock
    ), "unknown optional members are ignored"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_refusals_by_signature_and_header(order_text: Make, trust: Trust, clock: Any, issuer_key: SigningKey) -> None:
    good = order_text()
    head, body, signature = good.split(".")
    other = SigningKey.generate()
    assert code_of(f"{head}.{body}.{signature[:-4]}AAAA", trust, clock) == "signature"
    assert code_of(f"{head}.{body}A.{signature}", trust, clock) in {"signature", "form"}
    assert code_of(resigned(good, other), trust, clock) == "key"
    assert code_of(resigned(good, other, {"kid": issuer_key.kid}), trust, clock) == "signature"
    assert code_of(resigned(good, issuer_key, {"alg": "EdDSA"}), trust, clock) == "algorithm"
    assert code_of(resigned(good, issuer_key, {"typ": "JWT"}), trust, clock) == "type"
    assert code_of(resigned(good, issuer_key, {"jwk": other.public_jwk()}), trust, clock) == "header"
    assert code_of(resigned(good, issuer_key, {"jku": "https://example.com/keys"}), trust, clock) == "header"
    assert code_of("A" * 8193, trust, clock) == "size"

    def bare(header: dict[str, Any], signature: bytes = b"") -> str:
        parts = [json.dumps(header).encode(), base64.urlsafe_b64decode(body + "=="), signature]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    assert code_of(bare({"alg": "none", "typ": TYP}), trust, clock) == "algorithm"
    assert code_of(bare({"alg": "Ed25519", "kid": ["x"], "typ": TYP}), trust, clock) in {"key", "form"}
    critical = {"alg": "Ed25519", "kid": issuer_key.kid, "typ": TYP, "crit": ["exp"], "exp": 1}
    assert code_of(bare(critical), trust, clock) == "header"
    # The public key as an HMAC secret: the oldest trick.
    secret = OctKey.import_key(base64.urlsafe_b64decode(issuer_key.public_jwk()["x"] + "="))
    forged = jws.serialize_compact({"alg": "HS256", "kid": issuer_key.kid, "typ": TYP}, b"{}", secret)
    assert code_of(forged, trust, clock) == "algorithm"


def test_a_member_that_stands_twice_is_refused(trust: Trust, clock: Any, issuer_key: SigningKey) -> None:
    twice = issuer_key.sign(TYP, b'{"aud": "gw-1/1", "aud": "gw-2/1"}')
    assert code_of(twice, trust, clock) == "form"
    assert code_of(issuer_key.sign(TYP, b"[]"), trust, clock) == "form"
    assert code_of(issuer_key.sign(TYP, b'{"exp": NaN}'), trust, clock) == "form"
    assert code_of(issuer_key.sign(TYP, b'{"a":' * 900 + b"1" + b"}" * 900), trust, clock) in {"form", "claims"}
    deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 5_500).rstrip(b"=")
    assert code_of(deep + b".e30.AA", trust, clock) == "form"
    header = base64.urlsafe_b64encode(f'{{"alg":"none","alg":"Ed25519","kid":"{issuer_key.kid}"}}'.encode())
    assert code_of(header.rstrip(b"=") + b".e30.AA", trust, clock) == "form"


@given(st.binary(max_size=300) | st.text(alphabet='eyJ.{}"AZaz09_-', max_size=300).map(str.encode))
def test_no_bytes_at_all_get_through_or_raise_anything_else(junk: bytes) -> None:
    class Clock:
        def now(self) -> datetime:
            return datetime(2026, 3, 1, tzinfo=UTC)

        def monotonic(self) -> float:
            return 0.0

    with pytest.raises(OrderRefused):
        verify_order(junk, audience=GATEWAY, trust=Trust({}), clock=Clock())


def test_reach(order_text: Make, trust: Trust, clock: Any) -> None:
    issued = clock.now()
    texts = [order_text(form=form) for form in (Form.POINT, Form.STANDING)]
    clock.move(hours=1)
    point, standing = (verify_order(t.encode(), audience=GATEWAY, trust=trust, clock=clock) for t in texts)
    assert point.reaches_to(clock.now()) == issued
    assert standing.reaches_to(clock.now()) == issued + timedelta(hours=1)


def test_an_order_from_the_future_reaches_no_further_than_now(order_text: Make, trust: Trust, clock: Any) -> None:
    ahead = int(clock.now().timestamp()) + 170 * 86_400
    text = order_text(iat=ahead, exp=ahead + 86_400)
    order = verify_order(text.encode(), audience=GATEWAY, trust=trust, clock=clock)
    assert order.reaches_to(clock.now()) == clock.now()


def test_a_known_order_may_come_after_its_end(order_text: Make, trust: Trust, clock: Any) -> None:
    text = order_text()
    clock.move(days=2)
    assert code_of(text, trust, clock) == "expired"
    assert verify_order(text.encode(), audience=GATEWAY, trust=trust, clock=clock, known=lambda _: True)


def test_scope_language() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    item = Item("1", RecordClass.SNAPSHOT, at, camera="front", subjects=frozenset({"p1", "p2"}))
    undated = replace(item, at=None)
    assert not Scope().covers(item), "naming nothing is never everything"
    assert Scope(everything=True).covers(item)
    assert Scope(cameras=("back", "front")).covers(item)
    assert not Scope(cameras=("front",), subjects=("p3",)).covers(item)
    assert Scope(subjects=("p2",)).covers(item)
    assert not Scope(devices=("front",)).covers(item)
    assert Scope(start=at).covers(item)
    assert not Scope(end=at).covers(item)
    assert Scope(end=at).covers(undated), "what cannot be dated counts as before"
    assert not Scope(classes=(RecordClass.OP_LOG,)).covers(item)
