"""A reading of the invoker: enough of PowerShell to follow that one script, statement by statement, over a world in memory.

It is no PowerShell and proves nothing of one. It finds what a person reading would find: a name that nobody set, a branch that
answers wrongly, a rule of the wire that is broken. Its rules of output, scope and conversion are those that powershell.md found on
a real engine; what it does not know it refuses to read.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tree_sitter import Node

from tests.wire.powershell.reading import dotnet
from tests.wire.powershell.reading.values import (
    NOTHING,
    Char,
    Map,
    Ref,
    Thrown,
    collected,
    each,
    enumerated,
    equal,
    is_type,
    plain,
    text,
    to_float,
    to_int,
    truth,
)
from tests.wire.powershell.syntax import child, functions, nodes, tree, words


class Leave(Exception):
    """return, break, continue, exit."""

    def __init__(self, how: str) -> None:
        self.how = how


class Scope:
    def __init__(self, above: Scope | None) -> None:
        self.above = above
        self.values: dict[str, Any] = {}
        self.types: dict[str, str] = {}

    def read(self, name: str) -> Any:
        at: Scope | None = self
        while at is not None:
            if name in at.values:
                return at.values[name]
            at = at.above
        raise AssertionError(f"${name} has no value")

    def write(self, name: str, value: Any) -> None:
        self.values[name] = cast(self.types[name], value) if name in self.types else plain(value)


class Block:
    """A script block: its node and its parameters."""

    def __init__(self, node: Node) -> None:
        self.node = node


def cast(kind: str, value: Any) -> Any:
    value = plain(value)
    low = kind.casefold()
    simple: dict[str, Callable[[Any], Any]] = {"string": text, "int": to_int, "long": to_int, "uint64": to_int, "double": to_float, "bool": truth}
    if low in simple:
        return simple[low](value)
    if low == "char":
        return Char(chr(value)) if isinstance(value, int) else Char(value)
    if low == "char[]":
        return [cast("char", item) for item in each(value)]
    if low == "void":
        return NOTHING
    return value


Built = Callable[..., list[Any]]


class Reader:
    """One process that runs the script. `built` replaces functions of the script by Python ones."""

    def __init__(self, script: str, world: Any, built: Mapping[str, Built], given: Mapping[str, Any]) -> None:
        self.world = world
        self.root, self.functions = parsed(script)
        self.built = built
        self.top = Scope(None)
        self.top.values |= {"null": None, "true": True, "false": False, "reader": None, "pipe": None, "detached": "", "standin": None, "only": None, **given}

    def run(self) -> list[Any]:
        """The script's own statements; `return` at the top ends it."""
        out: list[Any] = []
        try:
            for node in self.root.children:
                self.statement(node, self.top, out)
        except Leave:
            pass
        return out

    # --- calls

    def call(self, name: str, *given: Any, scope: Scope | None = None) -> Any:
        return plain(collected(self.outputs(name, list(given), scope or self.top)))

    def outputs(self, name: str, given: list[Any], scope: Scope) -> list[Any]:
        if name in self.built:
            return self.built[name](*given)
        if name not in self.functions:
            raise AssertionError(f"no command {name}")
        node, _ = self.functions[name]
        inner = Scope(scope)
        declared = child(node, "function_parameter_declaration")
        self._bind(list(nodes(declared, "script_parameter")) if declared else [], given, inner)
        return self._body(child(node, "script_block"), inner)

    def block(self, block: Block, given: list[Any], scope: Scope) -> list[Any]:
        inner = Scope(scope)
        declared = next(iter(nodes(block.node, "param_block")), None)
        self._bind(list(nodes(declared, "script_parameter")) if declared else [], given, inner)
        return self._body(child(block.node, "script_block"), inner)

    def _bind(self, declared: list[Node], given: list[Any], scope: Scope) -> None:
        assert len(given) <= len(declared), f"{len(given)} values for {len(declared)} parameters"
        for at, parameter in enumerate(declared):
            name = words(next(iter(nodes(parameter, "variable"))))[1:].casefold()
            kind = next(iter(nodes(parameter, "type_spec")), None)
            if kind is not None:
                scope.types[name] = words(kind)
            value = given[at] if at < len(given) else None
            scope.write(name, value)

    def _body(self, node: Node | None, scope: Scope) -> list[Any]:
        out: list[Any] = []
        if node is None:
            return out
        try:
            self.statement(node, scope, out)
        except Leave as left:
            if left.how != "return":
                raise
        return out

    # --- statements

    def statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        method = getattr(self, f"_s_{node.type}", None)
        if method is not None:
            method(node, scope, out)
        elif node.type in ("program", "statement_list", "script_block", "script_block_body", "statement_block"):
            for item in node.children:
                self.statement(item, scope, out)
        elif node.type in ("comment", "empty_statement", "function_statement", "param_block", "{", "}", ";"):
            return
        else:
            self._emit(node, scope, out)

    def _emit(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """An expression or a command as a statement: its value goes down the pipeline."""
        node = core(node)
        if node.type == "command":
            out.extend(self._command(node, scope))
            return
        if node.type in ("assignment_expression", "post_increment_expression"):
            self.value(node, scope)
            return
        value = self.value(node, scope)
        if value is NOTHING:
            return
        found = enumerated(value)
        out.extend([value] if found is None else found)

    def _s_pipeline(self, node: Node, scope: Scope, out: list[Any]) -> None:
        self._emit(node, scope, out)

    def _s_if_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        for branch in (node, *nodes_in(node, "elseif_clause")):
            if truth(self._condition(branch, scope)):
                self.statement(required(branch, "statement_block"), scope, out)
                return
        other = child(node, "else_clause")
        if other is not None:
            self.statement(required(other, "statement_block"), scope, out)

    def _condition(self, node: Node, scope: Scope) -> Any:
        inner = node.children[[item.type for item in node.children].index("(") + 1]
        return self.value(inner, scope)

    def _loop(self, node: Node, scope: Scope, out: list[Any]) -> bool:
        """One round of a loop; False where it was broken off."""
        try:
            self.statement(required(node, "statement_block"), scope, out)
        except Leave as left:
            if left.how == "break":
                return False
            if left.how != "continue":
                raise
        return True

    def _s_while_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        while truth(self._condition(node, scope)) and self._loop(node, scope, out):
            pass

    def _s_do_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        while self._loop(node, scope, out) and not truth(self._condition(node, scope)):
            pass

    def _s_for_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        self.value(required(node, "for_initializer"), scope)
        while truth(self.value(required(node, "for_condition"), scope)) and self._loop(node, scope, out):
            self.value(required(node, "for_iterator"), scope)

    def _s_foreach_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        name = words(required(node, "variable"))[1:].casefold()
        for item in each(self.value(required(node, "pipeline"), scope)):
            scope.write(name, item)
            if not self._loop(node, scope, out):
                return

    def _s_try_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        try:
            self.statement(required(node, "statement_block"), scope, out)
        except Thrown as thrown:
            caught = next((clause for clause in nodes_in(node, "catch_clause") if _catches(clause, thrown)), None)
            if caught is None:
                raise
            inner = scope.values.get("_")
            scope.values["_"] = dotnet.record(thrown)
            self.statement(required(caught, "statement_block"), scope, out)
            scope.values["_"] = inner
        finally:
            last = child(node, "finally_clause")
            if last is not None:
                self.statement(required(last, "statement_block"), scope, out)

    def _s_flow_control_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        how = node.children[0].type
        if how == "throw":
            thrown = self.value(node.children[1], scope)
            raise thrown.thrown if isinstance(thrown, dotnet.Record) else Thrown(text(thrown), text(thrown))
        if how == "return" and len(node.children) > 1:
            self._emit(node.children[1], scope, out)
        raise Leave(how)

    # --- commands

    def _command(self, node: Node, scope: Scope) -> list[Any]:
        name = words(node.children[0])
        parts = [item for element in nodes_in(node, "command_elements") for item in element.children if item.type != "command_argument_sep"]
        if name == "New-Object":
            return [self._new(parts, scope)]
        given = [plain(self._argument(item, scope)) for item in parts]
        if name == "&":
            return self.block(self.value(node.children[1], scope), given, scope)
        assert not [item for item in parts if item.type == "command_parameter"], words(node)
        return self.outputs(name, given, scope)

    def _argument(self, node: Node, scope: Scope) -> Any:
        return words(node) if node.type == "generic_token" else self.value(node, scope)

    def _new(self, parts: list[Node], scope: Scope) -> Any:
        kind = text(self._argument(parts[0], scope))
        given: list[Any] = []
        for item in parts[1:]:
            value = plain(self.value(item, scope))
            given.extend(value if isinstance(value, list) else [value])
        return dotnet.new(kind, given, self)

    # --- expressions

    def value(self, node: Node, scope: Scope) -> Any:
        node = core(node)
        if node.type == "command":
            return collected(self._command(node, scope))
        if node.type == "command_name":
            return collected(self.outputs(words(node), [], scope))
        method = getattr(self, f"_x_{node.type}", None)
        if method is not None:
            return method(node, scope)
        if node.type.endswith(("_expression", "_argument_expression")) and len(node.children) == 3:
            return self._binary(node, scope)
        raise AssertionError(f"line {node.start_point[0] + 1}: {node.type} is not read: {words(node)[:60]}")

    def _binary(self, node: Node, scope: Scope) -> Any:
        first, operator, second = node.children
        sign = words(operator).casefold()
        if sign in ("-and", "-or"):
            left = truth(self.value(first, scope))
            return truth(self.value(second, scope)) if left is (sign == "-and") else left
        left = plain(self.value(first, scope))
        if core(second).type == "type_literal" and sign in ("-eq", "-ne"):
            return (text(left).casefold() == words(second)[1:-1].casefold()) is (sign == "-eq")
        if sign in ("-is", "-isnot"):
            return is_type(left, words(second)[1:-1]) is (sign == "-is")
        return OPERATORS[sign](left, plain(self.value(second, scope)))

    def _x_array_literal_expression(self, node: Node, scope: Scope) -> Any:
        return [plain(self.value(item, scope)) for item in node.children if item.type != ","]

    def _x_array_expression(self, node: Node, scope: Scope) -> Any:
        out: list[Any] = []
        for item in node.children[1:-1]:
            self.statement(item, scope, out)
        return out

    def _x_sub_expression(self, node: Node, scope: Scope) -> Any:
        return collected(self._x_array_expression(node, scope))

    def _x_parenthesized_expression(self, node: Node, scope: Scope) -> Any:
        return self.value(node.children[1], scope)

    def _x_expression_with_unary_operator(self, node: Node, scope: Scope) -> Any:
        sign, value = words(node.children[0]).casefold(), self.value(node.children[1], scope)
        match sign:
            case "-not":
                return not truth(value)
            case ",":
                return [plain(value)]
            case "-":
                return -value
        raise AssertionError(f"{sign} is not read")

    def _x_cast_expression(self, node: Node, scope: Scope) -> Any:
        kind = words(node.children[0])[1:-1]
        if kind == "ref":
            return Ref(scope, words(node.children[1])[1:].casefold())
        value = self.value(node.children[1], scope)
        return plain(value) if "." in kind else cast(kind, value)

    def _x_variable(self, node: Node, scope: Scope) -> Any:
        return scope.read(words(node)[1:].casefold())

    def _x_string_literal(self, node: Node, scope: Scope) -> Any:
        inner = node.children[0]
        if inner.type == "verbatim_string_characters":
            return words(inner)[1:-1].replace("''", "'")
        data, at, out = inner.text or b"", 1, ""
        for part in inner.children:
            start = part.start_byte - inner.start_byte
            out += data[at:start].decode()
            out += text(self.value(part, scope))
            at = part.end_byte - inner.start_byte
        return out + data[at:-1].decode()

    def _x_verbatim_string_characters(self, node: Node, scope: Scope) -> Any:
        del scope
        return words(node)[1:-1].replace("''", "'")

    def _x_decimal_integer_literal(self, node: Node, scope: Scope) -> Any:
        del scope
        return int(words(node))

    def _x_real_literal(self, node: Node, scope: Scope) -> Any:
        del scope
        return float(words(node))

    def _x_simple_name(self, node: Node, scope: Scope) -> Any:
        del scope
        return words(node)

    def _x_hash_literal_expression(self, node: Node, scope: Scope) -> Any:
        table = Map()
        for entry in nodes_in(required_or(node, "hash_literal_body"), "hash_entry"):
            name = words(entry.children[0]).strip("'")
            value = next(item for item in entry.children[2:] if item.is_named)
            out: list[Any] = []
            self.statement(value, scope, out) if value.type == "statement" else out.append(self.value(value, scope))
            table.put(name, plain(collected(out)))
        return table

    def _x_script_block_expression(self, node: Node, scope: Scope) -> Any:
        del scope
        return Block(node)

    def _x_assignment_expression(self, node: Node, scope: Scope) -> Any:
        target, sign, source = node.children
        target = core(target)
        value = plain(self.value(source, scope))
        if words(sign) == "+=":
            value = add(plain(self.value(target, scope)), value)
        self._store(target, value, scope)
        return value

    def _x_post_increment_expression(self, node: Node, scope: Scope) -> Any:
        before = to_int(self.value(node.children[0], scope))
        self._store(node.children[0], before + 1, scope)
        return before

    def _store(self, target: Node, value: Any, scope: Scope) -> None:
        target = core(target)
        if target.type == "variable":
            name = words(target)[1:].casefold()
            assert name not in ("null", "true", "false", "pid", "_")
            scope.write(name, value)
        elif target.type == "member_access":
            dotnet.set_member(self.value(target.children[0], scope), words(target.children[-1]), value)
        else:
            assert target.type == "element_access", target.type
            dotnet.set_item(self.value(target.children[0], scope), plain(self.value(target.children[2], scope)), value)

    def _x_member_access(self, node: Node, scope: Scope) -> Any:
        base, name = node.children[0], words(node.children[-1])
        if base.type == "type_literal":
            return dotnet.static(words(base)[1:-1], name, None, self)
        return dotnet.member(plain(self.value(base, scope)), name, self)

    def _x_invokation_expression(self, node: Node, scope: Scope) -> Any:
        base, name = node.children[0], words(required(node, "member_name"))
        given = [
            plain(self.value(item, scope))
            for item in nodes_in(required(node, "argument_list"), "argument_expression_list")
            for item in item.children
            if item.type != ","
        ]
        if base.type == "type_literal":
            return dotnet.static(words(base)[1:-1], name, given, self)
        return dotnet.method(plain(self.value(base, scope)), name, given, self, scope)

    def _x_element_access(self, node: Node, scope: Scope) -> Any:
        return dotnet.item(plain(self.value(node.children[0], scope)), plain(self.value(node.children[2], scope)))

    def _x_type_literal(self, node: Node, scope: Scope) -> Any:
        del scope
        return EnumType(words(node)[1:-1])


@cache
def parsed(script: str) -> tuple[Node, dict[str, tuple[Node, tuple[str, ...]]]]:
    root = cast_node(Light(tree(uncommented(script))))
    return root, functions(root)


WHOLE = ("command", "variable", "string_literal", "argument_list")


class Light:
    """A node of the tree kept as plain Python: the grammar's own builds its children anew each time that they are asked for."""

    __slots__ = ("children", "core", "end_byte", "is_named", "start_byte", "start_point", "text", "type")

    def __init__(self, node: Node) -> None:
        self.type, self.text, self.is_named = node.type, node.text, node.is_named
        self.start_byte, self.end_byte, self.start_point = node.start_byte, node.end_byte, node.start_point
        self.children = [Light(item) for item in node.children]
        self.core: Light = self.children[0].core if len(self.children) == 1 and self.type not in WHOLE else self


def core(node: Node) -> Node:
    """The node that a chain of single children ends in: the grammar has a level for each rank of operators."""
    return typing.cast("Node", typing.cast("Light", node).core)


def cast_node(light: Light) -> Node:
    """It has what this module asks of a node, and no more."""
    return typing.cast("Node", light)


def uncommented(script: str) -> str:
    """The script with its comments blanked, every line where it was."""
    for node in nodes(tree(script), "comment"):
        script = script[: node.start_byte] + " " * (node.end_byte - node.start_byte) + script[node.end_byte :]
    return script


class EnumType(str):
    __slots__ = ()


def nodes_in(node: Node, kind: str) -> list[Node]:
    """Children of a kind, also below the clause lists that the grammar puts between."""
    found = []
    for item in node.children:
        if item.type == kind:
            found.append(item)
        elif item.type in (f"{kind}s", "catch_clauses", "elseif_clauses"):
            found += nodes_in(item, kind)
    return found


def required(node: Node, kind: str) -> Node:
    found = child(node, kind)
    assert found is not None, f"{node.type} without {kind}: {words(node)[:60]}"
    return found


def required_or(node: Node, kind: str) -> Node:
    return child(node, kind) or node


def _catches(clause: Node, thrown: Thrown) -> bool:
    kinds = [words(item) for item in nodes(clause, "type_spec") if child(clause, "catch_type_list")]
    listed = child(clause, "catch_type_list")
    return listed is None or any(thrown.kind == f"System.{kind}" for kind in kinds)


def add(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        return str(left) + text(right)
    if left is None:
        return right
    if isinstance(left, list):
        return [*left, *each(right)]
    return left + (to_float(right) if isinstance(right, float) else to_int(right))


def _matches(left: Any, pattern: str, *, cased: bool) -> bool:
    return dotnet.compiled(pattern, 0 if cased else re.IGNORECASE).search(text(left)) is not None


def _has(left: Any, right: Any, *, cased: bool) -> bool:
    return any(equal(item, right, cased=cased) for item in each(left))


def _below(left: Any, right: Any) -> bool:
    return bool((0 if left is None else left) < (0 if right is None else right))


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "-eq": lambda a, b: equal(a, b, cased=False),
    "-ne": lambda a, b: not equal(a, b, cased=False),
    "-ceq": lambda a, b: equal(a, b, cased=True),
    "-cne": lambda a, b: not equal(a, b, cased=True),
    "-lt": _below,
    "-gt": lambda a, b: _below(b, a),
    "-le": lambda a, b: not _below(b, a),
    "-ge": lambda a, b: not _below(a, b),
    "-match": lambda a, b: _matches(a, b, cased=False),
    "-notmatch": lambda a, b: not _matches(a, b, cased=False),
    "-cmatch": lambda a, b: _matches(a, b, cased=True),
    "-cnotmatch": lambda a, b: not _matches(a, b, cased=True),
    "-contains": lambda a, b: _has(a, b, cased=False),
    "-notcontains": lambda a, b: not _has(a, b, cased=False),
    "-ccontains": lambda a, b: _has(a, b, cased=True),
    "-cnotcontains": lambda a, b: not _has(a, b, cased=True),
}
