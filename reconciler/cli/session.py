"""One call of the command line: its options, its screen, and what it works with, made when first asked for.

Commands are handed a `Session`. It alone decides between an emulated estate and real hosts.
"""

from __future__ import annotations

import difflib
import getpass
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from reconciler.cli.git import specs_info
from reconciler.cli.hints import Said
from reconciler.cli.options import Common, Output, Selection
from reconciler.cli.reach import emulated, real
from reconciler.cli.reach import vault as secrets
from reconciler.cli.screen import Screen
from reconciler.cli.wallclock import WallClock
from reconciler.core.diagnostics import Diagnostic, error
from reconciler.core.errors import Refused
from reconciler.core.kinds import Registry
from reconciler.core.plan import SpecsInfo
from reconciler.core.resources import Connection, Manifest
from reconciler.core.transport import Clock, Connect
from reconciler.emulator.estate import Estate, EstateError
from reconciler.engine.environment import Environment, Scope
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import hosts_in, unknown_targets
from reconciler.kinds import registry
from reconciler.manifests import Lines, load, sources
from reconciler.rules import RULES, WORDS
from reconciler.secrets import Vault

LETTERS = "23456789abcdefghjkmnpqrstvwxyz"  # none that is read for another
NO_ESTATE = error(
    "CLI001",
    "no emulated estate is named",
    help="reconcile emulate new lab, then the same command with --estate lab; without any host: reconcile validate, or plan --from SNAPSHOT",
)
NO_CONNECTION = error(
    "CLI001",
    "nothing says how these hosts are reached",
    why="no host has a connection, and no emulated estate is named",
    help="reconcile emulate new lab, then the same command with --estate lab; for real hosts: spec.connection (docs/connections.md); "
    "without any host: reconcile validate, or plan --from SNAPSHOT",
)


class Session:
    """`vault` scrubs whatever is written to a log; `line` quotes sources."""

    def __init__(self, common: Common, screen: Screen, vault: Vault | None = None) -> None:
        self.common = common
        self.screen = screen
        self.vault = vault or secrets()

    @property
    def json(self) -> bool:
        return self.common.output is Output.JSON

    def reading(self, specs: Path) -> Session:
        """The same call with other manifests."""
        return Session(replace(self.common, specs=specs), self.screen, self.vault)

    def said(self, selection: Selection | None = None, bounds: tuple[str, ...] = ()) -> Said:
        words: list[str] = []
        if self.common.specs != Path("specs"):
            words += ["--specs", str(self.common.specs)]
        if self.common.estate is not None and not _from_environment(self.common.estate):
            words += ["--estate", str(self.common.estate)]
        return Said(tuple(words), tuple(selection.targets), selection.words(), bounds) if selection else Said(tuple(words))

    def line(self, file: str, number: int) -> str | None:
        """A line of the manifests, secrets masked; None for a file that this call did not load."""
        if "manifest" not in self.__dict__ or file not in self.manifest.files:
            return None
        lines = self._sources.file(file)
        return lines[number - 1].replace("\t", " ") if 0 < number <= len(lines) else None

    @cached_property
    def _sources(self) -> Lines:
        return sources(self.manifest)

    @cached_property
    def registry(self) -> Registry:
        return registry(RULES, WORDS)

    @cached_property
    def manifest(self) -> Manifest:
        if not self.common.specs.exists():
            raise Refused([_no_specs(self.common.specs)])
        return load([self.common.specs], self.registry)

    @cached_property
    def linked(self) -> Linked:
        """The declared fleet. Raises Refused with every error there is."""
        linked = self.linked_anyhow
        if linked.errors:
            raise Refused(linked.diagnostics)
        return linked

    @cached_property
    def linked_anyhow(self) -> Linked:
        return link(self.manifest, self.registry)

    @cached_property
    def specs(self) -> SpecsInfo:
        return specs_info(self.common.specs)

    def declared(self) -> dict[str, int]:
        return {host: len(found) for host, found in self.linked.resources.items()}

    def offline(self) -> Environment:
        """For planning out of snapshots: nothing is connected to."""
        clock = WallClock()
        return Environment(self.registry, _nowhere, self.vault, clock, naming(clock), by())

    @contextmanager
    def environment(self) -> Iterator[Environment]:
        """The hosts to speak to: those of the emulated estate, kept in its folder afterwards; without one, real hosts. Raises Refused."""
        if self.common.estate is None:
            with self._real() as reach:
                clock = WallClock()
                yield Environment(self.registry, reach, self.vault, clock, naming(clock), by())
            return
        with self.estate() as estate:
            yield Environment(self.registry, emulated(estate, self.vault), self.vault, estate.clock, naming(estate.clock), by())

    @contextmanager
    def _real(self) -> Iterator[Connect]:
        """Real hosts, each by its connection."""
        if all(host.connection == Connection() and host.azure is None for host in self.manifest.hosts.values()):
            raise Refused([NO_CONNECTION])
        with real(self.vault, WallClock()) as reach:
            yield reach

    @contextmanager
    def estate(self) -> Iterator[Estate]:
        """The emulated estate that was named; saved at the end, also after an error. Raises Refused."""
        if self.common.estate is None:
            raise Refused([NO_ESTATE])
        try:
            with Estate.open(self.common.estate).session() as estate:
                yield estate
        except EstateError as trouble:
            raise Refused([error("CLI004", str(trouble), help=f"reconcile emulate new {self.common.estate}, or name another: --estate DIR")]) from None


