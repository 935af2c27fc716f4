"""Requests and answers of the emulated ARM, and its errors as exceptions. Nothing here knows a resource."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """`base` is scheme and authority, `query` what follows the question mark, as it came; header names are in small letters."""

    method: str
    base: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def to(cls, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Request:
        said = urlsplit(url)
        named = {name.lower(): value for name, value in (headers or {}).items()}
        return cls(method.upper(), f"{said.scheme}://{said.netloc}", unquote(said.path) or "/", said.query, named, body or b"")

    @property
    def parameters(self) -> dict[str, str]:
        """Names of query parameters are not case-sensitive."""
        return {name.lower(): value for name, value in parse_qsl(self.query, keep_blank_values=True)}


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: no content."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()

    def also(self, *headers: tuple[str, str]) -> Answer:
        return Answer(self.status, self.body, (*self.headers, *headers))


class ArmError(Exception):
    """An answer that is ARM's error. The shape: section 1.6 [doc]."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        target: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.headers = tuple(headers)
        self.more: Mapping[str, Any] = {}

    def answer(self) -> Answer:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details:
            error["details"] = [dict(d) for d in self.details]
        return Answer(self.status, {"error": error | dict(self.more)}, self.headers)


class Cut(ConnectionError):
    """The line broke: the request was never answered."""


def not_found(kind: str, name: str, group: str) -> ArmError:
    """1.6 ResourceNotFound [doc]."""
    said = f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    return ArmError(404, "ResourceNotFound", said)
