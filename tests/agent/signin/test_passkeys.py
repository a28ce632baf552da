"""Passkeys, with an authenticator in software on the other side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cbor2
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import Refused
from agent.signin import passkeys
from agent.signin.ceremonies import LIVES, Ceremonies, Ceremony, Site
from agent.signin.credentials import Credential, Passkey
from agent.signin.passkeys import MOST, Passkeys, id_of
from tests.agent.signin.authenticator import (
    BACKED_UP,
    EDDSA,
    ELIGIBLE,
    ES256,
    PRESENT,
    RS256,
    VERIFIED,
    Authenticator,
    Json,
    cose,
    decoded,
    encoded,
    new_key,
)

SITE = Site("portvakt.local", "https://portvakt.local")


@dataclass
class Gate:
    """Passkeys, Kari who has them, and the clock."""

    clock: Any

    def __post_init__(self) -> None:
        drawn = iter(range(1, 1_000_000))
        self.ceremonies = Ceremonies(self.clock, lambda length: next(drawn).to_bytes(length, "big"))
        self.passkeys = Passkeys(self.ceremonies)
        self.kari = Credential(person="kari", at=self.clock.now())

    def register(self, device: Authenticator, site: Site = SITE, **wrong: Any) -> Passkey:
        ceremony, options = self.passkeys.registration(site, "kari", "Kari", self.kari.passkeys)
        return self.registered(ceremony, device.create(options, **wrong), site)

    def registered(self, ceremony: Ceremony, answer: Json, site: Site = SITE, person: str = "kari") -> Passkey:
        new = self.passkeys.registered(ceremony.id, answer, site=site, person=person, name="phone", at=self.clock.now())
        self.kari = self.kari.with_passkey(new)
        return new

    def sign_in(self, device: Authenticator, **wrong: Any) -> int:
        ceremony, options = self.passkeys.question(SITE)
        return self.answered(ceremony, device.get(options, **wrong))

    def answered(self, ceremony: Ceremony, answer: Json, **others: Any) -> int:
        """Kari's passkey, if the answer says that it is one of hers."""
        known = self.kari.passkey(id_of(answer))
        found = others.pop("found", (self.kari, known) if known else None)
        count = self.passkeys.answered(ceremony.id, answer, site=others.pop("site", SITE), found=found, **others)
        self.kari = passkeys.used(self.kari, id_of(answer), count, self.clock.now())
        passkeys.require_sound(self.kari, id_of(answer))
        return count


@pytest.fixture
def gate(clock: Any) -> Gate:
    return Gate(clock)


def refused(code: str, call: Callable[..., object], *args: Any, **others: Any) -> None:
    with pytest.raises(Refused) as refusal:
        call(*args, **others)
    assert refusal.value.code == code


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_a_passkey_is_made_and_signs_in(gate: Gate, algorithm: int) -> None:
    device = Authenticator(algorithm=algorithm)
    made = gate.register(device)
    assert (made.id, made.for_name, made.name, made.used) == (device.id, "portvakt.local", "phone", None)
    assert cbor2.loads(made.key) == cose(algorithm, device.key)
    gate.clock.move(seconds=5)
    assert gate.sign_in(device) == 0
    assert gate.kari.passkeys[0].used == gate.clock.now()
    assert gate.sign_in(device) == 0, "again, with another question"


def test_one_that_vouches_for_itself_is_taken(gate: Gate) -> None:
    # A browser leaves a self attestation as it is, also where none was asked for (section 5.4.7).
    gate.register(device := Authenticator(fmt="packed", algorithm=EDDSA))
    assert gate.sign_in(device) == 0


def test_a_passkey_that_is_synchronised_is_taken(gate: Gate) -> None:
    gate.register(device := Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP))
    assert gate.sign_in(device) == 0


