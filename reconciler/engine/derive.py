"""References followed, and left-out values taken from where they lead: the second look that link takes at its drafts.

Called by `link`; says LNK001 (a reference to what is not declared) and LNK003 (a value that contradicts its source).
"""

from __future__ import annotations

import difflib
from typing import Any

from reconciler.core.calls import Later
from reconciler.core.diagnostics import Label, error
from reconciler.core.ids import ResourceId
from reconciler.core.model import Existing, FieldMarks
from reconciler.core.resources import How, Need, Source
from reconciler.engine.drafts import Draft, Drafts, attribute, construct_spec

OWN_NAME = "metadata.name"


class Derivation:
    """Fills in the drafts of one host: `refer` all of them, then `fill` all of them."""

    def __init__(self, drafts: Drafts) -> None:
        self.drafts = drafts

    def refer(self, draft: Draft) -> None:
        for mark in draft.shape.refs:
            if mark.gather is None and mark.name in draft.values:
                named = draft.values[mark.name]
                for one in named if isinstance(named, tuple) else (named,):
                    self._edge(draft, mark, one)
                    self._behind(draft, mark, one)

    def _edge(self, draft: Draft, mark: FieldMarks, value: Any) -> None:
        assert mark.ref is not None
        if value is None or isinstance(value, Existing | Later) or self.drafts.known(mark, value):
            return
        target = self.drafts.target(mark, value)
        if target is None:
            self._dangling(draft, mark, str(value))
        else:
            draft.needs[target.id] = Need(target.id, mark.name, mark.ref.bound)

    def _behind(self, draft: Draft, mark: FieldMarks, value: Any) -> None:
        """What serves the same target comes first: a VM gets no address before its network has somebody who gives one."""
        for path in mark.ref.behind if mark.ref and value is not None else ():
            kind, _, name = path.partition(".")
            for other in self.drafts:
                if other.id.kind == kind and _called(other.values.get(name)) == _called(value):
                    draft.needs.setdefault(other.id, Need(other.id, mark.name))

    def _dangling(self, draft: Draft, mark: FieldMarks, name: str) -> None:
        assert mark.ref is not None
        kind = mark.ref.kind
        draft.dangling.add(mark.name)
        names = [other.id.name for (k, _), other in self.drafts.index.items() if k == kind]
        close = difflib.get_close_matches(name, names, 1, 0.5)
        helps = []
        if close:
            near = self.drafts.index[kind, close[0].casefold()].position
            helps.append(f"did you mean {close[0]}{f' ({near})' if near else ''}?")
        elif not names:
            helps.append(f"declare {kind}/{name} on {self.drafts.host}")
        if mark.name in draft.shape.may_exist:
            helps.append(f"One that others made: {{existing: {name}}}")
        message = f"{draft.id.local} on {self.drafts.host} refers to {_a(kind)} that is not declared there"
        label = f"no {kind}/{name} on {self.drafts.host}"
        self.drafts.diagnostics.append(error("LNK001", message, draft.at(mark.name), label=label, help=" ".join(helps)))

    # -- values

    def fill(self, draft: Draft) -> None:
        for mark in draft.shape.derived:
            self._value(draft, mark.name)
        for mark in draft.shape.gathered:
            if mark.name not in draft.values:
                self._gather(draft, mark)
        for mark in draft.shape.plain:
            if mark.name not in draft.values:
                draft.values[mark.name] = mark.default

    def _value(self, draft: Draft, name: str) -> Any:
        """The value of a field, derived first where it has a source. A ring of derivations is cut here and found as a cycle later."""
        mark = draft.shape.marks.get(name)
        if mark is None:
            return self._property(draft, name)
        if mark.source is None or name in draft.derived or name in draft.deriving:
            return draft.values.get(name, mark.default)
        if mark.source.path == OWN_NAME and not mark.source.beside:  # of nobody else, and in no ring
            draft.derived.add(name)
            if name not in draft.values:
                draft.values[name], draft.sources[name] = draft.metadata_name, Source(How.DERIVED, OWN_NAME, draft.position)
            return draft.values[name]
        draft.deriving.add(name)
        derived, source = self._derive(draft, mark)
        draft.deriving.discard(name)
        draft.derived.add(name)
        if name not in draft.values:
            draft.values[name] = mark.default if derived is None else derived
            if derived is not None and source is not None:
                draft.sources[name] = source
        elif derived is not None and not isinstance(derived, Later) and derived != draft.values[name] and source is not None and not mark.source.yields:
            self._contradiction(draft, mark, derived, source)
        return draft.values[name]

    def _property(self, draft: Draft, name: str) -> Any:
        """What a spec says of itself besides its fields, once these are derived."""
        for mark in draft.shape.derived:
            self._value(draft, mark.name)
        return getattr(construct_spec(draft), name, None)

    def _derive(self, draft: Draft, mark: FieldMarks) -> tuple[Any, Source | None]:
        assert mark.source is not None
        if mark.source.beside and self._value(draft, mark.source.beside) is None:
            return None, None
        head, _, rest = mark.source.path.partition(".")
        if head == "metadata":
            return draft.metadata_name, Source(How.DERIVED, OWN_NAME, draft.position)
        ref = draft.shape.marks[head]
        named = self._value(draft, head)
        if named is None or (ref.ref is not None and self.drafts.known(ref, named)):
            return None, None
        if ref.ref is None:
            return attribute(named, rest), Source(How.DERIVED, head, draft.at(head))
        if isinstance(named, Existing):
            path = rest.removeprefix("state.")
            return Later(str(ResourceId(self.drafts.host, ref.ref.kind, named.existing)), path), Source(How.DERIVED, f"{ref.ref.kind} {named.existing}")
        target = self.drafts.target(ref, named)
        if target is None:
            return None, None
        source = Source(How.DERIVED, target.id.local, target.at(rest.partition(".")[0]))
        if rest.startswith("state."):
            return Later(str(target.id), rest.removeprefix("state.")), source
        first, _, path = rest.partition(".")
        return attribute(self._value(target, first), path), source

    def _contradiction(self, draft: Draft, mark: FieldMarks, derived: Any, source: Source) -> None:
        labels = (Label(source.position, f"{derived} follows from this"),) if source.position else ()
        message = f"{draft.id.local}: {mark.name} is {draft.values[mark.name]}, and {source.origin} makes it {derived}"
        self.drafts.diagnostics.append(
            error("LNK003", message, draft.at(mark.name), labels=labels, help=f"remove {mark.name}: it follows from {source.origin}")
        )

    def _gather(self, draft: Draft, mark: FieldMarks) -> None:
        assert mark.gather is not None
        kind, _, name = mark.gather.path.partition(".")
        values: dict[str, Any] = {}
        origins: list[str] = []
        for other in self.drafts:
            if other.id.kind == kind and (value := self._value(other, name)) is not None and not isinstance(value, Existing):
                values.setdefault(str(value).casefold(), value)
                origins.append(other.id.local)
        draft.values[mark.name] = tuple(values.values()) if values else mark.default
        if values:
            draft.sources[mark.name] = Source(How.GATHERED, ", ".join(origins))
        if mark.ref:
            for value in values.values():
                self._edge(draft, mark, value)


def _called(value: Any) -> str | None:
    return None if value is None else str(value.existing if isinstance(value, Existing) else value).casefold()


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
