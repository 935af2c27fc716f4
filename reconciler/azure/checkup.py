"""What a doctor says of a host's Azure: who signs in, whether the VM is there and well, and whether the specs may do what they need to.

`cli.clinic` puts it beside the examination of the host itself; of a host without `connection` it is all there is. Three requests: a token,
the VM, what the caller may do there; it writes nothing. Sources: azure-extensions 1.1, 1.5, 1.6, 1.9, 2.1; the list of permissions is
Microsoft.Authorization's own. That a token tells tenant and object is used for showing alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from reconciler.azure.connect import AzureConnections
from reconciler.azure.line import Line
from reconciler.azure.messages import Response
from reconciler.azure.role import Needs, lacking
from reconciler.core.azure import RUNNING, AzureFacts
from reconciler.core.calls import ArmCall
from reconciler.core.checkup import Finding, fail, left, ok, warn
from reconciler.core.errors import ReconcilerError, Throttled, TransportError, Unreachable, WireError
from reconciler.core.resources import Azure, Host
from reconciler.signatures import address
from reconciler.wire.arm import arm_facts
from reconciler.wire.text import visible

PERMISSIONS = "providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
PATIENCE = 90.0  # seconds for all of it
SHOWN = 6  # actions and names that are told one by one
WIRE_SERVER = "168.63.129.16"
SIGN_IN = "sign in where this command runs (az login), or say which: azure.credential: managedIdentity, workloadIdentity, environment or cli"
SEARCHED = {
    "SubscriptionNotFound": "check azure.subscription and azure.tenant of the host: this identity sees no such subscription",
    "ResourceGroupNotFound": "check azure.resourceGroup and azure.subscription of the host",
    "ResourceNotFound": "check azure.vm, azure.scaleSet and azure.resourceGroup of the host",
    "AuthorizationFailed": "reconcile jea --azure writes the role that is needed; whoever may give roles gives it at the resource group",
}


@dataclass(frozen=True, slots=True)
class AzureCheckup:
    """Call it with a host. `needs`: what the specs of a host take (`role.needs`). Never raises for what Azure does."""

    reach: AzureConnections
    needs: Callable[[Host], Needs]

    async def __call__(self, host: Host) -> Sequence[Finding]:
        if host.azure is None:
            return ()
        found: list[Finding] = []
        with anyio.move_on_after(PATIENCE) as scope:
            await self._look(host, host.azure, found)
        if scope.cancelled_caught:
            found.append(fail("azure", f"not all was answered within {PATIENCE:g} s", "see that this machine reaches Azure Resource Manager", "HST010"))
        return found

    async def _look(self, host: Host, azure: Azure, found: list[Finding]) -> None:
        """Stops at what makes the rest useless."""
        try:
            token = await self.reach.tokens(azure).bearer()
        except TransportError as failed:
            found += [fail("credential", str(failed), SIGN_IN if failed.code != "AZR400" else "", failed.code), left("azure", "VM, agent, extensions, rights")]
            return
        found += _signed_in(azure, self.reach.tokens(azure).used, token)
        line = self.reach.line(azure)
        try:
            found += await self._machine(line, azure)
            found += await self._rights(line, azure, self.needs(host))
        except ReconcilerError as failed:
            found.append(fail("azure", self._said(str(failed)), _way(failed), failed.code if isinstance(failed, TransportError) else ""))

    async def _machine(self, line: Line, azure: Azure) -> Sequence[Finding]:
        call = ArmCall("VirtualMachines_Get", query={"$expand": "instanceView"}) if azure.vm else ArmCall("VirtualMachineScaleSets_Get")
        answer = await line.get(address(call, azure, "", self.reach.options.api_version))
        name = "vm" if azure.vm else "scale set"
        if answer.status != 200:
            code, said = answer.error
            return [fail(name, f"Azure does not show {azure.scope} ({answer.status} {code}): {self._said(said)}", SEARCHED.get(code, ""), visible(code))]
        body = answer.json()
        facts = arm_facts(body)
        if facts.scale_set:
            return [ok(name, f"{facts.size} in {facts.location}, {facts.instances} instances, {facts.orchestration}, upgrades {facts.upgrade or 'unknown'}")]
        return [*_vm(facts), *_agent(facts), *_extensions(body)]

    async def _rights(self, line: Line, azure: Azure, needs: Needs) -> Sequence[Finding]:
        rows: list[Mapping[str, Any]] = []
        url: str | None = f"/{azure.scope}/{PERMISSIONS}"
        while url:
            answer = await line.get(url)
            if answer.status != 200:
                return [_untold(answer)]
            body = answer.json()
            if not isinstance(body, Mapping) or not isinstance(body.get("value"), list):
                raise WireError("Azure's answer about permissions holds no list")
            rows += [row for row in body["value"] if isinstance(row, Mapping)]
            url = body.get("nextLink")
        return list(_allowed(needs, rows))

    def _said(self, text: str) -> str:
        return self.reach.secrets.scrub(visible(text))


def _signed_in(azure: Azure, word: str, token: str) -> Iterator[Finding]:
    who = _claims(token)
    tenant, identity = visible(str(who.get("tid") or "")), visible(str(who.get("oid") or who.get("appid") or ""))
    yield ok("credential", f"{word}{f', as {identity}' if identity else ''}{f', of tenant {tenant}' if tenant else ''}")
    text = f"subscription {azure.subscription}, resource group {azure.resource_group}, cloud {azure.cloud}"
    if azure.tenant and tenant and azure.tenant.casefold() != tenant.casefold():
        yield fail("azure", f"{text}: tenant {azure.tenant} was declared", "sign in there, or mend azure.tenant of the host")
    else:
        yield ok("azure", text)


def _claims(token: str) -> Mapping[str, Any]:
    """What a token says of its owner. It is Azure's own and may be in any form: then nothing is shown."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _vm(facts: AzureFacts) -> Iterator[Finding]:
    system = facts.os_name or facts.image or facts.os_type or "system unknown"
    text = f"{facts.size} in {facts.location}, {facts.power or 'power unknown'}, {system}, {facts.security_type}"
    if facts.stopped:
        yield warn("vm", text, "extensions of a VM that does not run can be neither changed nor deleted: their steps wait; nothing here starts it", "AZR010")
    elif facts.busy:
        yield warn("vm", f"{text}; {facts.busy}", "somebody is at work on it: a run waits until that ended")
    else:
        yield ok("vm", text)


