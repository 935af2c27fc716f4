"""A small registry whose models carry every mark, and a way to load text as if it stood in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from reconciler.core.calls import Secret
from reconciler.core.fieldtypes import AddressWithPrefix, Duration, IPv4Address, IPv4Network, MacAddress, WindowsName
from reconciler.core.ids import Key
from reconciler.core.kinds import Kind, Registry
from reconciler.core.model import FIXED, HOW, IMMUTABLE, KEYED, WRITE_ONLY, Existing, From, Gather, Model, Part, Ref
from reconciler.core.resources import Manifest, Written
from reconciler.manifests import load

Load = Callable[..., Manifest]
One = Callable[..., Written]


class Window(Model):
    """An entry of a keyed map."""

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["TCP", "UDP"] = "TCP"


class Switch(Model):
    name: Annotated[WindowsName, From("metadata.name")]
    mode: Annotated[Literal["Internal", "External"], IMMUTABLE] = "Internal"
    ipAddress: AddressWithPrefix | None = None
    there: Annotated[bool, FIXED] = True
    enabled: bool | None = None
    count: int | None = None
    note: str | None = None
    lease: Duration | None = None
    mac: MacAddress | None = None
    network: IPv4Network | None = None
    share: float | None = None
    dns: tuple[IPv4Address, ...] | None = None
    windows: Annotated[Mapping[str, Window] | None, KEYED("port")] = None
    uplink: Annotated[WindowsName | Existing | None, Ref("Switch")] = None


class Machine(Model):
    version: Annotated[str, HOW]
    switchName: Annotated[str | None, Ref("Switch", bound=True)] = None
    attached: Annotated[tuple[WindowsName, ...] | None, Gather("Switch.name")] = None
    login: Annotated[Mapping[str, Any] | None, Part("Login", parent="machine")] = None
    disks: Annotated[Mapping[str, Any] | None, Part("Disk", parent="machine", many=True)] = None


class Login(Model):
    machine: Annotated[str, Ref("Machine", bound=True)]
    user: str
    password: Annotated[Secret, WRITE_ONLY]


class Disk(Model):
    name: Annotated[WindowsName, From("metadata.name")]
    machine: Annotated[str, Ref("Machine", bound=True)]
    size: int


def kind(spec: type[Model], singleton: bool = False) -> Kind[Any, Any]:
    return Kind(spec, spec, lambda _: Key(""), lambda keys, facts: (), lambda answers, facts: {}, lambda want, now, changes, facts: (), singleton=singleton)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry((kind(Switch), kind(Machine, singleton=True), kind(Login, singleton=True), kind(Disk)))


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Load:
    """`load_text("…")` loads one file, `load_text(a="…", b="…")` files of these names; positions name them `a.yaml`."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str | None = None, **files: str | bytes) -> Manifest:
        for name, content in ({"a": text} if text is not None else files).items():
            Path(f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return load([Path()], registry)

    return load_it


HOST = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: edge-01, labels: {tier: cloud, site: weu}}
spec:
  sku: server-2022
  resources:
"""


@pytest.fixture
def resource(load_text: Load) -> One:
    """`resource("Switch/a: {count: 1}")` is that resource as written on edge-01, sound or not."""

    def one(text: str) -> Written:
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        (written,) = load_text(HOST + indented).written
        return written

    return one


@pytest.fixture
def errors(load_text: Load) -> Callable[[str], list[str]]:
    """Of a resource on edge-01: `CODE line:column message` of everything that is wrong. Its first line is line 1."""

    def all_of(text: str) -> list[str]:
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        found = load_text(HOST + indented).diagnostics
        return [f"{d.code} {d.position.line - 6}:{d.position.column - 4} {d.message}" for d in found if d.position]

    return all_of
