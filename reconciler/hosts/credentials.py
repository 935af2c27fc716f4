"""Signing in without locking anybody out: the first attempt of a principal goes alone, and what was refused twice is not tried again.

A principal is a name with one value of its secret. `SignIns` lives as long as the process and is shared by all hosts. After a 401 the
credential's source is asked once more; with nothing new one second host may try; another 401 stops all hosts until `reset`. A sign-in
that was taken speaks for the next ones for a while only: a password that was changed between two looks must not be tried by a whole fleet.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets as random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import anyio

from reconciler.core.calls import Secret
from reconciler.core.transport import Secrets
from reconciler.hosts.winrm.errors import SignInRefused, SignInStopped

T = TypeVar("T")
ENOUGH = 2  # refusals until a principal stops
PATIENCE = 5.0  # seconds that one attempt keeps the others waiting
SPEAKS = 30.0  # seconds for which a sign-in that was taken speaks for the next ones


@runtime_checkable
class Renewable(Protocol):
    """Secrets that can ask a source again."""

    async def renew(self, secret: Secret) -> str: ...


@dataclass
class _Principal:
    turn: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(1))
    taken: float | None = None  # when a sign-in was last taken
    refused: int = 0

    @property
    def proven(self) -> bool:
        return self.taken is not None and anyio.current_time() - self.taken < SPEAKS

    @property
    def stopped(self) -> bool:
        return self.refused >= ENOUGH

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """One at a time; whoever takes long lets the next one go, for a host that hangs must not keep all others waiting."""
        await self.turn.acquire()
        waiting = True

        def release() -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                self.turn.release()

        timer = asyncio.get_running_loop().call_later(PATIENCE, release)
        try:
            yield
        finally:
            timer.cancel()
            release()


class SignIns:
    """What this process knows of principals. Values are kept as digests under a key of this process."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._key = random.token_bytes(32)
        self._known: dict[tuple[str, bytes], _Principal] = {}

    def reset(self) -> None:
        """Somebody says that it may be tried again."""
        self._known.clear()

    async def through(self, name: str, secret: Secret | None, act: Callable[[str], Awaitable[T]]) -> T:
        """`act` with the secret's value, alone while the principal is not proven. Raises SignInRefused, SignInStopped, SecretUnavailable."""
        value = await self._value(secret)
        principal = self._of(name, value)
        if not principal.proven:
            async with principal.alone():
                changed = await self._value(secret) != value  # whoever went before may have got another one
                if not changed and not principal.proven:
                    return await self._alone(principal, name, secret, value, act)
            if changed:
                return await self.through(name, secret, act)
        try:
            return await self._tried(principal, value, act)
        except SignInRefused as refusal:
            refused = refusal
        async with principal.alone():
            return await self._otherwise(refused, name, secret, value, act)

    async def _alone(self, principal: _Principal, name: str, secret: Secret | None, value: str, act: Callable[[str], Awaitable[T]]) -> T:
        self._check(principal, name)
        try:
            return await self._tried(principal, value, act)
        except SignInRefused as refusal:
            refused = refusal
        return await self._otherwise(refused, name, secret, value, act)

    async def _otherwise(self, refused: SignInRefused, name: str, secret: Secret | None, value: str, act: Callable[[str], Awaitable[T]]) -> T:
        """With what the source has by now; the refusal itself where that is nothing new."""
        renewed = await self._renewed(secret, value)
        if renewed is None:
            raise refused
        other = self._of(name, renewed)
        async with other.alone():
            self._check(other, name)
            return await self._tried(other, renewed, act)

    async def _tried(self, principal: _Principal, value: str, act: Callable[[str], Awaitable[T]]) -> T:
        try:
            done = await act(value)
        except SignInRefused:
            principal.taken = None
            principal.refused += 1
            raise
        principal.taken, principal.refused = anyio.current_time(), 0
        return done

    async def _renewed(self, secret: Secret | None, value: str) -> str | None:
        """Another value than the refused one, if the source has one by now."""
        if secret is None or not isinstance(self._secrets, Renewable):
            return None
        known = await self._value(secret)  # another host may have had it asked already
        renewed = known if known != value else await self._secrets.renew(secret)
        return None if renewed == value else renewed

    async def _value(self, secret: Secret | None) -> str:
        return "" if secret is None else await self._secrets.resolve(secret)

    def _check(self, principal: _Principal, name: str) -> None:
        if principal.stopped:
            raise SignInStopped(f"{name} was refused {principal.refused} times: no host is tried with it any more, so that the account is not locked")

    def _of(self, name: str, value: str) -> _Principal:
        return self._known.setdefault((name, hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)), _Principal())
