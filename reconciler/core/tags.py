"""The tags that are ours on a resource of Azure, and how a kind reads them. A tag's value has at most 256 characters."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.observations import Tagged

ID, SPEC, RUN, RESTARTED = "reconciler.id", "reconciler.spec", "reconciler.run", "reconciler.restarted"
OURS = (ID, SPEC, RUN, RESTARTED)


def tagged(tags: Mapping[str, str], *, applied: bool) -> Tagged | None:
    """The record that lies on a resource; None where nobody put one there."""
    if not tags.get(ID) or not tags.get(SPEC):
        return None
    return Tagged(tags[ID], tags[SPEC], tags.get(RUN, ""), applied, tags.get(RESTARTED, ""))
