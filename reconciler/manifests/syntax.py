"""Text in, documents out: runs PyYAML's parser over one file and goes on after a broken document at the next `---`.

Called by `loading`. The parser's own words are turned into ours; a tab that indents is named as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from reconciler.core.diagnostics import Diagnostic, Label, Position, error
from reconciler.manifests.compose import Composer, Unreadable
from reconciler.manifests.nodes import Node, Scalar
from reconciler.manifests.report import Report

MOST_BROKEN = 20  # broken documents of one file; after that the rest is left unread
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
MARKER = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)

UNCLOSED = "quotes are opened and never closed"

# What the parsers say (libyaml and PyYAML differ) → what it means, and what to do about it.
WORDS: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "a colon stands where no new key can begin", "put text that holds `: ` into quotes, or mend the indentation"),
    ("unexpected document indicator", UNCLOSED, "close them before the next ---"),
    ("unexpected end of stream", UNCLOSED, "close them"),
    ("expected ',' or '}'", "a { is opened and never closed, or a comma is missing", "close it with }, or put a comma before this"),
    ("expected ',' or ']'", "a [ is opened and never closed, or a comma is missing", "close it with ], or put a comma before this"),
    ("expected <block end>", "this does not line up with what stands above it", "indent it like its neighbours"),
    ("expected block end", "this does not line up with what stands above it", "indent it like its neighbours"),
    ("expected '-' indicator", "this is no item of the list above it", "begin it with `- `, or indent it like its neighbours"),
    ("expected node content", "a value is missing here", "put text that begins with a sign like , : ] } into quotes"),
    ("expected key", "this is no key of the map above it", "write it as `name: value`, indented like its neighbours"),
    ("expected ':'", "a key has no colon", "write it as `name: value`"),
    ("cannot start any token", "this character cannot begin a value", "put the value into quotes"),
    ("incompatible YAML document", "this version of YAML is not read", "remove the %YAML line"),
    ("duplicate %YAML", "the %YAML line stands twice", "remove both: none is needed"),
    ("expected <document start>", "a document begins here without ---", "begin every further document with a line that is just ---"),
    ("expected the document start", "a document begins here without ---", "begin every further document with a line that is just ---"),
    ("nesting depth", "this is nested more than 40 deep", "no manifest needs that: look for a slip in the brackets"),
    ("escape", "this escape is not known inside double quotes", "use single quotes: a backslash then stands for itself"),
    ("alphabetic or numeric", "an anchor or alias has no name", "put a value that begins with & or * into quotes"),
    ("undefined tag handle", "tags are not read", "remove it: the field says how its value is read"),
    ("tag", "tags are not read", "remove it: the field says how its value is read"),
)


def documents(text: str, file: str, report: Report) -> Iterator[Node]:
    """Every document that is not empty, in order; what is wrong goes to `report`."""
    before = 0
    for _ in range(MOST_BROKEN):
        composer = Composer(file, before, report)
        begin = [0]
        try:
            yield from _run(text, composer, begin)
            return
        except yaml.YAMLError as broken:
            problem, index = _explain(broken, text, file, before)
        except Unreadable as broken:
            problem, index = broken.diagnostic, broken.index
        report.add(problem)
        rest = _next_marker(text, max(index, begin[0]), begin[0])
        if rest is None:
            return
        before += len(BREAK.findall(text, 0, rest))
        text = text[rest:]


def _run(text: str, composer: Composer, begin: list[int]) -> Iterator[Node]:
    for event in yaml.parse(text, LOADER):
        if type(event) is yaml.DocumentStartEvent:
            begin[0] = event.start_mark.index if event.start_mark else 0
            composer.begin()
        elif type(event) is yaml.DocumentEndEvent:
            root = composer.root
            if root is not None and not (isinstance(root, Scalar) and root.empty):
                yield root
        else:
            composer.take(event)


def _next_marker(text: str, index: int, begin: int) -> int | None:
    """Where the next document begins: at or after the line of `index`, and never at the broken document's own beginning."""
    start = text.rfind("\n", 0, min(index, len(text))) + 1
    found = MARKER.search(text, start)
    if found is not None and found.start() <= begin:
        found = MARKER.search(text, begin + 1)
    return None if found is None else found.start()


def _explain(broken: yaml.YAMLError, text: str, file: str, before: int) -> tuple[Diagnostic, int]:
    mark = getattr(broken, "problem_mark", None) or getattr(broken, "context_mark", None)
    said = " ".join(str(part) for part in (getattr(broken, "context", None), getattr(broken, "problem", None)) if part)
    if mark is None:
        return error("MAN001", "this is not YAML", Position(file, before + 1, 1)), len(text)
    at = Position(file, before + mark.line + 1, mark.column + 1)
    if tab := _indenting_tab(text, mark.index):
        place = Position(file, at.line, tab)
        return error("MAN025", "a tab indents this line", place, help="indent with spaces only"), mark.index
    if "${" in text[max(mark.index - 1, 0) : mark.index + 2]:
        return error("MAN001", "an expression inside { } or [ ] stands without quotes", at, help='write "${…}"'), mark.index
    message, advice = _words(said)
    code = "MAN026" if "nesting depth" in said else "MAN029" if message == "tags are not read" else "MAN001"
    second = _opened(broken, file, before)
    if message == UNCLOSED and second:
        return error(code, message, second[0].position, label="opened here", labels=(Label(at, "and still open here"),), help=advice), mark.index
    return error(code, message, at, labels=second, help=advice), mark.index


def _words(said: str) -> tuple[str, str]:
    for part, message, advice in WORDS:
        if part in said:
            return message, advice
    return f"this is not YAML: {said}", ""


def _opened(broken: yaml.YAMLError, file: str, before: int) -> tuple[Label, ...]:
    """The second place: where that began which is broken, if it is another line or bracket."""
    context, problem = getattr(broken, "context_mark", None), getattr(broken, "problem_mark", None)
    if context is None or problem is None or context.index == problem.index:
        return ()
    return (Label(Position(file, before + context.line + 1, context.column + 1), "it begins here"),)


def _indenting_tab(text: str, index: int) -> int:
    """The column of a tab in the white space before `index` on its line, or 0."""
    start = text.rfind("\n", 0, index) + 1
    indent = re.match(r"[ \t]*", text[start : start + 1000])
    assert indent is not None
    column = indent.group().find("\t") + 1
    return column if column and index - start <= indent.end() + 1 else 0