def test_what_a_browser_is_asked_for_a_new_one(gate: Gate) -> None:
    made = gate.register(Authenticator())
    gate.kari = gate.kari.with_passkey(msgspec.structs.replace(made, id=b"elsewhere", for_name="localhost"))
    _, options = gate.passkeys.registration(SITE, "kari", "Kari N", gate.kari.passkeys)
    assert options["rp"] == {"name": "Portvakt", "id": "portvakt.local"}
    assert options["user"] == {"id": encoded(b"kari"), "name": "Kari N", "displayName": "Kari N"}
    assert len(decoded(options["challenge"])) == 32
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [EDDSA, ES256, RS256]
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert options["timeout"] == LIVES * 1000
    assert [one["id"] for one in options["excludeCredentials"]] == [encoded(made.id)], "of this site alone"
    assert gate.passkeys.registration(SITE, "kari", "")[1]["user"]["name"] == "kari"


def test_what_a_browser_is_asked_to_sign_in(gate: Gate) -> None:
    made = gate.register(Authenticator())
    _, options = gate.passkeys.question(SITE)
    assert (options["rpId"], options["userVerification"]) == ("portvakt.local", "required")
    assert options["allowCredentials"] == [], "nobody learns who has passkeys here"
    _, options = gate.passkeys.question(SITE, gate.kari)
    assert [one["id"] for one in options["allowCredentials"]] == [encoded(made.id)]


def test_nobody_has_too_many(gate: Gate) -> None:
    many = [Passkey(id=bytes((n,)), made=gate.clock.now(), for_name="x") for n in range(MOST)]
    refused("too_many", gate.passkeys.registration, SITE, "kari", "Kari", many)


WRONG_EITHER_WAY = [
    {"origin": "https://evil.example"},
    {"origin": "http://portvakt.local"},
    {"origin": "https://portvakt.local:444"},
    {"rp_id": "evil.example"},
    {"flags": PRESENT},
    {"flags": VERIFIED},
    {"flags": PRESENT | VERIFIED | BACKED_UP},
    {"cross_origin": True},
]
MEMBERS: list[Json] = [
    {"id": "AAAA"},
    {"id": None},
    {"rawId": "AAAA"},
    {"rawId": 5},
    {"type": "password"},
    {"type": ["public-key"]},
    {"response": None},
    {"response": {}},
    {"clientDataJSON": "!"},
    {"clientDataJSON": encoded(b"[]")},
    {"clientDataJSON": encoded(b"[" * 100_000)},
    {"clientDataJSON": encoded(b'{"type":"webauthn.get","challenge":1,"origin":[]}')},
    {"clientDataJSON": encoded(b'{"type":{},"challenge":"AA","origin":"https://portvakt.local"}')},
    {"authenticatorAttachment": "glued"},
]


@pytest.mark.parametrize("wrong", WRONG_EITHER_WAY)
def test_a_new_one_from_elsewhere_or_from_nobody_is_refused(gate: Gate, wrong: Json) -> None:
    refused("wrong_passkey", gate.register, Authenticator(**wrong))


@pytest.mark.parametrize("wrong", WRONG_EITHER_WAY)
def test_an_answer_from_elsewhere_or_from_nobody_is_refused(gate: Gate, wrong: Json) -> None:
    gate.register(device := Authenticator())
    for name, value in wrong.items():
        setattr(device, name, value)
    refused("wrong_passkey", gate.sign_in, device)


@pytest.mark.parametrize("wrong", [*MEMBERS, {"attestationObject": 7}, {"attestationObject": "AAAA"}])
def test_a_new_one_that_cannot_be_read_is_refused(gate: Gate, wrong: Json) -> None:
    refused("wrong_passkey", gate.register, Authenticator(), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        *MEMBERS,
        {"authenticatorData": "AAAA"},
        {"authenticatorData": None},
        {"signature": encoded(b"\x30\x00")},
        {"signature": 5},
        {"userHandle": encoded(b"ola")},
        {"userHandle": ""},
        {"userHandle": None},
        {"userHandle": 5},
        {"userHandle": "A"},
    ],
)
def test_an_answer_that_cannot_be_read_or_is_somebody_elses_is_refused(gate: Gate, wrong: Json) -> None:
    gate.register(device := Authenticator())
    refused("wrong_passkey", gate.sign_in, device, **wrong)


