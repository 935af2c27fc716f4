"""`connection:` of a host: what is understood, what is refused before anything is sent, and what is logged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.core.calls import Secret
from reconciler.core.resources import Connection, Host
from reconciler.hosts.winrm.adapter import context_of
from reconciler.hosts.winrm.errors import BadConnection
from reconciler.hosts.winrm.way import Way, warn, way_to

SIGNED: dict[str, Any] = {"username": "svc", "password": Secret("env", "PW")}


def way(port: int | None = None, **options: Any) -> Way:
    return way_to(Host("edge-01", "10.0.0.5", connection=Connection("winrm", port, options)))


def test_what_is_left_out_is_the_safe_choice() -> None:
    assert (way().url, way().authentication, way().sealed) == ("https://10.0.0.5:5986/wsman", "kerberos", False)
    assert way(**SIGNED).authentication == "ntlm"
    assert way(scheme="http").url == "http://10.0.0.5:5985/wsman"
    assert way(port=15986).url == "https://10.0.0.5:15986/wsman"
    assert way_to(Host("edge-01")).address == "edge-01"
    assert way_to(Host("edge-01", "fd00::5")).url == "https://[fd00::5]:5986/wsman"


def test_negotiate_is_kerberos_and_falls_back_to_nothing() -> None:
    assert way(authentication="negotiate").authentication == "kerberos"
    with pytest.raises(BadConnection, match="takes no password"):
        way(authentication="negotiate", **SIGNED)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SIGNED | {"authentication": "basic", "scheme": "http"}, "Basic over plain HTTP"),
        (SIGNED | {"authentication": "basic", "scheme": "http", "insecure": ("plainHttp", "anyCertificate")}, "Basic over plain HTTP"),
        (SIGNED | {"scheme": "http"}, "insecure: \\[plainHttp\\]"),
        ({"authentication": "ntlm"}, "needs connection.username and connection.password"),
        ({"authentication": "basic", "username": "svc"}, "needs connection.username and connection.password"),
        ({"authentication": "credssp"}, "one of kerberos"),
        ({"certificate": "nowhere.pem"}, "certificateKey"),
        ({"ca": "nowhere.pem"}, "there is no nowhere.pem"),
        ({"insecure": ("everything",)}, "knows anyCertificate and plainHttp"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConnection, match=words) as refused:
        way(**options)
    assert (refused.value.code, refused.value.sent, refused.value.transient) == ("HST022", False, False)


def test_files_are_named_from_the_folder_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    host = Host("edge-01", connection=Connection(options={"ca": "ca.pem"}))
    assert way_to(host, tmp_path).ca == str(tmp_path / "ca.pem")


def test_every_insecure_choice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    warn(way(**SIGNED, scheme="http", insecure=("plainHttp", "anyCertificate")))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert ["anyCertificate" in record.getMessage() for record in caplog.records] == [True, False]


def test_files_that_are_none_are_told_apart_from_what_a_host_does(tmp_path: Path) -> None:
    """A key with a pass phrase made OpenSSL ask for it at the terminal, and nothing could end that."""
    good, other, locked, text = (tmp_path / name for name in ("good.pem", "other.pem", "locked.pem", "text.pem"))
    key, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "svc-edge")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2036, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    good.write_bytes(certificate.public_bytes(form[0]) + key.private_bytes(*form, serialization.NoEncryption()))
    other.write_bytes(stranger.private_bytes(*form, serialization.NoEncryption()))
    locked.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    text.write_text("no certificate")

    def said(key: Path, ca: str = "") -> str:
        with pytest.raises(BadConnection) as caught:
            context_of(Way("h", "h", 5986, "https", "certificate", certificate=str(good), key=str(key), ca=ca))
        return str(caught.value)

    context_of(Way("h", "h", 5986, "https", "certificate", certificate=str(good), key=str(good), ca=str(good)))
    assert "not the key of" in said(other)
    assert "without a pass phrase" in said(locked)
    assert "without a pass phrase" in said(text)
    assert "cannot be read" in said(tmp_path / "none")
    assert "no certificate in PEM" in said(good, str(text))
    with pytest.raises(BadConnection, match="no certificate in PEM"):
        context_of(Way("h", "h", 5986, "https", "ntlm", ca=str(text)))
