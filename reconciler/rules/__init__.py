"""Rules across kinds: what no resource can judge alone. The only package that may import several kinds.

`RULES` is handed to the registry by whoever starts the product, `WORDS` is every cmdlet that these rules ask. Rules are pure: they
read a `World`, ask nothing themselves and change nothing. Each has a page, docs/rules/ID.md; docs/rules/coverage.md says what is
caught where. A rule reads what is declared before what is seen, so that what needs no host is found without one.
"""

from __future__ import annotations

from typing import Any

from reconciler.core.kinds import Rule
from reconciler.rules import azure, dhcp, guests, hosts, moves, networks, switches
from reconciler.rules.asks import WORDS

RULES: tuple[Rule[Any], ...] = (*hosts.RULES, *switches.RULES, *networks.RULES, *moves.RULES, *dhcp.RULES, *guests.RULES, *azure.RULES)

__all__ = ["RULES", "WORDS"]
