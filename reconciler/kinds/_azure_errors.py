"""Every error of Azure Resource Manager that is known, in words: what it means, what to do. Data, and one function.

Sources: azure-extensions 1.6; arm-contract "Rules worth having" for those marked [mem], which no source confirms.
"""

from __future__ import annotations

from reconciler.core.calls import CallError
from reconciler.core.observations import Meaning
from reconciler.kinds._azure_outcomes import Outcome, exit_code, outcome, terminal

# error code → (our code, what it means, what to do)
ERRORS: dict[str, tuple[str, str, str]] = {
    "MissingApiVersionParameter": ("AZR110", "a defect of ours: the request names no api-version", "report it"),
    "InvalidApiVersionParameter": ("AZR110", "the service does not know this api-version", "leave the override of the api-version out"),
    "InvalidRequestContent": ("AZR110", "the service cannot read the request", "report it, with the plan"),
    "InvalidParameter": ("AZR111", "a value of the spec is not one that the service takes", "mend the field that it names"),
    "BadRequest": ("AZR111", "the service takes the request for impossible", "mend what it names"),
    "AuthenticationFailed": ("AZR112", "the token was refused", "sign in again where this command runs; reconcile doctor says with what"),
    "ExpiredAuthenticationToken": ("AZR112", "the token is too old, and so was a new one", "check the clock where this command runs, then sign in again"),
    "AuthorizationFailed": ("AZR113", "the identity may not do this here", "allow it the action at the scope that stand above"),
    "ResourceNotFound": ("AZR114", "it is not there any more", "plan again"),
    "ParentResourceNotFound": ("AZR115", "there is no such VM or scale set", "check azure.vm, azure.resourceGroup and azure.subscription of the host"),
    "ResourceGroupNotFound": ("AZR115", "there is no such resource group", "check azure.resourceGroup and azure.subscription of the host"),
    "SubscriptionNotFound": ("AZR115", "there is no such subscription for this identity", "check azure.subscription and azure.tenant of the host"),
    "ArtifactNotFound": (
        "AZR116",
        "this region has no extension of that publisher and type",
        "check both: az vm extension image list shows what there is",
    ),
    "ArtifactVersionNotFound": (
        "AZR116",
        "this region has no version that satisfies the one asked for",
        "az vm extension image list-versions shows them",
    ),
    "PropertyChangeNotAllowed": ("AZR117", "publisher and type of an extension cannot be changed in place", "plan again: it becomes a replace"),
    "OperationNotAllowed": ("AZR118", "the VM does not allow it now", "see what it names; start the VM, or mend that one"),
    "Conflict": ("AZR119", "somebody else is at work on the VM", "wait until that ended, then apply again"),
    "MissingSubscriptionRegistration": ("AZR120", "Microsoft.Compute is not registered there", "az provider register --namespace Microsoft.Compute"),
    "VMExtensionProvisioningError": ("AZR121", "the extension's handler reported a failure", "read its message, and the log on the VM"),
    "VMExtensionHandlerNonTransientError": ("AZR122", "the handler's command died", "read its message, and the log on the VM"),
    "VMExtensionProvisioningTimeout": ("AZR123", "the handler did not end in the time that the platform gives it", "apply again: it is run anew"),
    "VMAgentStatusCommunicationError": (
        "AZR124",
        "the VM's agent does not report",
        "see that the VM runs, that its agent does, and that it reaches 168.63.129.16 on ports 80 and 32526",
    ),
    "VMExtensionManagementInternalError": ("AZR123", "the platform failed within itself", "apply again: it is run anew"),
    "OperationPreempted": ("AZR125", "a later write by somebody else took its place", "look whose it is (tag reconciler.run), then plan again"),
    "TooManyRequests": ("AZR126", "the quota of requests is used up", "wait as long as it says"),
    "ScopeLocked": ("AZR127", "a lock on the VM, its group or subscription forbids it [mem]", "have the lock taken away, or let it be"),
    "RequestDisallowedByPolicy": ("AZR128", "an Azure policy forbids it [mem]", "see the policy that it names"),
}

# texts within BadRequest and OperationNotAllowed, which one code stands for many things: (part of the message, code, meaning, next)
TEXTS: tuple[tuple[str, str, str, str], ...] = (
    (
        "multiple vmextensions per handler",
        "AZR130",
        "Windows takes one extension of a handler, and this VM has one under another name",
        "declare it under that name: it is then adopted",
    ),
    ("enableautomaticupgrade", "AZR131", "this handler does not support automatic upgrade", "set enableAutomaticUpgrade: false"),
    ("vm is not running", "AZR132", "the VM does not run, and extensions of a stopped VM cannot be changed", "start the VM; nothing here ever does"),
    ("in failed state", "AZR133", "another extension of the VM has failed, and stands in the way", "mend or delete the one that it names"),
    ("cannot update handlerversion", "AZR134", "two extensions of one handler ask for different versions", "give both the same version and upgrade flags"),
    ("multiple vm extensions failed", "AZR135", "several extensions of the VM failed", "look at each: reconcile plan"),
    ("another operation is in progress", "AZR119", "somebody else is at work on the VM", "wait until that ended, then apply again"),
    ("marked for deletion", "AZR119", "it is being deleted by somebody else", "wait until that ended, then apply again"),
)
RUNS = ("VMExtensionProvisioningError", "VMExtensionHandlerNonTransientError")


def explain(error: CallError) -> Meaning | None:
    """What an error of Azure means; None for one that nobody here knows."""
    text = error.message.casefold()
    told = next((Meaning(code, means, do) for part, code, means, do in TEXTS if part in text), None)
    if told is not None:
        return told
    code = exit_code(error.message, "") if error.id in RUNS else None
    if code is not None:
        return _ended(code)
    found = ERRORS.get(error.id)
    return Meaning(*found) if found else None


def _ended(code: int) -> Meaning:
    """A failure that names the installer's exit code."""
    if outcome("", code, failed=True) is Outcome.STOP:
        return terminal(code, "the installer")
    if outcome("", code, failed=True) is Outcome.AGAIN:
        return Meaning("AZR103", f"the installer ran out of time (exit code {code})", "apply again: it is run anew")
    return Meaning("AZR104", f"the installer waits for a restart (exit code {code})", "restart the VM, or set restart: when-asked")
