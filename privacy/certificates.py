"""The certificates by which phones know this gateway: an authority of its own, and the leaf that it signs (RFC 5280).

ECDSA on P-256: of what our library makes, all phones and browsers accept this.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey

_ALL_ADDRESSES = tuple(x509.IPAddress(ip_network(network)) for network in ("0.0.0.0/0", "::/0"))


def new_key() -> PrivateKey:
    """A key, by the system's own randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_bytes(key: PrivateKey) -> bytes:
    """PKCS #8, DER, in the clear: to be sealed, and for nowhere else."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def key_to_pem(key: PrivateKey, password: bytes) -> bytes:
    """PKCS #8, PEM, encrypted under `password`."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def key_from_bytes(data: bytes) -> PrivateKey:
    """What `key_to_bytes` made.

    Raises:
        ValueError: it is none.
    """
    key = load_der_private_key(data, None)
    if not isinstance(key, PrivateKey):
        raise ValueError("not an elliptic-curve key")  # noqa: TRY004 - whoever reads bytes expects a ValueError
    return key


def certificate_from_bytes(data: bytes) -> x509.Certificate:
    """A certificate from DER.

    Raises:
        ValueError: it is none.
    """
    return x509.load_der_x509_certificate(data)


def make_authority(key: PrivateKey, host: str, begins: datetime, ends: datetime, serial: int) -> x509.Certificate:
    """An authority that can vouch for `host` and for nothing else.

    Whoever steals its key can be this gateway, which they could before, and no bank. So it may sign no other authority
    (pathlen 0), no other DNS name (name constraints, section 4.2.1.10; of names below `host` there are none), no
    address, and nothing but servers.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Portvakt {host}")])
    constraints = x509.NameConstraints(permitted_subtrees=[x509.DNSName(host)], excluded_subtrees=_ALL_ADDRESSES)
    return (
        _builder(key, name, name, begins, ends, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )


def make_leaf(  # noqa: PLR0913, PLR0917 - each is a field of the certificate
    authority: x509.Certificate,
    authority_key: PrivateKey,
    key: PrivateKey,
    hosts: Sequence[str],
    begins: datetime,
    ends: datetime,
    serial: int,
) -> x509.Certificate:
    """A server's certificate for `hosts`. That the authority may vouch for them is for whoever connects to judge."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    signer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(key, name, authority.subject, begins, ends, serial)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .sign(authority_key, SHA256())
    )


def _builder(  # noqa: PLR0913, PLR0917 - likewise
    key: PrivateKey, subject: x509.Name, issuer: x509.Name, begins: datetime, ends: datetime, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
