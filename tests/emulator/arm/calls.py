"""The emulated ARM's call log as lines that two clients can be compared by: method, path, api-version, status, body; polls in a row are one."""

from __future__ import annotations

import json
import re

from reconciler.emulator.estate import Estate

GUID = re.compile(r"/operations/[0-9a-f-]{36}$")
HEAD = re.compile(r"^/subscriptions/[^/]+/(resourceGroups/[^/]+/)?providers/Microsoft\.Compute/", re.IGNORECASE)


def calls(estate: Estate, since: int = 0) -> list[str]:
    lines: list[str] = []
    for entry in estate.log(since=since):
        if entry["what"] != "arm":
            continue
        path = HEAD.sub("", GUID.sub("/operations/*", entry["path"]))
        body = f" {json.dumps(entry['body'], sort_keys=True)}" if "body" in entry else ""
        line = f"{entry['method']} {path} {entry['api']} {entry['status']}{body}"
        if not (lines and line == lines[-1] and "/operations/*" in line):
            lines.append(line)
    return lines
