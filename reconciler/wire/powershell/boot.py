"""What the bootstrap says when it does not start the invoker, and what a person can do about it.

`hosts` hands it what came instead of a first frame; `doctor` shows the same. It reads `#HVBOOT` lines and nothing else.
"""

from __future__ import annotations

import re

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.wire.text import visible

CODE = "HST042"
_LINE = re.compile(r"^#HVBOOT (mode|fail) (\S.*?)\s*$", re.MULTILINE)
_LANGUAGES = {
    "ConstrainedLanguage": "a policy (App Control for Business or AppLocker) lets only signed scripts use all of PowerShell",
    "RestrictedLanguage": "the account's sessions may run commands, but no script",
    "NoLanguage": "the session is a restricted endpoint (JEA), where no script runs",
}
_SIGNED = (
    "allow the product there: `reconcile jea` writes a module with the same invoker; sign it with a certificate that the policy trusts,"
    " install it, and set connection.transport to psrp with its configurationName and mode function"
)
_BROKEN = {
    "torn": "the invoker did not arrive whole: something between here and the host shortens or changes what is sent",
    "FormatException": "what arrived is no packed script: something between here and the host changes what is sent",
    "InvalidDataException": "what arrived is no packed script: something between here and the host changes what is sent",
    "empty": "nothing arrived: standard input was closed before the invoker was sent",
    "ParseException": "this PowerShell does not read the invoker; it needs Windows PowerShell 5.1 or PowerShell 7",
}
_ANTIVIRUS = "ScriptContainedMaliciousContent"


def explain_boot(text: str, subject: str = "") -> Diagnostic | None:
    """What `text`, the first output of a session's process, says of a start that failed; None where it says nothing of the kind."""
    found = _LINE.search(text)
    if found is None:
        return None
    kind, word = found[1], visible(found[2])
    if kind == "mode":
        why = _LANGUAGES.get(found[2], "the host restricts PowerShell")
        return Diagnostic(CODE, Severity.ERROR, f"PowerShell runs in {word} there", subject=subject, why=why, help=_SIGNED)
    return _failed(found[2], word, subject)


def _failed(id: str, word: str, subject: str) -> Diagnostic:
    first = id.partition(",")[0]
    if first == _ANTIVIRUS:
        why, help = "the host's antivirus refused the invoker", "have the antivirus allow the invoker; `reconcile doctor` prints its SHA-256"
    else:
        why, help = (
            _BROKEN.get(first, "an error in PowerShell itself, named above"),
            "try again; where it stays, send this line with the output of `reconcile doctor`",
        )
    return Diagnostic(CODE, Severity.ERROR, f"the session did not start: {word}", subject=subject, why=why, help=help)
