"""Arguments of a request as values: tags are read, answers of earlier calls are put in, secrets are marked.

The emulated invoker's counterpart of the codec: what a host does with what a controller sends. `invoker` and `jobs` use it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator.projection import member, shown


class Refusal(Exception):
    """The invoker will not do it; `id` is stable, `detail` goes with the closing frame."""

    def __init__(self, id: str, text: str, detail: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.id = id
        self.text = text
        self.detail = detail


class Secure(str):
    """A secret: text to the cmdlet that gets it, `***` in every log. Real hosts hold it as a SecureString."""

    __slots__ = ()


@dataclass(slots=True)
class Earlier:
    """What the calls of this batch gave so far, for `$out` and `$ref`."""

    outs: dict[int, list[Any]] = field(default_factory=dict)
    good: dict[int, bool] = field(default_factory=dict)
    secrets: Sequence[str] = ()  # those that came beside the line

    def secure(self, body: Any) -> Secure:
        """A secret: its text, or its number among those beside the line. Raises Refusal."""
        if isinstance(body, int) and not 0 <= body < len(self.secrets):
            raise Refusal("BadTag", "no such secret")
        return Secure(self.secrets[body] if isinstance(body, int) else body)

    def out(self, body: Any) -> Any:
        """One property of the one object that a call gave. Raises Refusal."""
        call, prop = (body[0], str(body[1])) if isinstance(body, list) and len(body) == 2 else (None, "")
        if not isinstance(call, int) or isinstance(call, bool) or not self.good.get(call):
            raise Refusal("OutFailed", f"call {call} has no good answer")
        objects = self.outs.get(call, [])
        if not objects or objects == [None]:
            raise Refusal("OutNone", f"call {call} gave no object")
        if len(objects) > 1:
            raise Refusal("OutMany", f"call {call} gave {len(objects)} objects")
        found, value = member(objects[0], prop)
        if not found:
            raise Refusal("OutAbsent", f"no property {prop}")
        if value is None:
            raise Refusal("OutNull", f"property {prop} is null")
        return value

    def ref(self, body: Any) -> Any:
        objects = self.outs.get(body) if isinstance(body, int) else None
        if objects is None:
            raise Refusal("OutFailed", f"no result {body}")
        return objects[0] if len(objects) == 1 else objects


def argument(value: Any, earlier: Earlier) -> Any:
    """One decoded JSON value as the value a parameter gets. Raises Refusal for tags that are none."""
    if isinstance(value, list):
        return [argument(item, earlier) for item in value]
    if not isinstance(value, dict):
        return value
    tags = [key for key in value if key.startswith("$")]
    if not tags:
        return _map(list(value.items()), earlier)
    if len(value) != 1:
        raise Refusal("BadTag", "a tag stands alone; other maps with $ keys go as $map")
    try:
        return _tagged(tags[0], value[tags[0]], earlier)
    except (ValueError, TypeError, IndexError, OverflowError, binascii.Error):
        raise Refusal("BadTag", f"{tags[0]} holds no such value") from None


def _tagged(tag: str, body: Any, earlier: Earlier) -> Any:
    match tag:
        case "$secure":
            return earlier.secure(body)
        case "$cred":
            return {"UserName": str(body[0]), "Password": earlier.secure(body[1])}
        case "$ts":
            return timedelta(microseconds=int(body) // 10)
        case "$dt" | "$dtu":
            return datetime.fromisoformat(_six_digits(str(body)))
        case "$b64":
            return base64.b64decode(body, validate=True)
    return _referred(tag, body, earlier)


def _referred(tag: str, body: Any, earlier: Earlier) -> Any:
    match tag:
        case "$ref":
            return earlier.ref(body)
        case "$out":
            return earlier.out(body)
        case "$map":
            return _map([(str(key), item) for key, item in body], earlier)
    raise Refusal("BadTag", "unknown tag")


def _six_digits(text: str) -> str:
    head, point, rest = text.partition(".")
    zone = "+00:00" if text.endswith("Z") else ""
    return head.removesuffix("Z") + (point + rest.removesuffix("Z")[:6] if point else "") + zone


def _map(pairs: Sequence[tuple[str, Any]], earlier: Earlier) -> dict[str, Any]:
    """A hashtable of PowerShell: its keys do not know case."""
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        raise Refusal("KeyCase", "keys equal but for case")
    return {key: argument(item, earlier) for key, item in pairs}


def holds_secret(value: Any) -> bool:
    match value:
        case dict():
            return any(key in ("$secure", "$cred") or holds_secret(item) for key, item in value.items())
        case list():
            return any(holds_secret(item) for item in value)
    return False


def masked(value: Any) -> Any:
    """`value` for a log: JSON-able, secrets as ***."""
    match value:
        case Secure():
            return "***"
        case Mapping():
            return {str(key): masked(item) for key, item in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    return str(value)


def same(want: Any, have: Any) -> bool:
    """Whether an answer is the good one: judged as the wire shows it, so a number is never a text; case does not count."""
    if isinstance(want, dict):
        return all(found and same(item, value) for key, item in want.items() for found, value in [member(have, key)])
    return json.dumps(want, sort_keys=True).casefold() == json.dumps(shown(have), sort_keys=True).casefold()
