"""What can go wrong with a session configuration; everything else is in `hosts.winrm.errors`.

TransportError
├── NoConfiguration                HST046  the host has no such session configuration, or not for this account
├── OtherInvoker                   HST047  the function module that is installed there is of another version
└── ObservesOnly                   HST048  mode cmdlet changes nothing
"""

from __future__ import annotations

from reconciler.core.errors import TransportError


class NoConfiguration(TransportError):
    code = "HST046"


class OtherInvoker(TransportError):
    code = "HST047"


class ObservesOnly(TransportError):
    code = "HST048"
