"""`reconcile jea`: least rights for these specs, as files of a restricted endpoint, or as custom roles of Azure. It contacts nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.azure.role import custom_roles, needs
from reconciler.cli.session import Session
from reconciler.cli.views.words import count
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.engine.granting import Granting, granting
from reconciler.hosts.jea import DEFAULT_GROUP, GROUP, MODES, NAME, Role, cmdlet_role, function_role

Specs = Annotated[Path | None, typer.Argument(metavar="[SPECS]", help="The folder of manifests; left out: --specs.")]
RoleName = Annotated[str, typer.Option("--role-name", metavar="NAME", help="Of the role, its module and its session configuration.")]
Group = Annotated[str, typer.Option("--group", metavar="DOMAIN\\GROUP", help="Who may connect.")]
Mode = Annotated[str, typer.Option("--mode", metavar="function|cmdlet", help="function: all that the specs need. cmdlet: only looks.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The folder to write; left out: ./NAME.")]
OfAzure = Annotated[bool, typer.Option("--azure", help="The custom roles for Azure Resource Manager instead.")]


def command(
    session: Session,
    role_name: RoleName,
    manifests: Specs = None,
    group: Group = DEFAULT_GROUP,
    mode: Mode = "function",
    out: Out = None,
    azure: OfAzure = False,
) -> int:
    """Role capability, session configuration and function module that allow what the specs need; --azure: custom roles of Azure."""
    _check(role_name, group, mode)
    session = session.reading(manifests) if manifests is not None else session
    if azure:
        return _of_azure(session, role_name, out or Path(role_name))
    granted = granting(session.linked, session.registry)
    role = Role(role_name, group)
    files = function_role(role, granted.names) if mode == "function" else cmdlet_role(role, granted.questions)
    folder = out or Path(role_name)
    _write(folder, files)
    if session.json:
        told = {"format": "reconcile/jea/1", "exitCode": 0, "folder": str(folder), "mode": mode, "kinds": granted.kinds, "files": sorted(files)}
        session.screen.json(told)
    else:
        session.screen.text(_told(folder, files, granted))
    return 0


def _of_azure(session: Session, name: str, folder: Path) -> int:
    linked = session.linked
    hosts = [(host.azure, needs(host, linked.resources.get(host.name, ()), session.registry)) for host in linked.hosts.values() if host.azure is not None]
    if not hosts:
        raise Refused([error("CLI077", "no host has `azure:`", help="without --azure: the rights on hosts themselves")])
    roles = custom_roles(name, hosts)
    files = {file: json.dumps(role, indent=2) + "\n" for file, role in roles.items()}
    _write(folder, files)
    if session.json:
        session.screen.json({"format": "reconcile/jea/1", "exitCode": 0, "folder": str(folder), "mode": "azure", "roles": roles, "files": sorted(files)})
    else:
        session.screen.text(_told_of_azure(folder, name, roles))
    return 0


def _told_of_azure(folder: Path, name: str, roles: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{folder}/{file}: {count(len(role['Actions']), 'action')} at {', '.join(role['AssignableScopes'])}" for file, role in roles.items()]
    lines += ["", "Whoever may give roles there makes them, and gives each to the identity at its scopes (az, or New-AzRoleDefinition -InputFile)"]
    lines += [f"  az role definition create --role-definition {folder}/{file}" for file in roles]
    scope = roles["role.json"]["AssignableScopes"][0]
    lines += [f"  az role assignment create --assignee OBJECT-ID --role {name} --scope {scope}", ""]
    lines += ["role-facts.json is of whole subscriptions and optional: without it rules about sizes wait."] if len(roles) > 1 else []
    return "\n".join([*lines, "Who may write an extension runs code as SYSTEM in the VM: give it to nobody whom you would not let administer the VM.\n"])


def _check(name: str, group: str, mode: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused([error("CLI073", f"--role-name {name!r} is no name of a role", help="letters, digits, - and _, beginning with a letter")])
    if not GROUP.fullmatch(group):
        raise Refused([error("CLI074", f"--group {group!r} is no group", help="for example CORP\\edge-operators")])
    if mode not in MODES:
        raise Refused([error("CLI075", f"--mode {mode!r} is not known", help=f"one of {' and '.join(MODES)}")])


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8" if text.isascii() else "utf-8-sig"))
    except OSError as trouble:
        raise Refused([error("CLI076", f"{folder} cannot be written: {trouble.strerror}", help="another folder: --out DIR")]) from None


def _told(folder: Path, files: dict[str, str], granted: Granting) -> str:
    written = "".join(f"  {folder}/{name}\n" for name in sorted(files) if name != "README.txt")
    return f"For {', '.join(granted.kinds)}:\n{written}\n{files['README.txt']}"
