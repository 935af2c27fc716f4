"""All that declared resources can make a session say on a host: every name for a role that may change things, every question for one that may not.

`reconcile jea` and tests use it. Pure: nobody is asked; both kinds of Windows are thought of, so that one role serves a fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.calls import Arm, Call, Cmdlet, Plane, Program
from reconciler.core.kinds import Registry
from reconciler.core.observations import Facts
from reconciler.core.snapshot import call_key
from reconciler.engine.ledger import Records
from reconciler.engine.link import Linked
from reconciler.engine.view import questions
from reconciler.engine.vocabulary import RESTART

CLIENT, SERVER = 1, 3  # product types


@dataclass(frozen=True, slots=True)
class Granting:
    """`kinds` that are declared, `names` of cmdlets and programs that they may use, `questions` that they ask of any host."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    questions: tuple[Call, ...]


def granting(linked: Linked, registry: Registry) -> Granting:
    """Of all hosts together; Azure's own side is no matter of a role on a host."""
    asked: dict[str, Call] = {}
    kinds: set[str] = set()
    for resources in linked.resources.values():
        here = [resource for resource in resources if registry[resource.id.kind].plane is Plane.HOST]
        kinds |= {resource.id.kind for resource in here}
        for product in (CLIENT, SERVER):
            facts = Facts("", None, None, "", "", 0, product)
            asked |= {key: call for key, call in questions(registry, facts, here, Records()).calls().items() if isinstance(call, Call)}
    words = {_name(word) for kind in kinds for word in registry[kind].words if not isinstance(word, Arm)}
    names = {*words, *(call.name for call in asked.values()), RESTART.name}
    ordered = sorted(asked.values(), key=lambda call: (call.name, call_key(call)))
    return Granting(tuple(sorted(kinds)), tuple(sorted(names)), tuple(ordered))


def _name(word: Cmdlet | Program) -> str:
    return word.name if isinstance(word, Cmdlet) else word.path
