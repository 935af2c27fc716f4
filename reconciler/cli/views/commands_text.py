"""What a person would type: every step of a plan as Windows PowerShell, headed by a comment. Nothing of it is ever run by us."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.cli.views.fold import shown_steps
from reconciler.cli.views.words import one_line
from reconciler.core.calls import AnyCall, ArmCall
from reconciler.core.plan import HostPlan, Plan, Step
from reconciler.core.resources import Host
from reconciler.signatures.azure_lines import typed
from reconciler.signatures.printer import script
from reconciler.wire.text import visible

Printer = Callable[[str, Sequence[AnyCall]], str]  # host, the calls of one action
HEAD = "# Windows PowerShell 5.1, elevated\n"
AZURE_HEAD = "# signed in to Azure: az login, or Connect-AzAccount; nothing here runs on a host\n"


def printer(hosts: Mapping[str, Host]) -> Printer:
    """Calls to a host as Windows PowerShell; requests to Azure as lines for az and for Az PowerShell."""

    def lines(name: str, calls: Sequence[AnyCall]) -> str:
        azure = hosts[name].azure if name in hosts else None
        requests = [typed(call, azure) for call in calls if isinstance(call, ArmCall) and azure is not None]
        return "\n".join([one for one in (script(calls), *requests) if one])

    return lines


def commands_text(plan: Plan, printer: Printer) -> str:
    head = AZURE_HEAD if _through_azure_alone(plan) else HEAD
    return head + "".join(host_commands(host, printer) for host in plan.hosts)


def _through_azure_alone(plan: Plan) -> bool:
    calls = [call for step in plan.steps() for action in step.actions for call in action.calls]
    return bool(calls) and plan.summary.reboots == 0 and all(isinstance(call, ArmCall) for call in calls)


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
    azure = any(isinstance(call, ArmCall) for action in step.actions for call in action.calls)
    either = ": one or the other (bash, PowerShell); neither writes our record" if azure else ""
    out = [f"# {host.name}  {number}{step.id.local}{either}\n"]
    for action in step.actions:
        job = "; as a job on the host" if action.long and not azure else ""
        wait = f"; then wait up to {round(action.within.total_seconds())} s until it is seen" if action.until else ""
        if len(step.actions) > 1 or job or wait:
            out.append(f"# {one_line(action.summary)}{job}{wait}\n")
        lines = printer(host.name, action.calls)
        out.append(f"{lines}\n" if lines else "")
    return "".join(out)