E256 = new_key(ES256)


@pytest.mark.parametrize(
    "public",
    [
        4,  # the library takes it for the head of an old U2F key
        {},
        [],
        {1: 2, 3: ES256, -1: 1, -2: b"x" * 32, -3: b"y" * 32},  # not on the curve
        {1: 2, 3: ES256, -1: 2, -2: b"x" * 48, -3: b"y" * 48},
        {1: 2, 3: -36, -1: 1, -2: b"x" * 32, -3: b"y" * 32},
        {1: 2, 3: ES256, -1: 1, -2: 5, -3: "y"},
        {1: 1, 3: EDDSA, -1: 6, -2: b"short"},
        {1: 1, 3: EDDSA, -1: 4, -2: b"x" * 32},
        {1: 3, 3: RS256, -1: b"\xff" * 128, -2: b"\x01\x00\x01"},
        {1: 3, 3: RS256, -1: b"\xff" * 256, -2: b"\x03"},
        {1: 3, 3: EDDSA, -1: b"\xff" * 256, -2: b"\x01\x00\x01"},
        {1: 7, 3: -48, -1: b"x"},
        {1: [], 3: {}},
    ],
)
def test_a_key_that_nothing_could_be_checked_with_is_refused(gate: Gate, public: Any) -> None:
    refused("wrong_passkey", gate.register, Authenticator(public=public))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fmt": "fido-u2f"},
        {"fmt": "tpm"},
        {"fmt": 5},
        {"fmt": []},
        {"fmt": "none", "statement": {"sig": b"x"}},
        {"fmt": "packed", "statement": {"x5c": [b"a certificate"]}},
    ],
)
def test_nobody_elses_word_for_an_authenticator_is_read(gate: Gate, wrong: Json) -> None:
    refused("wrong_passkey", gate.register, Authenticator(**wrong))


def test_a_makers_certificate_is_refused_although_it_is_right(gate: Gate) -> None:
    device = Authenticator(fmt="packed")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a maker")])
    made = x509.CertificateBuilder(name, name, device.key.public_key(), 1, gate.clock.now(), gate.clock.now())
    device.statement["x5c"] = [made.sign(device.key, SHA256()).public_bytes(Encoding.DER)]
    refused("wrong_passkey", gate.register, device)


def test_an_id_that_is_too_long_or_another_is_refused(gate: Gate) -> None:
    device = Authenticator()
    device.id = bytes(1024)
    refused("wrong_passkey", gate.register, device)
    other = encoded(bytes(16))
    refused("wrong_passkey", gate.register, Authenticator(), id=other, rawId=other)


def test_an_answer_is_taken_once(gate: Gate) -> None:
    gate.register(device := Authenticator())
    ceremony, options = gate.passkeys.question(SITE)
    answer = device.get(options)
    assert gate.answered(ceremony, answer) == 0
    refused("unknown_ceremony", gate.answered, ceremony, answer)
    refused("unknown_ceremony", gate.answered, ceremony, device.get(options))


def test_a_new_one_is_taken_once(gate: Gate) -> None:
    ceremony, options = gate.passkeys.registration(SITE, "kari", "Kari")
    answer = Authenticator().create(options)
    gate.registered(ceremony, answer)
    refused("unknown_ceremony", gate.registered, ceremony, answer)


def test_a_wrong_answer_does_not_use_up_the_question(gate: Gate) -> None:
    # Else whoever reads an id off the wire could spoil it.
    gate.register(device := Authenticator())
    ceremony, options = gate.passkeys.question(SITE)
    refused("wrong_passkey", gate.answered, ceremony, device.get(options, signature=encoded(bytes(70))))
    assert gate.answered(ceremony, device.get(options)) == 0


