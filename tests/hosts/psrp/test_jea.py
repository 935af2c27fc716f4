"""What `reconcile jea` writes: the same for the same specs, readable as PowerShell, wide enough for the specs and no wider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.calls import Cmdlet
from reconciler.core.transport import Target, Writer
from reconciler.emulator.estate import EstateError
from reconciler.emulator.winrm import serve
from reconciler.emulator.winrm.psrp.configuration import load
from reconciler.engine.granting import Granting, granting
from reconciler.hosts.connect import connections
from reconciler.hosts.jea import Role, cmdlet_role, function_role
from reconciler.secrets import Vault
from reconciler.wire import powershell
from tests.engine.lab import REGISTRY, linked, symbols
from tests.hosts.psrp.serving import BATCH, LOOKS, over_psrp, psrp, written
from tests.hosts.winrm.serving import HOST, Served, options, served
from tests.hosts.winrm.test_main_scenario import ENVIRON, SPECS, scenario
from tests.wire.powershell.syntax import tree

MINUTE = timedelta(minutes=1)


def granted(*specs: str) -> Granting:
    texts = [(SPECS / name).read_text(encoding="utf-8") for name in ("fleet.yaml", *specs)]
    return granting(linked("\n---\n".join(texts)), REGISTRY)


def test_the_same_specs_give_the_same_bytes_in_whatever_order() -> None:
    one, other = granted("kiosk.yaml", "plant.yaml"), granted("plant.yaml", "kiosk.yaml")
    assert one == other
    assert function_role(Role("Edge"), one.names) == function_role(Role("Edge"), tuple(reversed(other.names)))
    assert cmdlet_role(Role("Edge"), one.questions) == cmdlet_role(Role("Edge"), tuple(reversed(other.questions)))


def test_every_file_is_powershell() -> None:
    what = granted("kiosk.yaml", "plant.yaml")
    for files in (function_role(Role("Edge", "CORP\\edge o'ps"), what.names), cmdlet_role(Role("Edge"), what.questions)):
        scripts = {name: text for name, text in files.items() if name.rpartition(".")[2] in ("ps1", "psm1", "psd1", "psrc", "pssc")}
        assert len(scripts) >= 4
        assert [name for name, text in scripts.items() if tree(text).has_error] == []
        assert all(text.isascii() for text in scripts.values())


def test_a_role_is_of_the_kinds_that_are_declared() -> None:
    bare = granted()
    kiosk = granted("kiosk.yaml")
    assert bare.kinds == ()
    assert bare.names == ("Restart-Computer",)
    assert "Deploy-Eflow" in kiosk.names
    assert "Add-DhcpServerv4Scope" in granted("azure.yaml").names
    assert "Add-DhcpServerv4Scope" not in kiosk.names


def test_the_invoker_that_is_installed_is_the_one_that_sessions_want(tmp_path: Path) -> None:
    configuration = written(function_role(Role("Edge"), ["Get-NetNat", "C:\\it's\\a.exe"]), tmp_path)
    assert configuration.sha256 == powershell.sha256()
    assert configuration.only == {"get-netnat", "c:\\it's\\a.exe"}
    assert (configuration.name, configuration.language, dict(configuration.cmdlets)) == ("Edge", False, {})


async def test_a_cmdlet_outside_the_role_is_refused(tmp_path: Path) -> None:
    """Whatever the controller, or somebody in its name, allows itself."""
    outside, inside = Cmdlet("Get-Service", ("Name",)), Cmdlet("Get-NetAdapter")
    async with served() as there:
        target = psrp(there, "function")
        there.endpoint.psrp.register(HOST, written(function_role(Role(BATCH.name), [inside.name]), tmp_path))
        async with there.reach(Target(target.host, "default", (outside.name, inside.name, "Restart-Computer"))) as session:
            lease = await session.take("tests", 60)
            found = await session.ask([outside(), inside(select=("Name",))], MINUTE)
            assert [answer.error and answer.error.id for answer in found] == ["NotAllowed", None]
            wrote = await session.run([Cmdlet("Restart-Computer", ("Force",))(Force=True)], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert wrote[0].error is not None
            assert wrote[0].error.id == "NotAllowed"


def test_names_that_windows_would_not_find_are_noticed(tmp_path: Path) -> None:
    """A function that is listed as a cmdlet is not visible; a name with its module keeps sessions from opening where it is absent."""
    files = cmdlet_role(Role("Edge"), granted("kiosk.yaml").questions)
    role = "RoleCapabilities/Edge.psrc"
    assert "get-netadapter" in written(files, tmp_path).cmdlets
    swapped = files[role].replace("VisibleFunctions", "VisibleProviders2").replace("VisibleCmdlets", "VisibleFunctions")
    assert written({**files, role: swapped}, tmp_path).cmdlets == {}
    (tmp_path / role).write_text(files[role].replace("'Get-NetAdapter'", "'NetAdapter\\Get-NetAdapter'"), encoding="utf-8")
    with pytest.raises(EstateError, match="with their module"):
        load(tmp_path)


async def test_through_cmdlets_alone_the_plan_is_the_same(tmp_path: Path) -> None:
    there = scenario("kiosk.yaml")
    wanted = symbols(await there.plan())
    looks = written(cmdlet_role(Role(LOOKS.name), granting(there.desired, there.registry).questions), tmp_path)
    async with serve(there.estate) as endpoint:
        there.secrets = Vault(ENVIRON | {"WINRM_PASSWORD": endpoint.credentials.password})
        async with connections(there.secrets, there.estate.clock, options(there.estate, along=False)) as reach:
            serving = Served(there.estate, endpoint, reach)

            @asynccontextmanager
            async def to(target: Target) -> AsyncIterator[Writer]:
                name = target.host.name
                endpoint.psrp.register(name, looks)
                way = replace(target, host=replace(target.host, address=endpoint.address(name).ip, connection=serving.connection("ntlm", name)))
                async with reach(over_psrp(way, "cmdlet")) as writer:
                    yield writer

            there.connect = lambda: to  # type: ignore[method-assign]
            plan = await there.plan()
    assert symbols(plan) == wanted
    assert wanted
