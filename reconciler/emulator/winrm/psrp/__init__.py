"""PowerShell remoting (MS-PSRP) of emulated hosts: runspace pools behind the resource URIs `…/powershell/<configuration>`.

`endpoint.serve` puts a `Psrp` beside the text shells. The protocol itself is psrpcore's (extra `psrp`), loaded at the first pool.
"""

from reconciler.emulator.winrm.psrp.configuration import FULL, Configuration
from reconciler.emulator.winrm.psrp.resource import Psrp

__all__ = ["FULL", "Configuration", "Psrp"]
