"""A value that must not be stored, as a salted scrypt hash: enough to tell whether it changed, and nothing else.

The engine writes these into the ledger and compares against them. One hash costs about 16 MiB and 50 ms of one core
(n = 2^14, r = 8, p = 1): a few secrets a host are cheap, trying passwords against a stolen ledger is not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import lru_cache

_FORM = re.compile(r"scrypt:((?:[0-9a-f]{2}){8,64}):([0-9a-f]{64})")


def new_salt() -> bytes:
    return secrets.token_bytes(16)


@lru_cache(maxsize=4096)
def fingerprint(value: str, salt: bytes) -> str:
    """`scrypt:<salt>:<hash>`, both in hex. The same value and salt give the same text, and cost once per process."""
    made = hashlib.scrypt(value.encode("utf-8", "surrogatepass"), salt=salt, n=2**14, r=8, p=1, dklen=32)
    return f"scrypt:{salt.hex()}:{made.hex()}"


def matches(value: str, stored: str) -> bool:
    """Whether `stored` was made of `value`. Text that is no fingerprint matches nothing."""
    found = _FORM.fullmatch(stored)
    return found is not None and hmac.compare_digest(fingerprint(value, bytes.fromhex(found[1])), stored)
