"""The faults that an emulated WinRM service answers with, each under Windows' own number.

Seen in recordings of real services: timed_out, no_shell, no_command, no_file (winrm.md 1.4 and 5). The numbers of the others are
Windows' constants; that the service gives just these where we do is unverified for aborted, pipe_closing and too_many_processes.
"""

from __future__ import annotations

from reconciler.emulator.winrm.wsman import WsFault

TIMED_OUT = 2150858793
NO_SHELL = 2150858843
SHELLS = 2150859173
OPERATIONS = 2150859174
ABORTED = 995
PIPE_CLOSING = 232
SELECTORS = "The WS-Management service cannot process the request because the request contained invalid selectors for the resource."


def timed_out() -> WsFault:
    return WsFault(TIMED_OUT, "w:TimedOut", "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")


def no_shell() -> WsFault:
    return WsFault(NO_SHELL, "w:InvalidSelectors", SELECTORS, sender=True, detail="UnexpectedSelectors")


def no_command() -> WsFault:
    reason = "The Windows Remote Shell received a request to perform an operation on a command identifier that does not exist."
    return WsFault(NO_SHELL, "w:InvalidSelectors", reason, sender=True, detail="UnexpectedSelectors")


def too_many_shells(limit: int) -> WsFault:
    reason = f"This user is allowed a maximum number of {limit} concurrent shells, which has been exceeded."
    return WsFault(SHELLS, "w:QuotaLimit", reason, sender=True)


def too_many_operations(limit: int) -> WsFault:
    reason = f"The maximum number of concurrent operations for this user ({limit}) has been exceeded."
    return WsFault(OPERATIONS, "w:InternalError", reason, wmi=True)


def too_many_processes() -> WsFault:
    return WsFault(2147944216, "w:InternalError", "Not enough quota is available to process this command.")


def aborted() -> WsFault:
    reason = "The I/O operation has been aborted because of either a thread exit or an application request."
    return WsFault(ABORTED, "w:InternalError", reason)


def pipe_closing() -> WsFault:
    return WsFault(PIPE_CLOSING, "w:InternalError", "The pipe is being closed.")


def no_file() -> WsFault:
    return WsFault(2147942402, "w:InternalError", "The system cannot find the file specified.")


def bad_schema(what: str) -> WsFault:
    reason = f"The SOAP XML in the message does not match the corresponding XML schema definition: {what}."
    return WsFault(2150858817, "w:SchemaValidationError", reason, sender=True)


def no_resource() -> WsFault:
    reason = "The WS-Management service cannot process the request. The resource URI is missing or no such resource is served here."
    return WsFault(2150858752, "a:DestinationUnreachable", reason, sender=True, detail="InvalidResourceURI")


def no_action() -> WsFault:
    reason = "The WS-Management service cannot process the request. The action is not supported by the resource."
    return WsFault(2150858753, "a:ActionNotSupported", reason, sender=True)


def envelope_too_large() -> WsFault:
    reason = "The request size exceeded the configured MaxEnvelopeSize quota."
    return WsFault(2150858824, "w:EncodingLimit", reason, sender=True, detail="MaxEnvelopeSizeExceeded")


def envelope_too_small() -> WsFault:
    reason = "The client's MaxEnvelopeSize is below the 8192 bytes that an answer needs."
    return WsFault(2150858878, "w:EncodingLimit", reason, sender=True, detail="MinimumEnvelopeLimit")
