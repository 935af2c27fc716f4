"""What a WinRM service refuses of CIM, under Windows' own numbers. `wmi` raises them.

Recorded by others: 2150858778 for an unknown class or namespace in a query, 2150858752 for an instance that is not there, 2150859002 for a
Get without keys (Microsoft's own sample). The rest are Windows' constants; that the service gives just these where we do is unverified.
"""

from __future__ import annotations

from reconciler.emulator.cim.repository import INVALID_CLASS, INVALID_NAMESPACE, NOT_FOUND, CimError
from reconciler.emulator.winrm.wsman import WsFault

NO_RESOURCE, DIALECT, FILTER, CONTEXT, TOO_LARGE, MODE = 2150858752, 2150858777, 2150858778, 2150858779, 2150858824, 2150858886
NO_KEYS, WQL_URI = 2150859002, 2150859003


def refused(error: CimError, queried: bool) -> WsFault:
    """How WinRM passes on what WMI said: of a query as a filter that cannot be processed, else as a resource that is not found."""
    if error.hresult in (INVALID_CLASS, INVALID_NAMESPACE, NOT_FOUND) and not queried:
        reason = "The WS-Management service cannot process the request. The service cannot find the resource identified by the resource URI and selectors."
        return WsFault(NO_RESOURCE, "a:DestinationUnreachable", reason, sender=True, detail="InvalidResourceURI")
    reasons = {
        INVALID_CLASS: "The WS-Management service cannot process the request. The specified class does not exist in the given namespace.",
        INVALID_NAMESPACE: "The WS-Management service cannot process the request. The namespace of the query does not exist.",
    }
    reason = reasons.get(error.hresult, "The data source could not process the filter. The filter might be missing or it might be invalid.")
    return WsFault(FILTER, "n:CannotProcessFilter", reason, sender=True, wmi=error.hresult == INVALID_NAMESPACE)


def no_dialect() -> WsFault:
    return WsFault(DIALECT, "n:FilterDialectRequestedUnavailable", "The requested filter dialect is not supported.", sender=True)


def no_context() -> WsFault:
    reason = "The WS-Management service cannot process the request. The enumeration context is invalid: it is unknown, used up or released."
    return WsFault(CONTEXT, "n:InvalidEnumerationContext", reason)


def too_large() -> WsFault:
    reason = "The WS-Management service cannot process the request. The computed response packet size exceeds the maximum envelope size that is allowed."
    return WsFault(TOO_LARGE, "w:EncodingLimit", reason, sender=True, detail="MaxEnvelopeSizeExceeded")


def no_mode() -> WsFault:
    return WsFault(MODE, "w:UnsupportedFeature", "The enumeration mode is not supported here: objects only.", sender=True, detail="EnumerationMode")


def no_keys() -> WsFault:
    reason = "The resource URI is not valid: it does not contain keys, but the class selected is not a singleton."
    return WsFault(NO_KEYS, "w:InvalidSelectors", reason, sender=True, wmi=True)


def query_on_a_class() -> WsFault:
    reason = "The resource URI for a WQL enumeration ends with an asterisk in place of the class."
    return WsFault(WQL_URI, "w:CannotProcessFilter", reason, sender=True)
