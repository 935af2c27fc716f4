"""What keeps a host from being managed, and what a run would meet there: everything is asked first, then judged by small pure functions.

`examine` is the way in. It signs in once, asks by WMI and by a session, and neither writes nor sends any secret besides the sign-in itself.
Where PowerShell is blocked, what WMI says is all there is. `Clinic.beside` takes what others find about a host without going there
(Azure): their findings are shown below.
"""

from reconciler.hosts.doctor.examine import CHECKS, WORDS, Beside, Clinic, examine

__all__ = ["CHECKS", "WORDS", "Beside", "Clinic", "examine"]
