"""The little shell in the guest: enough for facts, and honest about the rest."""

import pytest

from reconciler.emulator import guest
from reconciler.emulator.machine import Machine
from tests.emulator.world import eflow_server


@pytest.fixture(scope="module")
def machine() -> Machine:
    world = eflow_server()
    world.rows("Provision-EflowVm -provisioningType DpsSymmetricKey -scopeId 0ne1 -registrationId r1 -symmKey c2VjcmV0c2VjcmV0")
    return world.machine


@pytest.mark.parametrize(
    ("line", "out", "code"),
    [
        ("hostname", "edge-01-eflow\n", 0),
        ("echo a b; echo c", "a b\nc\n", 0),
        ("true && echo yes || echo no", "yes\n", 0),
        ("test -f /etc/aziot/config.toml && echo there", "there\n", 0),
        ("[ -f /etc/none ] || echo gone", "gone\n", 0),
        ("sudo sh -c 'echo in; hostname'", "in\nedge-01-eflow\n", 0),
        ("grep -c provisioning /etc/aziot/config.toml", "3\n", 0),
        ("grep -q nothing /etc/aziot/config.toml", "", 1),
        ("grep x /etc/none 2>/dev/null", "grep: /etc/none: No such file or directory\n", 2),
        ("grep -s x /etc/none", "", 2),
        ("sed -n 's/^id_scope = \"\\(.*\\)\"/\\1/p' /etc/aziot/config.toml", "0ne1\n", 0),
        ("cat /etc/aziot/config.toml | grep -o 'source.*'", 'source = "dps"\n', 0),
        ("ip -br -4 addr show eth0", "eth0             UP             172.20.0.100/24 \n", 0),
        ("ip -4 route", "default via 172.20.0.1 dev eth0\n", 0),
        ("systemctl is-active aziot-edged", "active\n", 0),
        ("awk 1", "sh: awk: command not found\n", 127),
        ("echo 'open", "sh: No closing quotation", 2),
    ],
)
def test_a_line_prints_and_ends_as_in_a_shell(machine: Machine, line: str, out: str, code: int) -> None:
    ended = guest.run(machine, line)
    assert (ended.out, ended.code) == (out, code)


def test_a_failing_command_is_an_error_unless_ignored() -> None:
    world = eflow_server()
    assert world.run("Invoke-EflowVmCommand -command 'grep x /etc/none'").errors
    assert world.run("Invoke-EflowVmCommand -command 'grep x /etc/none' -ignoreError").errors == ()


def test_while_the_guest_is_off_nothing_is_answered() -> None:
    world = eflow_server()
    world.rows("Stop-EflowVm")
    outcome = world.run("Invoke-EflowVmCommand -command hostname")
    assert outcome.objects == ()
    assert "not running" in outcome.info_text
