"""Microsoft.PowerShell.Utility and .Security: hash, download, signature. Sources: windows-outputs Get-FileHash, Get-AuthenticodeSignature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.items import entries
from reconciler.emulator.eflow import MODULE, PUBLISHER, PUBLISHER_NAME
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.machine import Machine
from reconciler.emulator.stores import FileEntry, parent

RATE = 12 << 20  # bytes a second of a download
WEB_EXCEPTION = "System.Net.WebException"


@cmdlet("Get-FileHash", "windows-outputs Get-FileHash")
def get_hash(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    literal = "LiteralPath" in bound
    algorithm = bound.get("Algorithm", "SHA256").upper()
    for path in bound["LiteralPath"] if literal else bound["Path"]:
        found = [e for e in entries(machine, path, not literal) if not e.folder]
        if not found:
            bound.fail(CmdletError("FileNotFound", "ObjectNotFound", machine.text("path", name=path), "System.IO.FileNotFoundException"))
        for entry in found:
            bound.takes(entry.size / (300 << 20))
            if entry.locked:
                bound.fail(CmdletError("FileReadError", "ReadError", machine.text("in use"), "System.IO.IOException"))
            else:
                yield {"Algorithm": algorithm, "Hash": entry.sha256.upper(), "Path": entry.path}


@cmdlet("Invoke-WebRequest", "windows-cmdlets Invoke-WebRequest; ids are code:PowerShell engine (WebCmdletWebResponseException)")
def web_request(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    url = bound["Uri"]
    file = machine.site.web.get(url)
    bound.takes(0.6)
    if file is None or file.status != 200:
        text = f"The remote server returned an error: ({file.status})." if file else "The remote name could not be resolved."
        raise CmdletError("WebCmdletWebResponseException", "InvalidOperation", text, WEB_EXCEPTION)
    bound.takes(file.size / RATE)
    if "OutFile" not in bound:
        yield {"StatusCode": 200, "StatusDescription": "OK", "RawContentLength": file.size}
        return
    target = bound["OutFile"]
    if machine.files.find(parent(target)) is None:
        message = f"Could not find a part of the path '{target}'."
        raise CmdletError("System.IO.DirectoryNotFoundException", "NotSpecified", message, "System.IO.DirectoryNotFoundException")
    if file.size >> 30 >= machine.free_gb:
        raise CmdletError("System.IO.IOException", "NotSpecified", "There is not enough space on the disk.", "System.IO.IOException")
    machine.files.place(target, file.size, file.sha256, machine.local_now)
    if bound.on("PassThru"):
        yield {"StatusCode": 200, "StatusDescription": "OK", "RawContentLength": file.size}


@cmdlet("Get-AuthenticodeSignature", "windows-outputs Get-AuthenticodeSignature; which certificate signs EFLOW is unverified")
def get_signature(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    literal = "LiteralPath" in bound
    for path in bound["LiteralPath"] if literal else bound.get("FilePath", []):
        found = entries(machine, path, not literal)
        if not found:
            bound.fail(CmdletError("SignatureCommandsBaseFileNotFound", "ObjectNotFound", machine.text("path", name=path)))
        for entry in found:
            signer = _signer(machine, entry)
            yield {
                "Path": entry.path,
                "Status": "Valid" if signer else "NotSigned",
                "StatusMessage": "Signature verified." if signer else "The file is not digitally signed.",
                "SignatureType": "Authenticode" if signer else "None",
                "IsOSBinary": False,
                "SignerCertificate": signer,
                "TimeStamperCertificate": None,
            }


def _signer(machine: Machine, entry: FileEntry) -> dict[str, Any] | None:
    """Packages of the emulated web are signed, and the module that EFLOW's lays down (eflow-domain 1.2: its trust chain must validate)."""
    packed = any(file.sha256.upper() == entry.sha256.upper() for file in machine.site.web.values())
    module = entry.path.casefold() == MODULE.casefold() and machine.eflow.installed
    return {"Thumbprint": PUBLISHER, "Subject": PUBLISHER_NAME} if packed or module else None
