"""What an emulated WinRM service allows, who may sign in, what starting things costs, and how its time passes.

Handed to `serve`; values are those of a current Windows Server where nothing else is said (winrm.md 1.4).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A local administrator of every host. `domain` is what a client must name with it; empty: none, or the host's own name."""

    user: str = "Administrator"
    password: str = "Emulated-Passw0rd!"
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of the service; each, exceeded, is a fault of its own."""

    shells_per_user: int = 30
    processes_per_shell: int = 25
    operations_per_user: int = 1500  # text shells never give one back before WinRM restarts
    envelope: int = 500 * 1024  # bytes, in both directions
    timeout: float = 60.0  # the longest OperationTimeout that is waited for
    shell_idle: float = 7200.0  # seconds of the estate's time
    connection_idle: float = 120.0  # real seconds until an idle connection is dropped


@dataclass(frozen=True, slots=True)
class Costs:
    """Stated seconds for what is slow on Windows, so that comparisons are fair. They pass in the estate's time, and also really where `real`.

    `process`: the start of a PowerShell; `module`: the first use of a module in a process; `invoker`: what our own script takes to be there
    in a process that has started; `call`: what it spends on one call, whatever the cmdlet takes.
    """

    process: float = 0.0
    module: float = 0.0
    invoker: float = 0.0
    call: float = 0.0
    real: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """`pace`: seconds of the estate a real second; None: its time moves only by the work that hosts do, which then takes no real time."""

    accounts: tuple[Account, ...] = (Account(),)
    basic: bool = True
    negotiate: bool = True
    certificate: bool = True
    allow_unencrypted: bool = False
    binding: bool = True  # over HTTPS, NTLM must name the channel that it runs in
    quotas: Quotas = Quotas()
    costs: Costs = Costs()
    pace: float | None = None
    seed: int = 1


DEFAULTS = Settings()
