"""Certificates of an endpoint, made when it starts and kept in a folder of its own: an authority, one for each host, one for a client.

Each endpoint makes them. They are good for a day and for nothing but the emulated hosts.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=1)
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs what an endpoint needs. All keys lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Emulated hosts")])
        self._now = datetime.now(UTC)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
        signed = self._sign(builder.add_extension(usage, critical=True))
        self.file = folder / "ca.pem"
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def host(self, name: str, address: str) -> tuple[Pair, bytes]:
        """For a host's HTTPS listener, and what names its channel (RFC 5929, tls-server-end-point)."""
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address(address))])
        pair, signed = self._issue(name, [names, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])])
        digest = hashlib.sha256(signed.public_bytes(serialization.Encoding.DER)).digest()
        return pair, b"tls-server-end-point:" + digest

    def client(self, user: str) -> tuple[Pair, bytes]:
        """For a user to sign in with, and the certificate itself: the service maps it to the user by that."""
        upn = x509.OtherName(UPN, b"\x0c" + bytes([len(user.encode()) + 10]) + f"{user}@localhost".encode())
        names = x509.SubjectAlternativeName([upn])
        pair, signed = self._issue(f"client {user}", [names, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])])
        return pair, signed.public_bytes(serialization.Encoding.DER)

    def context(self, pair: Pair) -> ssl.SSLContext:
        """A server's context; a client may show a certificate of ours. TLS 1.2 and later."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pair.certificate, pair.key)
        context.load_verify_locations(self.file)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _issue(self, name: str, extensions: list[x509.ExtensionType]) -> tuple[Pair, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:60])]), key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        signed = self._sign(builder)
        stem = name.replace(" ", "-")
        pair = Pair(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return pair, signed

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number(), self._now - timedelta(hours=1), self._now + LIFE)
        ours = self._key.public_key()
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, hashes.SHA256())
