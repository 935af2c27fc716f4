"""References to values that must not be seen: resolved late, kept out of every text, remembered only as salted hashes.

`vault.Vault` implements `core.transport.Secrets`; `fingerprint` is what a ledger may hold instead of a value.
"""

from reconciler.secrets.fingerprint import fingerprint, matches, new_salt
from reconciler.secrets.vault import Vault

__all__ = ["Vault", "fingerprint", "matches", "new_salt"]