def test_the_answer_to_another_question_is_refused(gate: Gate) -> None:
    gate.register(device := Authenticator())
    first, options = gate.passkeys.question(SITE)
    second, _ = gate.passkeys.question(SITE)
    refused("wrong_passkey", gate.answered, second, device.get(options))
    presence, of_presence = gate.passkeys.question(SITE, gate.kari)
    refused("wrong_passkey", gate.answered, presence, device.get(of_presence))
    refused("wrong_passkey", gate.answered, first, device.get(options), person="kari")
    new, of_new = gate.passkeys.registration(SITE, "kari", "Kari")
    refused("wrong_passkey", gate.answered, new, device.get(of_new))
    refused(
        "wrong_passkey", gate.registered, first, Authenticator().create({**of_new, "challenge": options["challenge"]})
    )
    refused("wrong_passkey", gate.registered, new, Authenticator().create(of_new), person="ola")
    refused("wrong_passkey", gate.registered, new, device.get(of_new))
    elsewhere = Site("localhost", "http://localhost:8080")
    refused("wrong_passkey", gate.answered, first, device.get(options), site=elsewhere)


def test_a_question_is_asked_for_five_minutes(gate: Gate) -> None:
    gate.register(device := Authenticator())
    ceremony, options = gate.passkeys.question(SITE)
    gate.clock.move(seconds=LIVES)
    refused("unknown_ceremony", gate.answered, ceremony, device.get(options))


def test_a_fresh_proof_is_the_same_persons(gate: Gate) -> None:
    gate.register(device := Authenticator())
    ceremony, options = gate.passkeys.question(SITE, gate.kari)
    device.handle = None  # an authenticator need not say whose it is, where the page has said so
    assert gate.answered(ceremony, device.get(options), person="kari") == 0
    ceremony, options = gate.passkeys.question(SITE, Credential(person="ola", at=gate.clock.now()))
    refused("wrong_passkey", gate.answered, ceremony, device.get(options), person="ola")


def test_an_unknown_passkey_is_refused_as_a_wrong_one(gate: Gate) -> None:
    gate.register(Authenticator())
    stranger = Authenticator()
    stranger.handle = b"kari"
    refused("wrong_passkey", gate.sign_in, stranger)
    ceremony, options = gate.passkeys.question(SITE)
    known = gate.kari.passkeys[0]
    refused("wrong_passkey", gate.answered, ceremony, stranger.get(options), found=(gate.kari, known))


def test_an_answer_under_another_id_is_refused(gate: Gate) -> None:
    # The signature does not cover the id: what was looked up by it has to be what answers.
    known = gate.register(device := Authenticator())
    ceremony, options = gate.passkeys.question(SITE)
    other = encoded(bytes(16))
    answer = device.get(options, id=other, rawId=other)
    found = (gate.kari, known)
    refused("wrong_passkey", gate.passkeys.answered, ceremony.id, answer, site=SITE, found=found)


def test_a_passkey_of_another_name_does_not_sign_in_here(gate: Gate) -> None:
    made = gate.register(device := Authenticator())
    gate.kari = gate.kari.with_passkey(msgspec.structs.replace(made, for_name="localhost"))
    refused("wrong_passkey", gate.sign_in, device)


def test_a_copy_is_found_out_and_the_passkey_taken_no_more(gate: Gate) -> None:
    gate.register(device := Authenticator(counts=True, count=7))
    assert gate.sign_in(device) == 8
    copied_at = device.count
    assert gate.sign_in(device) == 9
    device.count = copied_at
    refused("cloned_passkey", gate.sign_in, device)
    assert gate.kari.passkeys[0].broken
    assert not gate.kari.has_way
    device.count = 100
    refused("cloned_passkey", gate.sign_in, device)


@pytest.mark.parametrize(("kept", "shown", "broken"), [(0, 0, False), (0, 1, False), (5, 0, True), (5, 5, True)])
def test_what_a_counter_says(gate: Gate, kept: int, shown: int, *, broken: bool) -> None:
    made = Passkey(id=b"1", made=gate.clock.now(), for_name="x", count=kept)
    after = passkeys.used(gate.kari.with_passkey(made), b"1", shown, gate.clock.now()).passkeys[0]
    assert after.broken is broken
    assert after.count == (kept if broken else shown)


