"""A program that stands in for powershell.exe with our invoker in it: it takes the packed line, then answers requests by frames.

Run as a process of its own by `test_local`; its one argument says what is wrong with it. It imports nothing of the product.
"""

from __future__ import annotations

import json
import os
import sys
import time

FACTS = {"hello": 1, "name": "HERE", "uuid": None, "machine": None, "os": "Windows", "version": "10.0.20348", "build": "20348", "product": 3}
FACTS |= {"boot": "b", "booted": None, "uptime": 5, "utc": None, "log": {}, "lease": None, "hold": None, "ledger": {}, "jobs": []}


def frame(nonce: str, value: object) -> str:
    body = json.dumps(value)
    return f"\n#HV{nonce} {len(body)} {body}\n"


def answer(request: dict[str, object], how: str) -> str:
    nonce, number = str(request["nonce"]), request["id"]
    calls = request.get("calls") or []
    assert isinstance(calls, list)
    if calls and how in ("silent", "flood", "stderr", "ends"):
        trouble(how)
    out = frame(nonce, {"id": number, **FACTS}) if "hello" in request else ""
    for at, call in enumerate(calls):
        out += frame(nonce, {"id": number, "i": at, "ok": True, "out": [{"pid": os.getpid(), "said": len(json.dumps(call))}]})
    return out + frame(nonce, {"id": number, "end": True, "n": len(calls), "bad": 0})


def trouble(how: str) -> None:
    match how:
        case "silent":
            time.sleep(600)
        case "flood":
            while True:
                sys.stdout.write("x" * 65536)
        case "stderr":
            sys.stderr.write("y" * (2 * 2**20))
            sys.stderr.flush()
        case "ends":
            os._exit(7)


def main() -> None:
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    if how == "mode":
        sys.stdout.write("#HVBOOT mode ConstrainedLanguage\n")
        return
    if how == "refuses":
        sys.stderr.write("blocked by \x1b]0;policy\x07")
        sys.exit(5)
    first = sys.stdin.readline()
    assert first.strip() == "packed", first
    parts: list[str] = []
    for line in filter(str.strip, sys.stdin):
        request = json.loads(line)
        if "part" in request:
            parts.append(request["data"])
            if len(parts) < request["of"]:
                continue
            request, parts = json.loads("".join(parts)), []
        sys.stdout.write(answer(request, how))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
