"""What a person would type: every step of a plan as Windows PowerShell, headed by a comment. Nothing of it is ever run by us."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.cli.views.fold import shown_steps
from reconciler.cli.views.words import one_line
from reconciler.core.calls import AnyCall
from reconciler.core.plan import HostPlan, Plan, Step
from reconciler.wire.text import visible

Printer = Callable[[Sequence[AnyCall]], str]
HEAD = "# Windows PowerShell 5.1, elevated\n"


def commands_text(plan: Plan, printer: Printer) -> str:
    return HEAD + "".join(host_commands(host, printer) for host in plan.hosts)


def host_commands(host: HostPlan, printer: Printer) -> str:
    """Steps in order, restarts between them; what is blocked or only recorded is said in a comment."""
    out: list[str] = []
    waiting = [barrier for barrier in host.barriers if not barrier.blocked]
    for step in shown_steps(host):
        while waiting and step.n and step.level > waiting[0].level:
            waiting.pop(0)
            out.append(_reboot(host))
        out.append(_step(step, host, printer))
    return visible("".join(out + [_reboot(host) for _ in waiting]))


def _reboot(host: HostPlan) -> str:
    return f"# {host.name}  reboot; go on when LastBootUpTime has changed and the services run\nRestart-Computer -Force\n"


def _step(step: Step, host: HostPlan, printer: Printer) -> str:
    number = f"{step.n} " if step.n else ""
    if step.blocked:
        return f"# {host.name}  {number}{step.id.local}: blocked, {one_line(step.blocked.message)}\n"
    if not step.actions:
        return f"# {host.name}  {number}{step.id.local}: {step.verb.word}, no command\n"
    out = [f"# {host.name}  {number}{step.id.local}\n"]
    for action in step.actions:
        job = "; as a job on the host" if action.long else ""
        wait = f"; then wait up to {round(action.within.total_seconds())} s until it is seen" if action.until else ""
        if len(step.actions) > 1 or job or wait:
            out.append(f"# {one_line(action.summary)}{job}{wait}\n")
        out.append(_typed(printer(action.calls)))
    return "".join(out)


def _typed(script: str) -> str:
    return f"{script}\n" if script else ""
