"""What can go wrong between a controller and a host that is reached over WinRM, or another transport of the same failures.

TransportError
├── Unreachable                    HST010  transient; `sent`: a write may have acted
│   ├── Resting                    HST012  failed too often lately: not tried for a while
│   ├── OutOfTime                  HST013  no answer within the deadline
│   ├── Unavailable                HST014  HTTP 404, 408, 429, 503: the service is not up (yet)
│   ├── Broken                     HST015  the connection broke, or a gateway gave up (HTTP 502, 504); what was sent may have been executed
│   ├── StaleSeal                  HST016  HTTP 400: sealed for a connection that is gone; not executed
│   ├── Unsure                     HST017  a Send that timed out there or found the pipe busy; may be executed later
│   ├── ShellGone                  HST040  shell or command is gone: idle timeout, service restart, reboot, killed
│   └── ProcessEnded               HST041  the powershell process ended
│   ├── NobodyListens                  HST018  the machine is up and refuses the port: no listener yet, or the service is down
├── TlsRefused                     HST020  certificate or TLS versions
├── SignInRefused                  HST021  HTTP 401
├── BadConnection                  HST022  the connection's fields cannot be used: said before anything is sent
├── Forbidden                      HST023  signed in, and not allowed
├── Unencrypted                    HST024  the service refuses messages that are not encrypted
├── SignInStopped                  HST025  refused twice: this principal is not tried any more
├── BootFailed                     HST042  PowerShell runs, and not our invoker
├── NoPowerShell                   HST043  the process cannot be started
├── Quota                          HST045  transient; shells, processes or operations of this user
└── WireError
    ├── Hostile                    HST061  an answer that breaks a rule of ours: not sealed, redirected, too large, DOCTYPE
    └── Faulted                    HST062  any other WS-Man fault, in the host's words

`NoAnswerYet` is no failure: a Receive found nothing in its time.
"""

from __future__ import annotations

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.errors import TransportError, Unreachable, WireError


class NoAnswerYet(TransportError):
    """Receive again."""

    code = "HST010"
    transient = True


class Resting(Unreachable):
    code = "HST012"


class OutOfTime(Unreachable):
    code = "HST013"


class Unavailable(Unreachable):
    code = "HST014"


class Broken(Unreachable):
    code = "HST015"


class StaleSeal(Unreachable):
    code = "HST016"


class Unsure(Unreachable):
    code = "HST017"


class NobodyListens(Unreachable):
    code = "HST018"


class ShellGone(Unreachable):
    code = "HST040"


class ProcessEnded(Unreachable):
    code = "HST041"


class TlsRefused(TransportError):
    code = "HST020"


class SignInRefused(TransportError):
    code = "HST021"


class BadConnection(TransportError):
    code = "HST022"


class Forbidden(TransportError):
    code = "HST023"


class Unencrypted(TransportError):
    code = "HST024"


class SignInStopped(TransportError):
    code = "HST025"


class BootFailed(TransportError):
    code = "HST042"
    explained: Diagnostic | None = None  # where the bootstrap itself said why


class NoPowerShell(TransportError):
    code = "HST043"


class Quota(TransportError):
    code = "HST045"
    transient = True


class Hostile(WireError):
    code = "HST061"


class Faulted(WireError):
    code = "HST062"
    number: int | None = None  # of the fault, where Windows gave one
