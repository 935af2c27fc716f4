"""A plan as a comment on a pull request: one heading line, the groups of like hosts open, their commands folded away.

Kept under the size that comments may have; what is left out is said. Text of others can neither end a code block nor mention anybody.
"""

from __future__ import annotations

import re

from reconciler.cli.views.commands_text import Printer, host_commands
from reconciler.cli.views.fold import Group, sort_hosts
from reconciler.cli.views.page import Page
from reconciler.cli.views.plan_text import PlanView, diagnostics, group_page, looked_text, specs_text, summary_text
from reconciler.cli.views.words import count, one_line
from reconciler.core.diagnostics import Severity
from reconciler.core.plan import HostPlan, Plan

MOST = 60_000 - 2_000  # bytes; the closing sentence needs some
WIDTH = 100
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def plan_markdown(plan: Plan, view: PlanView, printer: Printer) -> str:
    """The whole comment; the first line identifies it, so that the next push can rewrite it."""
    found = sort_hosts(plan.hosts)
    head = f"<!-- reconcile plan -->\n### {escaped(summary_text(plan))}\n\n{escaped(specs_text(plan.specs))} · {escaped(view.looked or looked_text(plan))}\n"
    tail = "".join((_unseen(list(found.unseen)), _quiet(found.quiet), _told(plan)))
    room = MOST - len(head.encode()) - len(tail.encode())
    parts: list[str] = []
    left_out = 0
    for group in found.groups:
        text = _group(group, printer)
        if len(text.encode()) > room:
            text = _group(group, None)
        if len(text.encode()) > room:
            left_out += len(group.hosts)
            continue
        room -= len(text.encode())
        parts.append(text)
    if left_out:
        parts.append(f"\n{count(left_out, 'host')} more would not fit here: see the plan in the job's output.\n")
    return head + "".join(parts) + _cut(tail)


def _group(group: Group, printer: Printer | None) -> str:
    page = Page(WIDTH)
    group_page(page, group)
    out = f"\n{fenced(page.plain(), 'text')}"
    if printer is None:
        return f"{out}\nIts commands are too long for a comment.\n"
    whose = f"Commands for {escaped(group.first.name)}" + (f", as one of {count(len(group.hosts), 'like host')}" if group.folded else "")
    return f"{out}\n<details><summary>{whose}</summary>\n\n{fenced(host_commands(group.first, printer), 'powershell')}\n</details>\n"


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def escaped(text: str) -> str:
    """Text as nothing but text: no markup, no HTML, no mention of anybody, no link to an issue."""
    return SPECIAL.sub(r"\\\1", one_line(text).replace("&", "&amp;")).replace("@", "@\u200b")


def _unseen(hosts: list[HostPlan]) -> str:
    if not hosts:
        return ""
    lines = [f"- {escaped(host.name)}: {escaped(f'{host.code} {host.why}'.strip())}\n" for host in hosts[:50]]
    more = f"- and {len(hosts) - 50} more\n" if len(hosts) > 50 else ""
    return f"\n**Not seen** (nothing is planned for them, nothing on them is taken for absent)\n\n{''.join(lines)}{more}"


def _quiet(hosts: tuple[HostPlan, ...]) -> str:
    return f"\n{count(len(hosts), 'host')} as declared.\n" if hosts else ""


def _told(plan: Plan) -> str:
    told = [d for d in diagnostics(plan) if d.severity is not Severity.NOTE]
    lines = [f"- {d.severity.value} {escaped(d.code)}: {escaped(d.message)}{f' ({escaped(str(d.position))})' if d.position else ''}\n" for d in told[:50]]
    more = f"- and {len(told) - 50} more\n" if len(told) > 50 else ""
    return f"\n{''.join(lines)}{more}" if lines else ""


def _cut(text: str) -> str:
    return text if len(text.encode()) < MOST // 2 else f"{text[: MOST // 4]}\n…\n"
