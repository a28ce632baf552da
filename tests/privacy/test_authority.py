"""The gateway's authority and its leaf: what is in them, what lies on the disk, and when they are renewed."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.authority import LEAF_LIFE, SLOW_PHONE, Authority, Leaf
from privacy.certificates import key_from_bytes, key_to_bytes
from privacy.errors import StoreBroken
from privacy.files import sweep
from privacy.moment import EARLIEST, Moment, Witness
from privacy.seal import Keys
from tests.privacy.simulated_box import Box

HOST = "gateway-00c0ffee.local"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Hands:
    """A clock whose every word is set by hand."""

    def __init__(self) -> None:
        self.known = True
        self.at = self.wall = NOW

    def now(self) -> datetime:
        return self.at

    def moment(self) -> Moment:
        return Moment(bytes(16), 0.0, 0.0, self.wall, self.known, None)

    def unknown(self, at: datetime, wall: datetime | None = None) -> None:
        self.known, self.at, self.wall = False, at, wall or at

    def told(self, at: datetime) -> None:
        self.known, self.at, self.wall = True, at, at


@pytest.fixture
def time() -> Hands:
    return Hands()


Open = Callable[..., Authority]


@pytest.fixture
def opened(tmp_path: Path, time: Hands) -> Open:
    """Opens what lies there, as each start does."""
    keys = Keys(bytes(range(32)))

    def open_(host: str = HOST) -> Authority:
        return Authority.open_or_create(
            tmp_path / "authority", keys.seal("authority"), draw=lambda: host, time=time, random_bytes=os.urandom
        )

    return open_


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> tuple[bool, x509.ExtensionType]:
    found = certificate.extensions.get_extension_for_class(kind)
    return found.critical, found.value


def certificate_of(authority: Authority) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority.certificate)


def test_the_authority_can_vouch_for_its_one_name_and_for_nothing_else(opened: Open) -> None:
    made = certificate_of(opened())
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert made.version is x509.Version.v3
    assert 64 < made.serial_number.bit_length() <= 159
    assert extension(made, x509.BasicConstraints) == (True, x509.BasicConstraints(ca=True, path_length=0))
    critical, constraints = extension(made, x509.NameConstraints)
    assert critical
    assert isinstance(constraints, x509.NameConstraints)
    assert constraints.permitted_subtrees == [x509.DNSName(HOST)]
    excluded = {one.value for one in constraints.excluded_subtrees or ()}
    assert excluded == {IPv4Network("0.0.0.0/0"), IPv6Network("::/0")}
    critical, usage = extension(made, x509.KeyUsage)
    assert critical
    assert isinstance(usage, x509.KeyUsage)
    assert usage.key_cert_sign
    assert not usage.digital_signature
    assert made.issuer == made.subject
    made.verify_directly_issued_by(made)
    assert made.not_valid_before_utc == EARLIEST
    assert timedelta(days=20 * 365) < made.not_valid_after_utc - NOW < timedelta(days=20 * 365 + 7)


def test_the_leaf_is_a_server_of_that_name_for_at_most_397_days(opened: Open) -> None:
    authority = opened()
    leaf = authority.leaf.certificate
    leaf.verify_directly_issued_by(certificate_of(authority))
    assert extension(leaf, x509.BasicConstraints) == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert extension(leaf, x509.SubjectAlternativeName)[1] == x509.SubjectAlternativeName([x509.DNSName(HOST)])
    assert extension(leaf, x509.ExtendedKeyUsage)[1] == x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signer = extension(certificate_of(authority), x509.SubjectKeyIdentifier)[1]
    said = extension(leaf, x509.AuthorityKeyIdentifier)[1]
    assert isinstance(said, x509.AuthorityKeyIdentifier)
    assert isinstance(signer, x509.SubjectKeyIdentifier)
    assert said.key_identifier == signer.digest
    # Both ends count.
    assert authority.leaf.ends - authority.leaf.begins + timedelta(seconds=1) == LEAF_LIFE <= timedelta(days=397)
    assert authority.leaf.begins == NOW - SLOW_PHONE


def test_a_restart_finds_all_of_it_and_a_second_gateway_has_nothing_in_common(opened: Open, tmp_path: Path) -> None:
    first = opened()
    again = opened("gateway-ffffffff.local")
    assert (again.host, again.certificate, again.fingerprint) == (first.host, first.certificate, first.fingerprint)
    assert again.leaf.certificate == first.leaf.certificate
    (tmp_path / "authority").unlink()
    other = opened()
    assert other.fingerprint != first.fingerprint
    assert len(other.fingerprint.split(":")) == 32


def test_no_key_lies_on_the_disk_in_the_clear(opened: Open, tmp_path: Path) -> None:
    authority = opened()
    lies = b"".join(path.read_bytes() for path in tmp_path.rglob("*"))
    for key in (authority.leaf.key, authority._issuer.key):
        secret = key.private_numbers().private_value.to_bytes(32, "big")
        assert secret in key_to_bytes(key)
        assert secret not in lies
    assert HOST.encode() not in lies
    assert (tmp_path / "authority").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(authority.leaf)
    assert repr(authority.leaf.key) not in repr(authority.leaf)


def test_the_pem_for_the_listener_holds_the_leaf_alone_and_its_key_encrypted(opened: Open) -> None:
    pem = opened().leaf.pem(b"password")
    assert pem.count(b"BEGIN CERTIFICATE") == 1
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in pem


def test_a_write_that_was_cut_is_swept_away(opened: Open, tmp_path: Path) -> None:
    first = opened()
    (tmp_path / "authority.new").write_bytes(b"half")
    assert sweep(tmp_path) == 1
    assert opened().fingerprint == first.fingerprint


@pytest.mark.parametrize("damage", [lambda d: d[:5], lambda d: d[:-1] + bytes((d[-1] ^ 1,)), lambda d: d + d])
def test_what_does_not_open_is_said_and_left_alone(
    opened: Open, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    opened()
    path = tmp_path / "authority"
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StoreBroken, match="authority does not open"):
        opened()
    assert path.read_bytes() == before


@given(plain=st.binary(max_size=200))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_opens_and_is_no_record_is_said_too(opened: Open, tmp_path: Path, plain: bytes) -> None:
    seal = Keys(bytes(range(32))).seal("authority")
    (tmp_path / "authority").write_bytes(seal.close(plain, b"authority"))
    with pytest.raises(StoreBroken):
        opened()


def test_a_key_of_another_kind_is_none() -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(ValueError, match="elliptic"):
        key_from_bytes(other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_the_authority_stays(opened: Open, time: Hands) -> None:
    authority = opened()
    first, fingerprint = authority.leaf, authority.fingerprint
    time.told(first.begins + LEAF_LIFE * 2 / 3 - timedelta(seconds=2))
    assert not authority.renew()
    assert authority.leaf is first
    time.told(first.begins + LEAF_LIFE * 2 / 3)
    assert authority.renew()
    assert authority.leaf.begins == time.at - SLOW_PHONE
    assert authority.leaf.key is not first.key
    assert authority.fingerprint == fingerprint
    assert opened().leaf.certificate == authority.leaf.certificate
    assert not authority.renew()


def test_another_name_is_another_authority_that_nobody_was_handed(opened: Open, time: Hands) -> None:
    authority = opened()
    before = authority.fingerprint
    authority.hand_out()
    authority.hand_out()
    assert opened().handed
    authority.reset("gateway-0000beef.local")
    assert authority.host == "gateway-0000beef.local"
    assert authority.fingerprint != before
    assert not authority.handed
    again = opened()
    assert (again.host, again.handed, again.fingerprint) == (authority.host, False, authority.fingerprint)
    assert extension(again.leaf.certificate, x509.SubjectAlternativeName)[1] == x509.SubjectAlternativeName(
        [x509.DNSName("gateway-0000beef.local")]
    )


def test_after_twenty_years_there_is_another_authority(opened: Open, time: Hands) -> None:
    authority = opened()
    before = certificate_of(authority)
    time.told(before.not_valid_after_utc - DAY)
    authority.renew()
    assert authority.leaf.ends == before.not_valid_after_utc
    time.told(before.not_valid_after_utc)
    assert authority.renew()
    assert certificate_of(authority).not_valid_after_utc > time.at + 20 * 365 * DAY
    assert authority.leaf.begins <= time.at < authority.leaf.ends


def test_what_cannot_be_written_is_shown_and_an_authority_is_not(opened: Open, time: Hands, tmp_path: Path) -> None:
    authority = opened()
    old = authority.leaf
    (tmp_path / "authority.new").mkdir()  # nothing can be written
    time.told(NOW + 300 * DAY)
    with pytest.raises(StoreBroken):
        authority.renew()
    assert authority.leaf.begins == time.at - SLOW_PHONE
    assert authority.leaf is not old
    again = opened()  # the start after that does as well, and does not fail
    assert again.leaf.begins <= time.at < again.leaf.ends
    fingerprint = authority.fingerprint
    with pytest.raises(StoreBroken):
        authority.reset("gateway-0000beef.local")
    with pytest.raises(StoreBroken):
        authority.hand_out()
    assert (authority.fingerprint, authority.host, authority.handed) == (fingerprint, HOST, False)


# ------------------------------------------------------------------------------------------ a box that may not know


def test_first_start_in_1970_shows_a_stand_in_and_the_true_time_replaces_it(opened: Open, time: Hands) -> None:
    time.unknown(EARLIEST, datetime(1970, 1, 1, tzinfo=UTC))
    authority = opened()
    fingerprint = authority.fingerprint
    assert authority.leaf.begins <= EARLIEST < authority.leaf.ends
    assert certificate_of(authority).not_valid_before_utc == EARLIEST
    assert opened().leaf.certificate != authority.leaf.certificate  # of memory alone
    # The network says it is 2026, and nobody vouches for that yet.
    time.unknown(NOW)
    assert authority.renew()
    assert authority.leaf.begins <= NOW < authority.leaf.ends
    assert not authority.renew()
    # Now somebody does.
    time.told(NOW + timedelta(minutes=1))
    assert authority.renew()
    assert opened().leaf.certificate == authority.leaf.certificate
    assert authority.fingerprint == fingerprint
    assert certificate_of(authority).not_valid_before_utc <= NOW < certificate_of(authority).not_valid_after_utc


@pytest.mark.parametrize(
    "wall", [datetime(1970, 1, 1, tzinfo=UTC), EARLIEST, NOW - DAY, NOW + DAY, NOW + timedelta(days=300)]
)
def test_an_unbelieved_clock_never_renews(opened: Open, time: Hands, wall: datetime, tmp_path: Path) -> None:
    leaf = opened().leaf
    lies = (tmp_path / "authority").read_bytes()
    time.unknown(max(wall, EARLIEST), wall)
    authority = opened()
    assert not authority.renew()
    assert authority.leaf.certificate == leaf.certificate
    assert (tmp_path / "authority").read_bytes() == lies


def test_a_lie_about_the_future_spoils_nothing_that_is_stored(opened: Open, time: Hands, tmp_path: Path) -> None:
    authority = opened()
    leaf, lies = authority.leaf, (tmp_path / "authority").read_bytes()
    time.unknown(NOW, datetime(2105, 1, 1, tzinfo=UTC))
    assert authority.renew()
    assert authority.leaf is not leaf
    assert authority.leaf.ends == certificate_of(authority).not_valid_after_utc
    assert (tmp_path / "authority").read_bytes() == lies
    time.unknown(NOW)
    assert authority.renew()
    assert authority.leaf is leaf
    time.unknown(NOW, datetime(2105, 1, 1, tzinfo=UTC))
    authority.renew()
    time.told(NOW)
    assert authority.renew()
    assert authority.leaf is leaf


def test_a_leaf_from_a_time_that_was_wrong_goes_when_the_right_one_is_known(opened: Open, time: Hands) -> None:
    authority = opened()
    time.told(NOW - 100 * DAY)  # a witness was wrong, and is corrected
    assert authority.renew()
    assert authority.leaf.begins == time.at - SLOW_PHONE


def test_a_life_in_a_cabin(tmp_path: Path) -> None:
    """Fourteen months without power, a clock that stood still: by the keeper of time itself."""
    box = Box()
    keys = Keys(bytes(32))

    def opened() -> Authority:
        return Authority.open_or_create(
            tmp_path / "authority", keys.seal("authority"), draw=lambda: HOST, time=box.keeper, random_bytes=os.urandom
        )

    def phone_trusts(authority: Authority) -> bool:
        made = certificate_of(authority)
        leaf: Leaf = authority.leaf
        return made.not_valid_before_utc <= box.true <= made.not_valid_after_utc and leaf.begins <= box.true < leaf.ends

    assert not box.keeper.known
    assert phone_trusts(opened())
    assert box.keeper.witness(box.true, Witness.PERSON)
    authority = opened()
    authority.renew()
    assert phone_trusts(authority)
    first = authority.leaf.certificate

    box.off(30 * DAY)
    box.wrong = datetime(1970, 1, 1, tzinfo=UTC) - box.true  # no battery
    box.start()
    assert not box.keeper.known
    assert opened().leaf.certificate == first
    assert phone_trusts(opened())

    box.off(420 * DAY)
    box.wrong, box.synchronised = timedelta(), True  # the network's time, which jumps too far to be believed
    box.start()
    assert not box.keeper.known
    authority = opened()
    assert authority.leaf.certificate != first
    assert phone_trusts(authority)  # so the person can come and confirm it
    assert box.keeper.witness(box.true, Witness.PERSON)
    assert authority.renew()
    assert phone_trusts(authority)
    assert opened().leaf.certificate == authority.leaf.certificate
