import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from agent.cloud.orders import REPORTS_AT_ONCE, SECONDS_PER_REPORT, Admitted, OrderDesk, Refused
from privacy.errors import StoreBroken
from privacy.orders import TYP, PurgeOrder
from privacy.signing import SigningKey, Trust

ISSUER = SigningKey.generate()
STRANGER = SigningKey.generate()
AUDIENCE = "gw-1/1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StandingClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Desk:
    """An order desk with a journal in memory."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.journal: dict[str, PurgeOrder] = {}
        self.told: list[tuple[str, str]] = []
        self.broken = False
        trust = Trust.from_jwks({"keys": [{**ISSUER.public_jwk(), "issuer": "cloud"}]})
        self.desk = OrderDesk(
            audience=AUDIENCE,
            trust=trust,
            clock=self.clock,
            admit=self.admit,
            refused=lambda *what: self.told.append(what),
        )

    async def admit(self, order: PurgeOrder) -> bool:
        if self.broken:
            raise StoreBroken("disk full")
        return self.journal.setdefault(order.id, order) is order

    async def take(self, payload: bytes, *, retained: bool = False) -> Admitted | Refused:
        return await self.desk.take(payload, retained=retained)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def claims(**changed: Any) -> dict[str, Any]:
    issued = int(NOW.timestamp())
    good = {
        "iss": "cloud",
        "aud": AUDIENCE,
        "jti": "0197a000-0000-7000-8000-000000000001",
        "seq": 1,
        "iat": issued,
        "exp": issued + 86_400,
        "form": "point",
        "ground": "owners_choice",
        "scope": {"cameras": ["front"]},
    }
    return {**good, **changed}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: bytes | None = None, key: SigningKey = ISSUER, typ: str = TYP, **changed: Any) -> bytes:
    return key.sign(typ, payload if payload is not None else json.dumps(claims(**changed)).encode()).encode()


def headed(header: dict[str, Any] | bytes, signature: bytes | None = None) -> bytes:
    """A JWS with any header, signed with the issuer's key unless a signature is given."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{b64(text)}.{b64(json.dumps(claims()).encode())}".encode()
    if signature is None:
        key = OKPKey.import_key(ISSUER.to_jwk())
        signature = key.get_op_key("sign").sign(signing_input)
    return signing_input + b"." + b64(signature).encode()


def hs256_with_the_public_key() -> bytes:
    """The classic confusion: the public key as a shared secret."""
    header = {"alg": "HS256", "kid": ISSUER.kid, "typ": TYP}
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}".encode()
    secret = base64.urlsafe_b64decode(ISSUER.public_jwk()["x"] + "=")
    return signing_input + b"." + b64(hmac.digest(secret, signing_input, "sha256")).encode()


HEADER = {"alg": "Ed25519", "kid": ISSUER.kid, "typ": TYP}

BAD = {
    "wrong signature": (signed()[:-8] + b"AAAAAAAA", "signature"),
    "signed by a stranger": (signed(key=STRANGER), "key"),
    "signed by a stranger under our key id": (
        signed(key=SigningKey.from_jwk({**STRANGER.to_jwk(), "kid": ISSUER.kid})),
        "signature",
    ),
    "another gateway": (signed(aud="gw-2/1"), "audience"),
    "an earlier enrolment": (signed(aud="gw-1/0"), "audience"),
    "in another issuer's name": (signed(iss="owner"), "issuer"),
    "HS256 with the public key as its secret": (hs256_with_the_public_key(), "algorithm"),
    "alg none": (headed({**HEADER, "alg": "none"}, b""), "algorithm"),
    "alg EdDSA": (headed({**HEADER, "alg": "EdDSA"}), "algorithm"),
    "a key in the header": (headed({**HEADER, "jwk": ISSUER.public_jwk()}), "header"),
    "an unknown critical extension": (headed({**HEADER, "crit": ["x"], "x": 1}), "header"),
    "a member twice in the header": (headed(json.dumps(HEADER).replace("{", '{"kid": "x", ', 1).encode()), "form"),
    "a receipt": (signed(typ="portvakt-receipt+jwt"), "type"),
    "expired": (signed(iat=int(NOW.timestamp()) - 100, exp=int(NOW.timestamp())), "expired"),
    "lives too long": (signed(exp=int(NOW.timestamp()) + 181 * 86_400), "lifetime"),
    "ends before it begins": (signed(exp=int(NOW.timestamp()) - 1), "lifetime"),
    "too large": (signed(padding="x" * 9000), "size"),
    "a member twice": (signed(json.dumps(claims()).replace("{", '{"seq": 2, ', 1).encode()), "form"),
    "a member twice in its scope": (
        signed(json.dumps(claims()).replace('"scope": {', '"scope": {"cameras": [], ').encode()),
        "form",
    ),
    "an unknown member in its scope": (signed(scope={"cameras": ["front"], "rooms": ["hall"]}), "claims"),
    "a scope that names nothing": (signed(scope={}), "scope"),
    "no UUIDv7": (signed(jti="1"), "claims"),
    "no sequence": (signed(seq=None), "claims"),
    "claims that are a list": (signed(b"[]"), "form"),
    "claims that nest": (signed(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "size"),
    "claims that nest a little less": (signed(b'{"a":' + b"[" * 2500 + b"]" * 2500 + b"}"), "form"),
    "a header that nests": (headed(b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"), "form"),
    "NaN": (signed(json.dumps(claims()).replace('"seq": 1', '"seq": NaN').encode()), "form"),
    "nothing": (b"", "form"),
    "text": (b"erase everything, please", "form"),
    "bytes": (bytes(range(256)), "form"),
    "three dots": (b"...", "form"),
}


@pytest.mark.parametrize(("payload", "code"), BAD.values(), ids=BAD.keys())
async def test_what_is_no_order_is_refused_and_the_next_good_one_works(desk: Desk, payload: bytes, code: str) -> None:
    answer = await desk.take(payload)
    assert answer == Refused(code, hashlib.sha256(payload).hexdigest(), report=True)
    assert desk.told == [(code, hashlib.sha256(payload).hexdigest())]
    assert not desk.journal
    assert await desk.take(signed()) == Admitted(claims()["jti"], new=True)
    assert list(desk.journal) == [claims()["jti"]]


async def test_a_retained_order_is_refused_even_if_it_is_good(desk: Desk) -> None:
    answer = await desk.take(signed(), retained=True)
    assert isinstance(answer, Refused)
    assert answer.code == "retained"
    assert not desk.journal


async def test_the_id_alone_decides_what_is_known(desk: Desk) -> None:
    assert await desk.take(signed()) == Admitted(claims()["jti"], new=True)
    assert await desk.take(signed()) == Admitted(claims()["jti"], new=False)
    assert await desk.take(signed(seq=7)) == Admitted(claims()["jti"], new=False)


async def test_a_journal_that_cannot_write_is_not_a_refusal(desk: Desk) -> None:
    desk.broken = True
    with pytest.raises(StoreBroken):
        await desk.take(signed())
    assert not desk.told


async def test_a_flood_of_rubbish_is_counted_but_not_reported_for_ever(desk: Desk) -> None:
    for number in range(1000):
        await desk.take(b"rubbish %d" % number)
    assert len(desk.told) == REPORTS_AT_ONCE
    assert desk.desk.refusals["form"] == 1000
    desk.clock.seconds += SECONDS_PER_REPORT
    await desk.take(b"more")
    await desk.take(b"and more")
    assert len(desk.told) == REPORTS_AT_ONCE + 1
    assert await desk.take(signed()) == Admitted(claims()["jti"], new=True)
