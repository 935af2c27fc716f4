"""The scripts that run on hosts, judged without a PowerShell: they parse, and use nothing that Windows PowerShell 5.1 lacks.

Commands and parameters are held against what Windows Server 2016 and 2019 have (commands.json), .NET types and members against a
list with a page of documentation each (dotnet.json), constructs against those that ran on a real engine (powershell.md).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.hosts.bootstrap import listener_block
from reconciler.wire import powershell
from tests.wire.powershell.syntax import (
    assigned,
    broken,
    commands,
    functions,
    members,
    nodes,
    operators,
    strings,
    tree,
    types,
    variables,
    words,
)

HERE = Path(__file__).parent
KNOWN: dict[str, Any] = json.loads((HERE / "commands.json").read_text(encoding="utf-8"))
DOTNET: dict[str, Any] = json.loads((HERE / "dotnet.json").read_text(encoding="utf-8"))
SHIPPED = sorted(Path(powershell.__file__).parent.glob("*.ps1"))
SCRIPTS = {path.name: path.read_text(encoding="ascii") for path in SHIPPED}
SCRIPTS["the block to paste"] = listener_block("plant-lyn-02.example.net", sources=["10.60.0.0/16", "LocalSubnet"])
AUTOMATIC = {"_", "null", "true", "false", "pid", "psversiontable", "executioncontext", "myinvocation", "erroractionpreference", "progresspreference"}
PROVED = {
    *("-eq", "-ne", "-ge", "-le", "-gt", "-lt", "-ceq", "-cne", "-contains", "-notcontains", "-ccontains", "-cnotcontains"),
    *("-match", "-notmatch", "-cmatch", "-cnotmatch", "-is", "-isnot", "-and", "-or", "-band", "/", "*", "|"),
}
UNPROVED = (
    "class_statement",
    "enum_statement",
    "using_statement",
    "switch_statement",
    "trap_statement",
    "data_statement",
    "flow_label",
    "inlinescript_statement",
)
HERE_STRINGS = ("expandable_here_string_literal", "verbatim_here_string_characters")

script = pytest.mark.parametrize("name", sorted(SCRIPTS))


@script
def test_it_parses(name: str) -> None:
    assert broken(SCRIPTS[name]) == []


@script
def test_it_is_plain_ascii_with_unix_lines_of_a_readable_length(name: str) -> None:
    text = SCRIPTS[name]
    assert text.isascii()
    assert "\r" not in text
    assert "\t" not in text
    assert [number for number, line in enumerate(text.split("\n"), 1) if len(line) > 160 or line != line.rstrip()] == []


@script
def test_every_command_and_parameter_exists_in_windows_powershell(name: str) -> None:
    root = tree(SCRIPTS[name])
    own = functions(root)
    wrong = []
    for used in commands(root):
        if used.name in own:
            continue
        known = KNOWN["commands"].get(used.name)
        allowed = {*known["parameters"], *KNOWN["common"]} if known else set()
        if not known or not set(used.parameters) <= allowed:
            wrong.append(f"{used.line}: {used.name} {used.parameters}")
    assert wrong == []


@script
def test_its_own_functions_are_given_no_more_than_they_take(name: str) -> None:
    root = tree(SCRIPTS[name])
    own = functions(root)
    wrong = [used for used in commands(root) if used.name in own and (used.parameters or used.values > len(own[used.name][1]))]
    assert wrong == []


@script
def test_every_function_is_used(name: str) -> None:
    root = tree(SCRIPTS[name])
    called = {used.name for used in commands(root)} | {used.first for used in commands(root)}
    assert set(functions(root)) - called == set()


@script
def test_every_type_is_on_the_list(name: str) -> None:
    assert types(tree(SCRIPTS[name])) - set(DOTNET["types"]) == set()


def own_fields(text: str) -> set[str]:
    """Names of what the script puts into tables of its own."""
    root = tree(text)
    named = {words(node.children[0]).strip("'").casefold() for node in nodes(root, "hash_entry")}
    return named | {found.strip("'").casefold() for found in re.findall(r"\[('[a-z]+')\] = ", text)}


@script
def test_every_member_is_on_the_list_or_a_field_of_its_own(name: str) -> None:
    root, fields = tree(SCRIPTS[name]), own_fields(SCRIPTS[name])
    anywhere = {member for known in DOTNET["types"].values() for member in known["members"]}
    wrong = []
    for use in members(root):
        getter = use.called and use.name.startswith("get_")
        wanted = use.name[4:] if getter else use.name + ("()" if use.called else "")
        allowed = set(DOTNET["types"][use.of]["members"]) if use.of else anywhere
        if wanted not in allowed and not (not use.of and not use.called and use.name.casefold() in fields):
            wrong.append(f"{use.line}: {use.of}.{wanted}")
    assert wrong == []


def test_every_type_on_the_list_names_its_documentation() -> None:
    for known in DOTNET["types"].values():
        assert re.fullmatch(r"(dotnet/api|windows/win32|powershell/module)/[a-z0-9./_-]+", known["doc"])


def test_nothing_on_the_list_is_there_without_use() -> None:
    named = set().union(*(types(tree(text)) for text in SCRIPTS.values()))
    used = {
        use.name.removeprefix("get_") + ("()" if use.called and not use.name.startswith("get_") else "")
        for text in SCRIPTS.values()
        for use in members(tree(text))
    }
    idle = [name for name, known in DOTNET["types"].items() if name not in named and not set(known["members"]) & used]
    assert idle == []


@script
def test_no_construct_is_used_that_did_not_run_on_a_real_engine(name: str) -> None:
    root = tree(SCRIPTS[name])
    assert list(nodes(root, *UNPROVED, *HERE_STRINGS)) == []
    assert operators(root) - PROVED == set()
    assert re.findall(r"\$\w+\?|\?\?|\?\.|&&|\|\||`", re.sub(r"'[^']*'|#.*", "", SCRIPTS[name])) == []


@script
def test_input_is_never_mentioned_since_the_host_would_then_read_it_itself(name: str) -> None:
    assert re.search(r"\$(\w+:)?input\b", SCRIPTS[name], re.IGNORECASE) is None


@script
def test_patterns_end_where_the_text_ends(name: str) -> None:
    """`$` also matches before a last newline, so a name with a newline behind it would pass."""
    ends = [text for text in strings(tree(SCRIPTS[name]), "verbatim_string_characters") if re.search(r"[^'\\$]\$'?\Z", text) and text.startswith("'^")]
    assert ends == []


@script
def test_no_double_quoted_text_holds_a_number_sign(name: str) -> None:
    assert [text for text in strings(tree(SCRIPTS[name]), "expandable_string_literal") if "#" in text] == []


@script
def test_keys_and_counts_of_maps_from_outside_are_asked_for_by_method(name: str) -> None:
    """`.Keys` and `.Count` of a map give the entry of that name where it has one."""
    root = tree(SCRIPTS[name])
    assert [use for use in members(root) if use.name in ("Keys", "Values") and not use.called] == []


def scope(text: str) -> set[str]:
    """What a function may read that is neither its parameter nor its own: names of the whole script."""
    inner = list(nodes(tree(text), "function_statement", "script_block_expression"))
    outside = text
    for node in sorted(inner, key=lambda found: -found.start_byte):
        outside = outside[: node.start_byte] + " " * (node.end_byte - node.start_byte) + outside[node.end_byte :]
    return assigned(tree(outside)) | AUTOMATIC


@script
def test_every_variable_has_a_value_before_it_is_read(name: str) -> None:
    text = SCRIPTS[name]
    root = tree(text)
    wide = scope(text)
    wrong = []
    for title, (body, _) in functions(root).items():
        known = wide | assigned(body)
        wrong += [f"{title}: ${found}" for found, _ in variables(body) if found.casefold() not in known and not found.startswith("env:")]
    assert wrong == []


@script
def test_no_function_hides_a_name_of_the_whole_script(name: str) -> None:
    """Functions see the variables of their callers: a local one of the same name would be read in place of the script's."""
    root = tree(SCRIPTS[name])
    wide = scope(SCRIPTS[name]) - AUTOMATIC - {"line"}
    assert {title: sorted(assigned(body) & wide) for title, (body, _) in functions(root).items() if assigned(body) & wide} == {}


