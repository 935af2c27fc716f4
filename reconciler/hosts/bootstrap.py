"""The block to paste on a Windows host where nothing listens yet: an HTTPS listener of WinRM, its certificate, a firewall rule.

`reconcile bootstrap` prints it. It is text for a person to read and paste; nothing here reaches a host. The script is a constant
(`wire/powershell/listener.ps1`); names and numbers are its arguments, as quoted literals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

PORT = 5986
HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*")
SOURCE = re.compile(r"Any|LocalSubnet|[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?(-[0-9A-Fa-f.:]{2,45})?")
HEAD = """\
# Paste this into Windows PowerShell, started as administrator, on {host}. Doing so again does no harm.
# It makes WinRM listen on port {port} over TLS, {certificate}, and opens the firewall to: {sources}.
# The account that reconcile signs in with must be an administrator there. In a workgroup, a local account other than the built-in
# Administrator is filtered unless LocalAccountTokenFilterPolicy is 1; its password belongs in no manifest.
"""


def is_host(name: str) -> bool:
    """Whether a certificate can be made out to `name`: a host name or an address without a port."""
    return HOST.fullmatch(name) is not None


def is_source(text: str) -> bool:
    """Whether a firewall rule can be limited to `text`: an address, a range, a network, LocalSubnet or Any."""
    return SOURCE.fullmatch(text) is not None


def listener_block(host: str, port: int = PORT, sources: Sequence[str] = ("LocalSubnet",), *, rebind: bool = False) -> str:
    """The text to paste. `sources`: who may connect; `rebind`: take the newest certificate that the host has for this name."""
    certificate = f"with its newest certificate for {host}" if rebind else "with a certificate that it makes itself"
    head = HEAD.format(host=host, port=port, certificate=certificate, sources=", ".join(sources))
    script = (files("reconciler.wire.powershell") / "listener.ps1").read_text(encoding="ascii").rstrip("\n")
    given = f"-Name {_quoted(host)} -Port {port} -From {', '.join(map(_quoted, sources))} -Keep {'$true' if rebind else '$false'}"
    return f"{head}{script} {given}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
