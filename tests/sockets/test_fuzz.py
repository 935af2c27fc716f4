"""Mutated replies against the real client, sealed with NTLM: none crashes it, hangs it past its deadline, or is taken for an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.emulator.winrm import Quotas, Settings
from reconciler.hosts.winrm.channel import Setup
from tests.hosts.winrm.serving import served
from tests.sockets.fuzzing import Fuzz, fuzz

SHARES = 20


async def fuzzed(rounds: int, seed: int, patch: pytest.MonkeyPatch) -> Fuzz:
    quotas = Quotas(shells_per_user=100_000, operations_per_user=100_000)  # a shell whose id never came is nobody's to close
    async with served(settings=Settings(quotas=quotas), setup=Setup(probe=0.02, grace=0.2, pauses=(0.01,))) as there:
        run = await fuzz(there, rounds, seed, patch)
        assert run.mutations == sum(run.outcomes.values()) == rounds
        assert {"the truth", "HST061"} < run.outcomes.keys()
        return run


async def test_a_hundred_and_fifty_mutated_replies_are_survived(monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]) -> None:
    record_property("shares", (await fuzzed(150, 3, monkeypatch)).figures)


@pytest.mark.soak
@pytest.mark.parametrize("share", range(SHARES))
async def test_ten_thousand_mutated_replies_are_survived(share: int, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]) -> None:
    record_property("shares", (await fuzzed(10_000 // SHARES, 100 + share, monkeypatch)).figures)