def test_at_most_six_functions_touch_windows_and_a_test_replaces_all_of_them() -> None:
    text = SCRIPTS["invoker.ps1"]
    first = ("# " + text.partition("# ---- 1.")[2]).partition("if ($StandIn)")[0]
    reached = set(functions(tree(first)))
    assert len(reached) == 6
    assert set(functions(tree((HERE / "standins.ps1").read_text(encoding="ascii")))) == reached
    rest = tree(text.replace(first.removeprefix("# "), ""))
    assert {used.name for used in commands(rest) if used.name in KNOWN["commands"]} == {"New-Object", "Export-ModuleMember"}
    assert not types(rest) & {"Microsoft.Win32.RegistryKey", "Security.AccessControl.RegistrySecurity"}


def test_the_invoker_ends_with_the_mark_that_the_bootstrap_looks_for() -> None:
    assert powershell.invoker().endswith("\n#HVEND\n")
    assert "'#HVEND' + [char]10" in powershell.bootstrap()


def test_functions_stay_short() -> None:
    long = {title: body.end_point[0] - body.start_point[0] + 1 for title, (body, _) in functions(tree(powershell.invoker())).items()}
    assert {title: lines for title, lines in long.items() if lines > 50} == {}


def test_nothing_becomes_program_text_but_the_invoker_itself() -> None:
    """ScriptBlock::Create: of what the bootstrap and the module's script are handed whole, and in the constant line that a job's runner starts with."""
    calls = [use for text in SCRIPTS.values() for use in members(tree(text)) if use.name == "Create" and use.of.casefold() == "scriptblock"]
    assert len(calls) == 2
    assert powershell.invoker().count("[ScriptBlock]::Create") == 1
    assert "Invoke-Expression" not in "".join(SCRIPTS.values())
