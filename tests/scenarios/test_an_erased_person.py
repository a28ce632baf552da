"""Somebody is erased by an order: what is left on the disk, read with every key that is left, says nothing of them."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyotp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.people.register import PersonRegister
from agent.signin.credentials import Passkey
from privacy.activity import ActivityLog
from privacy.activity_hashes import HashTree
from privacy.consents import Consents
from privacy.records import Scope
from privacy.store import Erasure
from tests.agent.lived_in import PURPOSE, LivedIn, simulate
from tests.privacy.format_reader import State
from tests.privacy.format_records import opened_log
from tests.scenarios.year import Year

EMAIL, PHONE, LOGIN, PASSKEY = "ola.hansen@example.org", "+4741234567", "olanordmann", b"passkey-of-ola-0123456789"


class House:
    """A house in which Ola has done all that leaves something, and what he left."""

    def __init__(self, year: Year) -> None:
        self.year = year
        self.secrets: dict[str, bytes] = {}
        self.checkpoint = ""
        self.bystander: list[Any] = []

    @property
    def _house(self) -> LivedIn:
        return self.year.house

    async def live(self) -> None:
        house = self._house
        await self.year.settle()
        self.checkpoint = (await house.ask("kari", "GET", "/api/activity/checkpoint")).body.decode()
        ola = self.year.people["ola"]
        change = {"name": "Ola Nordmann", "email": EMAIL, "phone": PHONE}
        await house.do("ola", "PATCH", f"/api/people/{ola}", change)
        await house.present("ola")
        await house.do("ola", "PUT", "/api/ways/password", {"login": LOGIN, "new": "ganske stille elg i skogen"})
        seed = (await house.do("ola", "POST", "/api/ways/second-factor", {}))["secret"]
        code = pyotp.TOTP(seed).at(self.year.box.true)
        await house.do("ola", "POST", "/api/ways/second-factor/confirm", {"code": code})
        codes = (await house.do("ola", "POST", "/api/ways/recovery-codes", {}))["codes"]
        kept = house.storage.credentials.of(ola)
        assert kept
        passkey = Passkey(id=PASSKEY, key=b"cose", made=self.year.box.true, for_name="localhost")
        house.storage.credentials.put(kept.with_passkey(passkey))
        [consent] = [one for one in await house.get("ola", "/api/consents") if one["kind"] == "presence"]
        agreed = {"kind": "presence", "version": consent["version"], "language": "nb"}
        await house.do("ola", "POST", "/api/consents", agreed)
        await self.year.lend("ola", "grete", 30, "view_pictures")
        await self.year.lend("kari", "ola", 30, "change_settings")
        await house.do("ola", "POST", "/api/exports", {})
        await house.turn()
        picture = house.keep("front")
        for name in ("ola", "kari", "grete"):
            assert (await house.ask(name, "GET", f"/api/snapshots/{picture}/image", **{PURPOSE: "visit"})).status == 200
        self.year.planted.write(house.storage.time.now(), ola, 1)
        house.keep("front", frozenset({ola}))
        await house.turn()
        credential = house.storage.credentials.of(ola)
        assert credential
        assert credential.password
        assert credential.second == seed
        [session, *_] = [one for one in house.storage.sessions.all() if one.person == ola]
        self.secrets = {
            "id": ola.encode(),
            "name": b"Ola Nordmann",
            "e-mail": EMAIL.encode(),
            "phone": PHONE.encode(),
            "user name": LOGIN.encode(),
            "password": credential.password.encode(),
            "seed": seed.encode(),
            "passkey": base64.b64encode(PASSKEY),
            "recovery code": base64.b64encode(credential.recovery[0]),
            "session": base64.b64encode(session.secret),
        }
        assert codes
        self.bystander = [one for one in await house.activity("kari") if one["action"] == "view_pictures"]
        self.year.pass_time(minutes=1)

    async def erase(self) -> str:
        """By Ola's own order; its id."""
        ola = self.year.people["ola"]
        order = (await self._house.do("ola", "POST", "/api/erase", {"scope": {"subjects": [ola]}}))["order"]
        self.year.pass_time(seconds=1)  # what he did last, which was to order this, was before it
        await self._house.erased()
        await self._house.turn()
        return str(order)


def readable(state: Path) -> Iterator[tuple[str, bytes]]:  # noqa: C901 - a list of what there is
    """Everything that can be read of a state directory: file by file as it lies there, and opened with every key."""
    opened = State(state, every=True)
    for path in sorted(state.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(state)), path.read_bytes()
    for path in sorted(state.rglob("*.log*")):
        for entry in opened.entries:
            for payload in opened_log(path.read_bytes(), opened.cipher, entry.key, entry.kind):
                yield f"{path.relative_to(state)} by the key of {entry.kind}", payload
    for entry in opened.entries:
        yield f"the key table, {entry.kind}", repr(entry.info).encode()
    for name, note in opened.notes.items():
        yield f"the note {name}", note
    for number, line in enumerate(opened._journal()):
        yield f"journal {number}", line
    for number, order in enumerate(opened.orders()):
        yield f"order {number}", order.encode() + _part(order, 1)
    for metadata, thumbnail, image in opened.snapshots():
        yield "a picture", repr(metadata).encode() + thumbnail + image


