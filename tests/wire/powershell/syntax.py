"""PowerShell texts as trees, and what the lint asks of them. For the tests of this folder; it runs nothing.

The grammar is tree-sitter's, which knows more of PowerShell than the scripts may use: `test_lint` says what they may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

STEPS = ("invokation_expression", "member_access")


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_powershell.language()))


def tree(text: str) -> Node:
    return _parser().parse(text.encode()).root_node


def words(node: Node) -> str:
    return (node.text or b"").decode()


def nodes(node: Node, *kinds: str) -> Iterator[Node]:
    """`node` and all below it that are of these kinds, in the order of the text."""
    if node.type in kinds:
        yield node
    for child in node.children:
        yield from nodes(child, *kinds)


def child(node: Node, kind: str) -> Node | None:
    return next((item for item in node.children if item.type == kind), None)


def broken(text: str) -> list[str]:
    """The places that are no PowerShell, as line and text."""
    found = [node for node in _all(tree(text)) if node.is_error or node.is_missing]
    return [f"{node.start_point[0] + 1}: {words(node)[:80]}" for node in found]


def _all(node: Node) -> Iterator[Node]:
    yield node
    for item in node.children:
        yield from _all(item)


@dataclass(frozen=True, slots=True)
class Use:
    """A member that a text uses. `of` is the type for a static one, empty for others."""

    of: str
    name: str
    called: bool
    line: int


def members(root: Node) -> Iterator[Use]:
    for node in nodes(root, *STEPS):
        name = child(node, "member_name")
        assert name is not None
        base = node.children[0]
        of = words(base)[1:-1] if base.type == "type_literal" else ""
        yield Use(of, words(name), node.type == STEPS[0], node.start_point[0] + 1)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is written: its name, the parameters that are named, and how many values follow."""

    name: str
    parameters: tuple[str, ...]
    values: int
    first: str
    line: int


def commands(root: Node) -> Iterator[Command]:
    for node in nodes(root, "command"):
        if child(node, "command_invokation_operator"):
            continue
        name = child(node, "command_name")
        assert name is not None, words(node)
        parts = [
            item for item in (child(node, "command_elements") or node).children if item.is_named and item.type not in ("command_argument_sep", "command_name")
        ]
        named = tuple(words(item).lstrip("-").rstrip(":") for item in parts if item.type == "command_parameter")
        values = [item for item in parts if item.type != "command_parameter"]
        yield Command(words(name), named, len(values), words(values[0]) if values else "", node.start_point[0] + 1)


def functions(root: Node) -> dict[str, tuple[Node, tuple[str, ...]]]:
    """Every function by name: its node, and the names of its parameters in order."""
    found: dict[str, tuple[Node, tuple[str, ...]]] = {}
    for node in nodes(root, "function_statement"):
        name, given = child(node, "function_name"), child(node, "function_parameter_declaration")
        assert name is not None
        listed = [] if given is None else [words(item) for part in nodes(given, "script_parameter") for item in part.children if item.type == "variable"]
        found[words(name)] = (node, tuple(item.lstrip("$") for item in listed))
    return found


def types(root: Node) -> set[str]:
    """The types that a text names, in brackets or to New-Object; without array marks and type arguments."""
    named = {words(node) for node in nodes(root, "type_spec")}
    named |= {command.first.strip("'") for command in commands(root) if command.name == "New-Object"}
    return {name.partition("[")[0] for name in named}


def variables(root: Node) -> Iterator[tuple[str, Node]]:
    """Every variable that is named outside the names of functions, without its dollar sign."""
    for node in nodes(root, "variable"):
        yield words(node).lstrip("$").strip("{}"), node


def assigned(root: Node) -> set[str]:
    """Names that get a value below `root`: by assignment, foreach, a parameter, or [ref]."""
    found: set[str] = set()
    for node in nodes(root, "left_assignment_expression"):
        target = node
        while target.type != "variable" and len(target.children) == 1:
            target = target.children[0]
        if target.type == "variable":
            found.add(words(target).lstrip("$").casefold())
    for node in nodes(root, "foreach_statement", "script_parameter"):
        variable = child(node, "variable")
        assert variable is not None
        found.add(words(variable).lstrip("$").casefold())
    return found


def strings(root: Node, kind: str) -> Iterator[str]:
    for node in nodes(root, kind):
        yield words(node)


def operators(root: Node) -> set[str]:
    found = {words(node).casefold() for node in nodes(root, "comparison_operator")}
    leaves = ("logical_expression", "bitwise_expression", "multiplicative_expression", "format_expression", "range_expression", "pipeline", "pipeline_chain")
    for node in nodes(root, *leaves):
        found |= {words(item).casefold() for item in node.children if not item.is_named}
    return found
