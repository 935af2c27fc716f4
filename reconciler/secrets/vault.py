"""Gives the value behind a reference: an environment variable, a file, what a command prints, an entry of the keyring, or of another source.

Handed to the engine and to sessions as `core.transport.Secrets`. Each reference is looked up once a process, by one task
at a time. Errors name the reference and never a value; a command runs without a shell, without stdin, under a deadline.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.to_thread

from reconciler.core.calls import Secret
from reconciler.core.errors import SecretUnavailable
from reconciler.secrets.scrubber import SHORTEST, Scrubber

LARGEST = 64 * 1024
Fetch: TypeAlias = Callable[[Secret], Awaitable[str]]  # raises SecretUnavailable


class Vault:
    """`folder` is what relative file references start from; `seconds` is the deadline of a command.

    `sources`: what layers above can fetch besides, by the word of the reference (`keyVault`).
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, folder: Path | None = None, seconds: float = 30, sources: Mapping[str, Fetch] | None = None
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._folder = folder or Path()
        self._seconds = seconds
        self.sources: dict[str, Fetch] = dict(sources or {})
        self._known: dict[Secret, str] = {}
        self._locks: dict[Secret, anyio.Lock] = {}
        self._scrubber = Scrubber()

    async def resolve(self, secret: Any) -> str:
        """The value. Raises SecretUnavailable."""
        if not isinstance(secret, Secret):
            raise SecretUnavailable(f"a {type(secret).__name__} is no reference to a secret")
        async with self._locks.setdefault(secret, anyio.Lock()):
            if secret not in self._known:
                value = _checked(secret, await self._fetch(secret))
                self._scrubber.add(value)
                self._known[secret] = value
            return self._known[secret]

    async def renew(self, secret: Secret) -> str:
        """The value as its source has it now. Earlier ones stay out of every text. Raises SecretUnavailable."""
        async with self._locks.setdefault(secret, anyio.Lock()):
            self._known.pop(secret, None)
        return await self.resolve(secret)

    def scrub(self, text: str) -> str:
        """`text` without any value that was ever resolved here."""
        return self._scrubber.scrub(text)

    async def _fetch(self, secret: Secret) -> str:
        match secret.source, secret.argument:
            case "env", str(name):
                return self._from_environment(secret, name)
            case "file", str(path):
                return await self._from_file(secret, path)
            case "command", tuple(words) if words:
                return await self._from_command(secret, words)
            case "keyring", str(path):
                return await anyio.to_thread.run_sync(_from_keyring, secret, path)
        fetch = self.sources.get(secret.source)
        if fetch is None:
            raise SecretUnavailable(f"{secret}: a secret is referred to by {', '.join(('env', 'file', 'command', *sorted(self.sources)))} or keyring")
        return await fetch(secret)

    def _from_environment(self, secret: Secret, name: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise SecretUnavailable(f"{secret}: the environment variable is not set")
        return value

    async def _from_file(self, secret: Secret, path: str) -> str:
        try:
            data = await (anyio.Path(self._folder) / path).read_bytes()
        except OSError as error:
            raise SecretUnavailable(f"{secret}: the file cannot be read: {error.strerror}") from None
        return _text(secret, data)

    async def _from_command(self, secret: Secret, words: tuple[str, ...]) -> str:
        try:
            with anyio.fail_after(self._seconds):
                done = await anyio.run_process(list(words), stdin=subprocess.DEVNULL, check=False, env=dict(self._environ))
        except TimeoutError:
            raise SecretUnavailable(f"{secret}: the command did not end within {self._seconds:g} s") from None
        except OSError as error:
            raise SecretUnavailable(f"{secret}: the command cannot be started: {error.strerror}") from None
        if done.returncode != 0:  # what it printed is not shown: it may be the value
            raise SecretUnavailable(f"{secret}: the command ended with {done.returncode}")
        return _text(secret, done.stdout)


def _from_keyring(secret: Secret, path: str) -> str:
    """Out of this machine's keyring, by the library of that name, which only who uses it needs."""
    try:
        keyring = import_module("keyring")
    except ImportError:
        raise SecretUnavailable(f"{secret}: it needs the extra keyring of this product, which is not installed") from None
    service, _, user = path.partition("/")
    try:
        value = keyring.get_password(service, user)
    except Exception as failed:  # noqa: BLE001 - backends raise what they like, and may quote what they were asked
        raise SecretUnavailable(f"{secret}: the keyring gave none ({type(failed).__name__})") from None
    if not isinstance(value, str):
        raise SecretUnavailable(f"{secret}: the keyring has no such entry")
    return value


def _text(secret: Secret, data: bytes) -> str:
    """Bytes as text, without the one newline that editors and `echo` put at the end."""
    if len(data) > LARGEST:
        raise SecretUnavailable(f"{secret}: more than {LARGEST} bytes are no secret")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{secret}: the value is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _checked(secret: Secret, value: str) -> str:
    if len(value.strip()) < SHORTEST:
        raise SecretUnavailable(f"{secret}: a value of fewer than {SHORTEST} characters is refused, since it could not be kept out of output")
    if "\0" in value:
        raise SecretUnavailable(f"{secret}: the value holds a NUL character")
    return value
