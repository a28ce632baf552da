"""A certificate authority for a test."""

import itertools
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.config.model import Tls


class Authority:
    """A certificate authority for a test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._serial = itertools.count(1)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.file = folder / "ca.pem"
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._write(self.file, self._certificate(self._name, self._key, (basic, True)))

    def issue(self, name: str, *, days: int = 30) -> Tls:
        """Certificate and key for `name`; as a host it is 127.0.0.1 when its name is "broker"."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        host: x509.GeneralName = x509.IPAddress(IPv4Address("127.0.0.1")) if name == "broker" else x509.DNSName(name)
        alternative = x509.SubjectAlternativeName([host])
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        self._write(cert_file, self._certificate(subject, key, (alternative, False), days=days))
        encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key_file.write_bytes(key.private_bytes(*encoding))
        return Tls(cert_file=cert_file, key_file=key_file, ca_file=self.file)

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: tuple[x509.ExtensionType, bool],
        days: int = 30,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=next(self._serial),
            not_valid_before=now - timedelta(days=60),
            not_valid_after=now + timedelta(days=days),
        )
        return builder.add_extension(extension[0], critical=extension[1]).sign(self._key, hashes.SHA256())

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
