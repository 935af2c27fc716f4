"""The readable files of the EFLOW guest, made from the machine's state. Sources: eflow-domain 1.7, 1.8, 1.11. Only `guest` reads them."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.emulator.eflow import Eflow
from reconciler.emulator.machine import Machine
from reconciler.emulator.trains import OLD, train


def files(machine: Machine) -> Mapping[str, str]:
    """The readable files of the guest."""
    eflow = machine.eflow
    kind = train(eflow.version)
    primary = eflow.endpoints[0] if eflow.endpoints else None
    return {
        kind.config: config(eflow),
        "/etc/hostname": hostname(eflow) + "\n",
        "/etc/os-release": f'NAME="{kind.system}"\nID=mariner\nVERSION_ID="2.0"\n',
        "/etc/resolv.conf": "nameserver 127.0.0.53\n",
        "/run/systemd/resolve/resolv.conf": "".join(f"nameserver {a}\n" for a in (primary.dns if primary else [])),
    }


def hostname(eflow: Eflow) -> str:
    """eflow-domain 1.1, 9.17: 1.5.6 doubled the ending."""
    return (eflow.name + "-EFLOW" if eflow.version.startswith("1.5.6.") else eflow.name).lower()


def config(eflow: Eflow) -> str:
    """The runtime's configuration: TOML from 1.2 on, YAML before. The key of a symmetric registration is in it."""
    said = eflow.provisioning
    if train(eflow.version) is OLD:
        rows = _yaml(said) if said else ['  source: "manual"', '  device_connection_string: "<ADD DEVICE CONNECTION STRING HERE>"']
        return "\n".join(["provisioning:", *rows, ""])
    lines = [f'hostname = "{hostname(eflow)}"', ""]
    if not said:
        return "\n".join([*lines, "# [provisioning]", '# source = "manual"', ""])
    return "\n".join([*lines, "[provisioning]", *_toml(said), ""])


def _yaml(said: Mapping[str, str]) -> list[str]:
    """The file of 1.1: other names for two settings, and the attestation one level deeper."""
    names = {"connection_string": "device_connection_string", "id_scope": "scope_id"}
    top = ("source", "connection_string", "iothub_hostname", "device_id", "global_endpoint", "id_scope")
    rows = [f'  {names.get(n, n)}: "{said[n]}"' for n in top if n in said]
    deeper = [f'    {n}: "{said[n]}"' for n in ("method", "registration_id", "symmetric_key", "identity_cert", "identity_pk") if n in said]
    return rows + (["  attestation:" if said["source"] == "dps" else "  authentication:", *deeper] if deeper else [])


def _toml(said: Mapping[str, str]) -> list[str]:
    top = ("source", "connection_string", "iothub_hostname", "device_id", "global_endpoint", "id_scope")
    rows = [f'{name} = "{said[name]}"' for name in top if name in said]
    attestation = [n for n in ("method", "registration_id", "symmetric_key", "identity_cert", "identity_pk") if n in said]
    if attestation:
        rows += ["", "[provisioning.attestation]" if said["source"] == "dps" else "[provisioning.authentication]"]
        rows += [f'{n} = {{ value = "{said[n]}" }}' if n == "symmetric_key" else f'{n} = "{said[n]}"' for n in attestation]
    return rows
