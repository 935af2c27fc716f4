"""References to secrets: where values come from, what is refused, and that no text shows them."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import anyio
import pytest

from reconciler.core.calls import Secret
from reconciler.core.errors import SecretUnavailable
from reconciler.secrets import Vault, fingerprint, matches, new_salt

VALUE = 'Pa"ss \\ wörd/1'


async def refused(vault: Vault, secret: Secret) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        await vault.resolve(secret)
    return str(caught.value)


async def test_an_environment_variable_gives_its_value() -> None:
    assert await Vault({"KEY": VALUE}).resolve(Secret("env", "KEY")) == VALUE


async def test_an_unset_variable_is_named_in_the_error() -> None:
    assert "env KEY" in await refused(Vault({}), Secret("env", "KEY"))


async def test_a_file_gives_its_text_without_the_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two\nlines\n", encoding="utf-8")
    assert await Vault({}, tmp_path).resolve(Secret("file", "key")) == "two\nlines"


async def test_a_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    assert "file key" in await refused(Vault({}, tmp_path), Secret("file", "key"))


async def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\xff\xfe")
    assert "UTF-8" in await refused(Vault({}, tmp_path), Secret("file", "key"))


async def test_a_command_gives_what_it_prints_and_no_shell_reads_its_words(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1])"
    assert await Vault().resolve(Secret("command", (sys.executable, "-c", code, "$(touch x); `id` 'q'"))) == "$(touch x); `id` 'q'"


async def test_a_failing_command_shows_its_exit_code_and_not_its_output() -> None:
    words = (sys.executable, "-c", "print('hunter2hunter2'); raise SystemExit(3)")
    vault = Vault()
    with pytest.raises(SecretUnavailable) as caught:
        await vault.resolve(Secret("command", words))
    assert str(caught.value).endswith("ended with 3")


async def test_a_command_that_hangs_is_cut_off() -> None:
    words = (sys.executable, "-c", "import time; time.sleep(60)")
    assert "within 0.2 s" in await refused(Vault(seconds=0.2), Secret("command", words))


async def test_a_program_that_does_not_exist_is_an_error() -> None:
    assert "cannot be started" in await refused(Vault(), Secret("command", ("/no/such/program",)))


@pytest.mark.parametrize("value", ["", "abc", "   a   "])
async def test_a_value_too_short_to_be_masked_is_refused_and_not_repeated(value: str) -> None:
    said = await refused(Vault({"KEY": value}), Secret("env", "KEY"))
    assert "fewer than 4" in said


async def test_an_unknown_source_is_refused() -> None:
    assert "env, file, command or keyring" in await refused(Vault(), Secret("vault", "x"))


async def test_a_keyring_gives_its_entry_and_its_absence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {("edge", "svc/one"): "of the keyring"}
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, user: entries.get((service, user))))
    assert await Vault().resolve(Secret("keyring", "edge/svc/one")) == "of the keyring"
    assert "no such entry" in await refused(Vault(), Secret("keyring", "edge/other"))
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "extra keyring" in await refused(Vault(), Secret("keyring", "edge/svc/one"))


async def test_a_value_is_asked_for_again_only_when_that_is_wanted() -> None:
    environ = {"PW": "the old one"}
    vault = Vault(environ)
    await vault.resolve(Secret("env", "PW"))
    environ["PW"] = "the new one"
    assert await vault.resolve(Secret("env", "PW")) == "the old one"
    assert await vault.renew(Secret("env", "PW")) == "the new one"
    assert vault.scrub("the old one, the new one") == "***, ***"


async def test_a_reference_is_looked_up_once_even_by_many_tasks(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    code = f"open({str(counter)!r}, 'a').write('x'); print('value-1')"
    vault, secret = Vault(), Secret("command", (sys.executable, "-c", code))
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(vault.resolve, secret)
    assert counter.read_text() == "x"


async def test_a_resolved_value_is_scrubbed_in_every_form() -> None:
    vault = Vault({"KEY": VALUE})
    assert vault.scrub(VALUE) == VALUE
    await vault.resolve(Secret("env", "KEY"))
    texts = [
        VALUE,
        json.dumps({"a": VALUE}),
        base64.b64encode(VALUE.encode()).decode(),
        quote(VALUE),
        quote(VALUE, safe=""),
        json.dumps(VALUE, ensure_ascii=False),
    ]
    for text in texts:
        scrubbed = vault.scrub(f"before {text} after")
        assert "***" in scrubbed, text
        assert "wörd" not in scrubbed
        assert "w\\u00f6rd" not in scrubbed


async def test_single_lines_of_a_secret_of_many_lines_are_scrubbed(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("-----BEGIN-----\nAAAABBBB\n-----END-----\n")
    vault = Vault({}, tmp_path)
    await vault.resolve(Secret("file", "pem"))
    assert vault.scrub("line AAAABBBB here") == "line *** here"


async def test_texts_within_a_secret_that_is_json_are_scrubbed_each_alone() -> None:
    vault = Vault({"MAP": '{"account": "plant-7", "deep": [{"key": "c4n4ry"}], "n": 12345, "s": "ab"}', "TORN": '{"key": "torn-canary'})
    for name in ("MAP", "TORN"):
        await vault.resolve(Secret("env", name))
    assert vault.scrub("plant-7 and c4n4ry, 12345 about {") == "*** and ***, 12345 about {"


def test_a_fingerprint_matches_its_value_only() -> None:
    stored = fingerprint("value-1", b"0123456789abcdef")
    assert stored.startswith("scrypt:30313233343536373839616263646566:")
    assert matches("value-1", stored)
    assert not matches("value-2", stored)


def test_text_that_is_no_fingerprint_matches_nothing() -> None:
    assert not matches("x", "x")
    assert not matches("x", "scrypt:zz:11")


def test_two_salts_give_two_fingerprints_of_one_value() -> None:
    assert fingerprint("value-1", new_salt()) != fingerprint("value-1", new_salt())
