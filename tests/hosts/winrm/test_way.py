"""`connection:` of a host: what is understood, what is refused before anything is sent, and what is logged."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.calls import Secret
from reconciler.core.resources import Connection, Host
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
