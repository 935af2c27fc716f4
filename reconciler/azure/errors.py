"""What can go wrong before Azure answers. What Azure answers is `core.errors.ArmRefused`, `Throttled`, or an answer's own error."""

from __future__ import annotations

from reconciler.core.errors import TransportError


class NoToken(TransportError):
    """No credential gave a token for Azure Resource Manager."""

    code = "AZR401"


class NoAzure(TransportError):
    """The libraries for Azure are not installed."""

    code = "AZR400"

    def __init__(self) -> None:
        super().__init__("hosts with `azure:` need the extra azure: pip install 'edge-reconciler[azure]'")


class Untrusted(TransportError):
    """What answers for Azure shows a certificate that this machine does not trust: nothing was sent."""

    code = "AZR403"
