"""One host as rules see it: what is declared, what was seen, and the end state that a plan can reach. Never more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from reconciler.core.calls import Answer
from reconciler.core.ids import Key
from reconciler.core.kinds import Declared, NotSeen, Registry, World
from reconciler.core.observations import Ask, Facts
from reconciler.core.resources import Azure, Host, Resource

SERVERS = {14393: "server-2016", 17763: "server-2019", 20348: "server-2022", 26100: "server-2025"}
FIRST_BUILD_OF_11 = 22000
T = TypeVar("T")
NO_FORMER: Mapping[str, Key] = MappingProxyType({})


class DeclaredResource(NamedTuple):
    """A declared resource as a rule sees it; `resource` is for those who turn findings into positions."""

    id: str
    name: str
    spec: Any
    resource: Resource


class Seen(Protocol):
    """What a look at the host gave; `engine.view.HostView` is one."""

    @property
    def facts(self) -> Facts: ...
    def states(self, kind: str) -> Mapping[Key, Any]:
        """What is there of a kind; raises NotSeen where it could not be looked at."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one ask; raises NotSeen where it was not asked."""


def sku_of(facts: Facts) -> str:
    """The sku's name as specs write it, from build and product type."""
    if facts.is_client:
        return "client-11" if facts.build >= FIRST_BUILD_OF_11 else "client-10"
    return SERVERS.get(facts.build, f"server build {facts.build}")


class HostWorld:
    """`seen` None: nothing was looked at (link). `reach` gives a kind's reachable end state, else what is seen.

    `former`: id → the key under which a resource is there until a replace moves it to the one it has now.
    """

    def __init__(
        self,
        host: Host,
        registry: Registry,
        resources: Sequence[Resource],
        seen: Seen | None = None,
        reach: Mapping[str, Mapping[Key, Any]] | None = None,
        former: Mapping[str, Key] = NO_FORMER,
    ) -> None:
        self._host = host
        self._registry = registry
        self._seen = seen
        self._reach = reach
        self._former = former
        self.by_id: dict[str, Resource] = {}
        self._declared: dict[str, list[DeclaredResource]] = {}
        self._states: dict[str, Mapping[Key, Any]] = {}
        self._read: dict[Callable[[World], Any], Any] = {}
        for resource in resources:
            id = str(resource.id)
            self.by_id[id] = resource
            self._declared.setdefault(resource.kind, []).append(DeclaredResource(id, resource.name, resource.spec, resource))

    @property
    def host(self) -> str:
        return self._host.name

    @property
    def sku(self) -> str:
        return self._host.sku or sku_of(self.facts)

    @property
    def azure(self) -> Azure | None:
        return self._host.azure

    @property
    def facts(self) -> Facts:
        return self._look().facts

    def declared(self, kind: str) -> Sequence[DeclaredResource]:
        return self._declared.get(kind, ())

    def states(self, kind: str) -> Mapping[Key, Any]:
        if self._reach is not None and kind in self._reach:
            return self._reach[kind]
        return self.seen(kind)

    def seen(self, kind: str) -> Mapping[Key, Any]:
        if kind not in self._states:
            self._states[kind] = self._look().states(kind)
        return self._states[kind]

    def seen_as(self, one: Declared[Any]) -> Any:
        return self._as(one, self.seen(self.by_id[one.id].kind))

    def ends_as(self, one: Declared[Any]) -> Any:
        return self._as(one, self.states(self.by_id[one.id].kind))

    def _as(self, one: Declared[Any], states: Mapping[Key, Any]) -> Any:
        """The former key goes first: what stands under the new one until then is somebody else's."""
        former = self._former.get(one.id)
        return states[former] if former is not None and former in states else states.get(self.by_id[one.id].key)

    def answer(self, ask: Ask) -> Answer:
        return self._look().answer(ask)

    def once(self, read: Callable[[World], T]) -> T:
        if read not in self._read:
            self._read[read] = read(self)
        found: T = self._read[read]
        return found

    def _look(self) -> Seen:
        if self._seen is None:
            raise NotSeen
        return self._seen