def _agent(facts: AzureFacts) -> Iterator[Finding]:
    if facts.power != RUNNING:
        yield left("agent", "the VM does not run" if facts.stopped else "Azure does not say whether the VM runs")
    elif facts.agent != "Ready":
        yield warn("agent", facts.agent or "nothing is known of it", f"it runs extensions, and reports by {WIRE_SERVER}, ports 80 and 32526", "AZR011")
    else:
        yield ok("agent", f"Ready{f', {facts.agent_version}' if facts.agent_version else ''}")
    yield left("wire server", f"{WIRE_SERVER} is not asked from the host; an agent that is Ready reports by it")


def _extensions(body: Mapping[str, Any]) -> Iterator[Finding]:
    there = {visible(str(one.get("name"))): one.get("properties") for one in body.get("resources") or () if isinstance(one, Mapping)}
    failed = [name for name, said in there.items() if isinstance(said, Mapping) and str(said.get("provisioningState")).casefold() == "failed"]
    if failed:
        yield warn("extensions", f"{_some(failed)} failed", "Azure changes no other extension until it is mended or deleted", "AZR013")
    else:
        yield ok("extensions", f"{len(there)} there: {_some(list(there))}" if there else "none there yet")


def _allowed(needs: Needs, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    missing, facts = lacking(needs.actions, rows), lacking(needs.told, rows)
    if missing:
        yield fail("rights", f"not allowed here: {_some(missing)}", SEARCHED["AuthorizationFailed"], "AZR113")
    else:
        yield ok("rights", f"all {len(needs.actions)} actions that the specs need")
    if facts:
        yield warn("rights", f"not allowed: {_some(facts)}", "optional: without it rules about sizes and versions wait; it is given at the subscription")


def _untold(answer: Response) -> Finding:
    code, _ = answer.error
    return warn("rights", f"Azure does not tell what this identity may do ({answer.status} {visible(code)})", "a write that is refused names its action")


def _way(failed: ReconcilerError) -> str:
    match failed:
        case Throttled():
            return "then the same again"
        case Unreachable():
            return "see that this machine reaches Azure Resource Manager: line, proxy, firewall"
    return ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
