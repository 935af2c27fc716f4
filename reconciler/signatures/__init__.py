"""The official signatures of cmdlets, shipped with the product: what may be called, what comes back, and how a person would type it.

`catalogue()` has the facts, `check_call` judges a call by them (law 6), `powershell` prints one. No I/O but reading the shipped data.
"""

from reconciler.signatures.arm import address, arm_catalogue, check_arm, resolved
from reconciler.signatures.catalogue import Catalogue, CmdletSignature, Missing, OutputSignature, ParameterSet, ParameterSignature, PropertySignature, catalogue
from reconciler.signatures.check import check_call, check_word
from reconciler.signatures.printer import powershell, script

__all__ = [
    "Catalogue",
    "CmdletSignature",
    "Missing",
    "OutputSignature",
    "ParameterSet",
    "ParameterSignature",
    "PropertySignature",
    "address",
    "arm_catalogue",
    "catalogue",
    "check_arm",
    "check_call",
    "check_word",
    "powershell",
    "resolved",
    "script",
]