def test_what_is_broken_stays_broken(gate: Gate) -> None:
    made = Passkey(id=b"1", made=gate.clock.now(), for_name="x", count=5, broken=True)
    assert passkeys.used(gate.kari.with_passkey(made), b"1", 6, gate.clock.now()).passkeys == (made,)


def test_nobody_can_have_a_passkey_seem_to_be_copied(gate: Gate) -> None:
    # Only who holds the key gets as far as the counter.
    made = gate.register(Authenticator(counts=True, count=7))
    forger = Authenticator()
    forger.id, forger.handle = made.id, b"kari"
    refused("wrong_passkey", gate.sign_in, forger)
    assert not gate.kari.passkeys[0].broken


def test_one_that_is_removed_meanwhile_is_taken_no_more(gate: Gate) -> None:
    refused("wrong_passkey", passkeys.used, gate.kari, b"gone", 0, gate.clock.now())
    refused("cloned_passkey", passkeys.require_sound, gate.kari, b"gone")


def test_no_refusal_repeats_what_came(gate: Gate) -> None:
    with pytest.raises(Refused) as refusal:
        gate.register(Authenticator(origin="https://canary.example"))
    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("answer", "expected"), [({}, b""), ({"rawId": 5}, b""), ({"rawId": "A"}, b""), ({"rawId": "AAAA"}, bytes(3))]
)
def test_whose_an_answer_says_it_is(answer: Json, expected: bytes) -> None:
    assert id_of(answer) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 300) | st.binary(max_size=40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.integers(-4, 4) | st.sampled_from(["fmt", "attStmt", "authData", "alg"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(cut=st.integers(0, 400), data=st.binary(max_size=30), where=st.integers(0, 400))
def test_a_damaged_new_one_is_refused_or_the_same(gate: Gate, cut: int, data: bytes, where: int) -> None:
    ceremony, options = gate.passkeys.registration(SITE, "kari", "Kari")
    device = Authenticator(algorithm=EDDSA)
    answer = device.create(options)
    whole = decoded(answer["response"]["attestationObject"])
    for damaged in (whole[:cut], whole[:where] + data + whole[where + len(data) :], data):
        answer["response"]["attestationObject"] = encoded(damaged)
        _judge(gate, ceremony, answer)


@FUZZ
@given(attestation=CBOR, key=CBOR, pad=st.binary(max_size=4))
def test_cbor_of_any_shape_is_refused_or_a_key(gate: Gate, attestation: Any, key: Any, pad: bytes) -> None:
    ceremony, options = gate.passkeys.registration(SITE, "kari", "Kari")
    answer = Authenticator(public=key, algorithm=EDDSA).create(options)
    _judge(gate, ceremony, answer)
    answer["response"]["attestationObject"] = encoded(cbor2.dumps(attestation) + pad)
    _judge(gate, ceremony, answer)


@FUZZ
@given(
    name=st.sampled_from(
        ["id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature", "userHandle"]
    ),
    value=JSON,
    client=JSON,
)
def test_json_of_any_shape_is_refused_or_right(gate: Gate, name: str, value: Any, client: Any) -> None:
    gate.kari = Credential(person="kari", at=gate.clock.now())
    gate.register(device := Authenticator(algorithm=EDDSA))
    ceremony, options = gate.passkeys.question(SITE)
    odd = encoded(msgspec.json.encode(client))
    for answer in (device.get(options, **{name: value}), device.get(options, clientDataJSON=odd)):
        known = gate.kari.passkeys[-1]
        try:
            gate.answered(ceremony, answer, found=(gate.kari, known))
        except Refused as refusal:
            assert refusal.code in {"wrong_passkey", "unknown_ceremony"}  # noqa: PT017 - it may also be right
    _judge(gate, ceremony, value if isinstance(value, dict) else {"response": value})


def _judge(gate: Gate, ceremony: Ceremony, answer: Json) -> None:
    """Whatever comes: a passkey whose key can be used, or one refusal."""
    try:
        gate.registered(ceremony, answer)
    except Refused as refusal:
        assert refusal.code in {"wrong_passkey", "unknown_ceremony"}  # noqa: PT017 - it may also be right