def _part(jws: str, number: int) -> bytes:
    part = jws.split(".")[number]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def leaks(state: Path, secrets: dict[str, bytes]) -> set[str]:
    """What of the person can be read, and where."""
    return {
        f"{what} in {where}" for where, data in readable(state) for what, secret in secrets.items() if secret in data
    }


def verified(jws: str, public: dict[str, str]) -> dict[str, Any]:
    """The claims of a compact JWS (RFC 7515) that is signed with Ed25519 (RFC 9864), read by none of our code."""
    header, _, signature = jws.split(".")
    del header
    assert json.loads(_part(jws, 0))["alg"] in {"Ed25519", "EdDSA"}
    key = base64.urlsafe_b64decode(public["x"] + "=")
    signed = jws.rpartition(".")[0].encode()
    Ed25519PublicKey.from_public_bytes(key).verify(_part(f".{signature}", 1), signed)
    claims: dict[str, Any] = json.loads(_part(jws, 1))
    return claims


def grew(old: dict[str, Any], new: dict[str, Any], path: list[bytes]) -> bool:
    """Whether a log is a prefix of another (RFC 9162, 2.1.4.2), by none of our code."""

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    first, second = bytes.fromhex(old["root"]), bytes.fromhex(new["root"])
    size, now = old["size"], new["size"]
    if size == now:
        return first == second
    rest = list(path) if size & (size - 1) else [first, *path]
    fn, sn = size - 1, now - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = rest[0]
    for each in rest[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(each, fr), node(each, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, each)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and (fr, sr) == (first, second)


async def is_forgotten(house: House) -> list[str]:
    """What is wrong after the erasure of Ola: nothing."""
    year, state = house.year, house.year.state
    before = leaks(state, house.secrets)
    assert {leak.partition(" in ")[0] for leak in before} == set(house.secrets), "all of it can be found where it is"
    order = await house.erase()
    served = year.house
    wrong = sorted(leaks(state, house.secrets))
    public = json.loads((state / "receipt-public.jwk").read_bytes())
    kinds = set()
    for entry in await served.get("kari", "/api/audit"):
        if entry["order"] == order:
            claims = verified(entry["jws"], public)
            kinds.add(claims["kind"])
            assert entry["kind"] == claims["kind"]
            if claims["kind"] == "verified":
                wrong += [f"{line['store']} still has some" for line in claims["stores"] if line["left"]]
    wrong += [f"there is no receipt {kind}" for kind in {"erased", "verified"} - kinds]
    activity = await served.activity("kari")
    looks = [one for one in activity if one["action"] == "view_pictures" and not one["own"]]
    wrong += [] if len(looks) == sum(not one["own"] for one in house.bystander) else ["the log of Kari lost something"]
    wrong += [f"line {one['sequence']} is not genuine" for one in activity if not one["genuine"]]
    erased = [one for one in looks if one["actor"] == "" and one["name"] == "" and one["role"] == "resident"]
    wrong += [] if erased else ["nobody reads that an erased resident has looked"]
    old = verified(house.checkpoint, public)["log"]
    growth = await served.get("kari", f"/api/activity/growth/{old['size']}")
    new = verified(growth["checkpoint"], public)["log"]
    path = [bytes.fromhex(each) for each in growth["path"]]
    wrong += [] if new["size"] > old["size"] and grew(old, new, path) else ["the activity log does not verify"]
    return wrong


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    simulate(monkeypatch)
    year = Year(tmp_path, monkeypatch)
    async with year.boot():
        made = House(year)
        await made.live()
        yield made


async def test_whoever_is_erased_is_gone_from_the_disk(house: House) -> None:
    assert not await is_forgotten(house)
    assert (await house.year.house.ask("ola", "GET", "/api/people")).status == 401
    await house.year.house.get("kari", "/api/people")


def spared(self: Any, scope: Scope, before: Any) -> Erasure:
    return Erasure(0, 0, 0)


def unseen(self: Any, scope: Scope, before: Any, marks: Any = ()) -> Iterator[int]:
    return iter(())


def spare(store: type) -> Callable[[pytest.MonkeyPatch], None]:
    """An erasure passes a store over, and so does the scan after it, which would else tell."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(store, "erase", spared)
        patch.setattr(store, "scan", unseen)

    return patched


BROKEN: Final = {
    "the register": spare(PersonRegister),
    "the consents": spare(Consents),
    "the activity log": spare(ActivityLog),
    "the leaves": lambda patch: patch.setattr(HashTree, "leaf", lambda _self, number: bytes([number % 256] * 32)),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_spared_is_found(house: House, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    BROKEN[what](monkeypatch)
    assert await is_forgotten(house)


async def test_a_receipt_that_was_changed_does_not_verify(house: House) -> None:
    order = await house.erase()
    [entry, *_] = [one for one in await house.year.house.get("kari", "/api/audit") if one["order"] == order]
    header, claims, signature = entry["jws"].split(".")
    other = base64.urlsafe_b64encode(_part(entry["jws"], 1).replace(b"1", b"2")).rstrip(b"=").decode()
    public = json.loads((house.year.state / "receipt-public.jwk").read_bytes())
    with pytest.raises(InvalidSignature):
        verified(f"{header}.{other}.{signature}", public)
    assert claims
