"""The search for canaries finds them: what it says of places where none is, is worth something."""

from __future__ import annotations

import base64
import json

import pytest

from tests.sockets.tapping import found_in

CANARY = "canary-of-the-tap-4711"


@pytest.mark.parametrize("lead", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_value_is_found_in_base64_whatever_stands_before_it(lead: str, encoding: str) -> None:
    assert found_in([CANARY], base64.b64encode(f"{lead}{CANARY} and more".encode(encoding)))
    assert not found_in([CANARY], base64.b64encode(f"{lead}{CANARY[::-1]} and more".encode(encoding)))


@pytest.mark.parametrize("said", [CANARY, json.dumps({"a": CANARY}), CANARY.encode("utf-16-le"), f"'{CANARY}'"])
def test_a_value_is_found_in_plain_text(said: str | bytes) -> None:
    assert found_in([CANARY], said)
