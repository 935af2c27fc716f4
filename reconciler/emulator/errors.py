"""Errors as a cmdlet raises them: a stable id and category, and a message in the machine's own language.

Cmdlet functions raise `CmdletError`; `powershell.execute` turns it into an `ErrorRecord` of the outcome. Ids and categories are
never localised; messages are, and nothing may branch on them.
"""

from __future__ import annotations

from dataclasses import dataclass

CIM = "Microsoft.Management.Infrastructure.CimException"
CIM_JOB = "Microsoft.PowerShell.Cmdletization.Cim.CimJobException"
BINDING = "System.Management.Automation.ParameterBindingException"
VALIDATION = "System.Management.Automation.ParameterBindingValidationException"
TRANSFORMATION = "System.Management.Automation.ParameterBindingArgumentTransformationException"
HYPERV = "Microsoft.HyperV.PowerShell.VirtualizationException"

# name of a text: English, German. The German ones are what a person sees on a German host.
TEXTS: dict[str, tuple[str, str]] = {
    "command": (
        "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program.",
        'Die Benennung "{name}" wurde nicht als Name eines Cmdlet, einer Funktion, einer Skriptdatei oder eines ausführbaren Programms erkannt.',
    ),
    "parameter": (
        "A parameter cannot be found that matches parameter name '{parameter}'.",
        'Es wurde kein Parameter gefunden, der dem Parameternamen "{parameter}" entspricht.',
    ),
    "ambiguous": (
        "Parameter cannot be processed because the parameter name '{parameter}' is ambiguous.",
        'Der Parameter kann nicht verarbeitet werden, da der Parametername "{parameter}" nicht eindeutig ist.',
    ),
    "set": (
        "Parameter set cannot be resolved using the specified named parameters.",
        "Der Parametersatz kann mit den angegebenen benannten Parametern nicht aufgelöst werden.",
    ),
    "mandatory": (
        "Cannot process command because of one or more missing mandatory parameters: {parameter}.",
        "Der Befehl kann nicht verarbeitet werden, da mindestens ein erforderlicher Parameter fehlt: {parameter}.",
    ),
    "convert": (
        'Cannot process argument transformation on parameter \'{parameter}\'. Cannot convert value "{value}" to type "{type}".',
        'Die Argumenttransformation für den Parameter "{parameter}" schlug fehl: "{value}" kann nicht in den Typ "{type}" konvertiert werden.',
    ),
    "value": (
        'Cannot validate argument on parameter \'{parameter}\'. The argument "{value}" does not belong to the set "{type}".',
        'Das Argument für den Parameter "{parameter}" kann nicht überprüft werden. Das Argument "{value}" gehört nicht zum Satz "{type}".',
    ),
    "empty": (
        "Cannot bind argument to parameter '{parameter}' because it is an empty string.",
        'Das Argument kann nicht an den Parameter "{parameter}" gebunden werden, da es sich um eine leere Zeichenfolge handelt.',
    ),
    "none found": (
        "No {what} objects found with property '{property}' equal to '{value}'.  Verify the value of the property and retry.",
        'Es wurden keine {what}-Objekte gefunden, bei denen die Eigenschaft "{property}" gleich "{value}" ist. Überprüfen Sie den Wert.',
    ),
    "denied": ("Access is denied.", "Zugriff verweigert"),
    "invalid parameter": ("The parameter is incorrect.", "Falscher Parameter."),
    "not found": ("Element not found.", "Element nicht gefunden."),
    "in use": (
        "The process cannot access the file because it is being used by another process.",
        "Der Prozess kann nicht auf die Datei zugreifen, da sie von einem anderen Prozess verwendet wird.",
    ),
    "class": ("Invalid class", "Ungültige Klasse"),
    "query": ("Invalid query", "Ungültige Abfrage"),
    "service": ("There are no more endpoints available from the endpoint mapper.", "Es sind keine weiteren Endpunkte verfügbar."),
    "no vm": ('Hyper-V was unable to find a virtual machine with name "{name}".', 'Hyper-V konnte keinen virtuellen Computer mit dem Namen "{name}" finden.'),
    "no switch": (
        'Hyper-V was unable to find a virtual switch with name "{name}".',
        'Hyper-V konnte keinen virtuellen Switch mit dem Namen "{name}" finden.',
    ),
    "wmi class": (
        "Hyper-V could not access an expected WMI class on computer '{name}'. This may indicate that the Hyper-V Platform is not installed on the computer.",
        'Hyper-V konnte auf dem Computer "{name}" nicht auf eine erwartete WMI-Klasse zugreifen. Möglicherweise ist die Hyper-V-Plattform nicht installiert.',
    ),
    "rights": (
        "You do not have the required permission to complete this task. Contact the administrator of the authorization policy for the computer '{name}'.",
        'Sie verfügen nicht über die erforderliche Berechtigung, um diese Aufgabe auszuführen (Computer "{name}").',
    ),
    "path": ("Cannot find path '{name}' because it does not exist.", 'Der Pfad "{name}" kann nicht gefunden werden, da er nicht vorhanden ist.'),
    "property": ("Property {name} does not exist at path {path}.", 'Die Eigenschaft "{name}" ist im Pfad "{path}" nicht vorhanden.'),
    "no service": ("Cannot find any service with service name '{name}'.", 'Es kann kein Dienst mit dem Dienstnamen "{name}" gefunden werden.'),
    "feature": (
        "The target of the specified cmdlet cannot be a Windows client-based operating system, or the role, role service or feature '{name}' was not found.",
        'Die Rolle, der Rollendienst oder das Feature "{name}" wurde nicht gefunden.',
    ),
    "scope": (
        "Failed to get information for scope {name} on DHCP server {host}.",
        'Fehler beim Abrufen von Informationen zum Bereich "{name}" auf dem DHCP-Server "{host}".',
    ),
}


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """What PowerShell shows of an error. `id` is the FullyQualifiedErrorId with the command's suffix."""

    id: str
    category: str
    message: str
    exception: str
    terminating: bool = True


class CmdletError(Exception):
    """Raised by a cmdlet function. `id` has no suffix yet unless it carries a comma; `powershell` adds the command's own."""

    def __init__(
        self, id: str, category: str, message: str, exception: str = "System.Management.Automation.RuntimeException", terminating: bool = True
    ) -> None:
        super().__init__(message)
        self.id = id
        self.category = category
        self.message = message
        self.exception = exception
        self.terminating = terminating


def text(language: str, name: str, /, **values: object) -> str:
    """The text called `name` in `language` (German or else English)."""
    english, german = TEXTS[name]
    return (german if language.startswith("de") else english).format(**values)


def unverified(message: str, category: str = "NotSpecified") -> CmdletError:
    """An error whose id the reference does not know; nothing may branch on it."""
    return CmdletError("Unverified", category, message)