def _nowhere(_: Any) -> Any:
    raise Refused([NO_CONNECTION])


def naming(clock: Clock) -> Callable[[], str]:
    """Names of runs: short, spoken without doubt, made of who acts and when, so that the same input gives the same bytes."""
    count = itertools.count()

    def name() -> str:
        made = sha256(f"{by()} {clock.now().isoformat()} {next(count)}".encode()).digest()
        return "r-" + "".join(LETTERS[byte % len(LETTERS)] for byte in made[:4])

    return name


def by() -> str:
    """Who acts, as far as this machine knows."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def _from_environment(estate: Path) -> bool:
    return os.environ.get("RECONCILE_ESTATE") == str(estate)


def _no_specs(path: Path) -> Diagnostic:
    begin = f"to begin, write one document of kind Host to {path}/NAME.yaml (docs/start.md shows one), then: reconcile validate"
    return error("CLI002", f"there is no {path}", why="manifests are read from there", help=f"if they lie elsewhere: --specs DIR; {begin}")


def chosen(session: Session, selection: Selection) -> Selection:
    """The selection, once every target in it is known to be declared. Raises Refused with what was meant, perhaps."""
    linked = session.linked
    unknown = unknown_targets(linked, (*selection.targets, *selection.exclude))
    found = [error("CLI003", f"nothing declared is called {name}", help=_meant(linked, name)) for name in unknown]
    if found:
        raise Refused(found)
    scope = selection.scope()  # a bad label is an error of usage, said before any host is asked
    if scope.labels and not hosts_in(linked, scope):
        raise Refused([_no_host(linked, scope)])
    return selection


def _meant(linked: Linked, name: str) -> str:
    """The nearest that is declared. Where the host is right, it is a resource of that host that was meant."""
    typed, slash, rest = name.partition("/")
    host = next((host for host in linked.hosts if host.casefold() == typed.casefold()), None)
    if slash and host is not None:
        own = {resource.id.local.casefold(): str(resource.id) for resource in linked.resources.get(host, ())}
        near = difflib.get_close_matches(rest.casefold(), own, 1, 0.3)
        return f"did you mean {own[near[0]]}?" if near else f"on {host}: {_some(list(own.values()))}"
    known = [*linked.hosts, *(str(r.id) for each in linked.resources.values() for r in each)]
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"hosts: {', '.join(list(linked.hosts)[:8])}"


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else "nothing is declared"


def _no_host(linked: Linked, scope: Scope) -> Diagnostic:
    """Labels that choose nothing: more often a slip than a wish."""
    typed = ",".join(f"{key}={value}" for key, value in scope.labels)
    labels = sorted({f"{key}={value}" for host in linked.hosts.values() for key, value in host.labels.items()})
    unknown = [f"{key}={value}" for key, value in scope.labels if f"{key}={value}" not in labels]
    near = difflib.get_close_matches(unknown[0], labels, 1, 0.7) if unknown else []
    there = f"labels that there are: {', '.join(labels[:12])}{' …' if len(labels) > 12 else ''}" if labels else "no host has any label"
    among = " among those named" if scope.targets else ""
    why = "" if unknown else "each of these labels is on some host, no host has them all"
    return error("CLI003", f"no host{among} has the label {typed}", why=why, help=f"did you mean {near[0]}? {there}" if near else there)
