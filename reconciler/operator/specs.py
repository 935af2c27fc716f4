"""The declaration in force: loaded anew before every sweep; one that does not load never replaces one that did.

`loop` calls `reload`. Reading files is the business of the `load` that it is handed; it runs in a thread, since it may take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio.to_thread

from reconciler.core.diagnostics import Diagnostic, error
from reconciler.core.errors import ReconcilerError, Refused
from reconciler.core.plan import SpecsInfo
from reconciler.core.resources import Resource
from reconciler.engine.link import Linked


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload brought: `refused` (the last good declaration stays), or what differs from it. All empty: nothing new."""

    refused: tuple[Diagnostic, ...] = ()
    again: bool = False  # good again, after it had been refused
    added: tuple[str, ...] = ()  # hosts
    gone: tuple[str, ...] = ()
    changed: int = 0  # resources on hosts that stay

    @property
    def moved(self) -> bool:
        return bool(self.again or self.added or self.gone or self.changed)


class Specs:
    """Holds the last good declaration. `revision` says which one it is, for the record on the hosts."""

    def __init__(self, load: Callable[[], Linked], revision: Callable[[], SpecsInfo]) -> None:
        self._load = load
        self._revision = revision
        self._refused: tuple[Diagnostic, ...] = ()
        self.linked: Linked
        self.info = SpecsInfo("specs")

    async def first(self) -> None:
        """Raises Refused where there is nothing good to begin with."""
        found = await self._try()
        if isinstance(found, tuple):
            raise Refused(found)
        self.linked, self.info = found, self._revision()

    async def reload(self) -> Reloaded:
        """Take what loads; say what was refused once, not at every sweep."""
        found = await self._try()
        if isinstance(found, tuple):
            said, self._refused = found == self._refused, found
            return Reloaded() if said else Reloaded(refused=found)
        again, self._refused = bool(self._refused), ()
        before, self.linked, self.info = self.linked, found, self._revision()
        return _difference(before, found, again)

    async def _try(self) -> Linked | tuple[Diagnostic, ...]:
        try:
            linked = await anyio.to_thread.run_sync(self._load)
        except Refused as refused:
            return refused.diagnostics
        except (ReconcilerError, OSError) as trouble:
            return (error("OPR001", f"the specs could not be loaded: {trouble}"),)
        if linked.errors or not linked.complete:
            return linked.errors or (error("OPR002", "not everything was loaded"),)
        return linked


def _difference(before: Linked, after: Linked, again: bool) -> Reloaded:
    stay = [name for name in after.hosts if name in before.hosts]
    changed = sum(_changed(before.resources.get(name, ()), after.resources.get(name, ())) for name in stay)
    added = tuple(name for name in after.hosts if name not in before.hosts)
    return Reloaded((), again, added, tuple(name for name in before.hosts if name not in after.hosts), changed)


def _changed(before: tuple[Resource, ...], after: tuple[Resource, ...]) -> int:
    """How many resources were added, taken away or changed in what they ask for; where they stand in a file does not count."""
    was = {resource.id: (resource.spec, resource.common) for resource in before}
    now = {resource.id: (resource.spec, resource.common) for resource in after}
    return sum(1 for id in was.keys() | now.keys() if was.get(id) != now.get(id))
