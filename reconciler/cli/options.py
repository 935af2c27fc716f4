"""Options that several commands share, as values; a command asks for the value instead of repeating the options.

`spread` turns a command that takes such values into one whose signature lists their options, as typer wants to read it.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from reconciler.engine.environment import Scope


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    specs: Annotated[Path, typer.Option("--specs", help="Folder (or file) of the manifests.", show_default=True)] = Path("specs")
    estate: Annotated[
        Path | None, typer.Option("--estate", envvar="RECONCILE_ESTATE", show_envvar=True, help="Folder of an emulated estate, used instead of real hosts.")
    ] = None
    output: Annotated[Output, typer.Option("--output", help="text for people, json for machines, markdown for pull requests.")] = Output.TEXT
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what went wrong and the last line.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More: every action, every remark.")] = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the fleet a command is about."""

    targets: Annotated[list[str], typer.Argument(metavar="[HOST | HOST/KIND/NAME]…", help="Only these; the whole fleet if left out.")] = field(
        default_factory=list
    )
    labels: Annotated[list[str], typer.Option("-l", "--labels", metavar="KEY=VALUE", help="Only hosts with this label; several must all hold.")] = field(
        default_factory=list
    )
    exclude: Annotated[list[str], typer.Option("--exclude", metavar="HOST | ID", help="Leave these alone.")] = field(default_factory=list)

    def scope(self) -> Scope:
        return Scope(tuple(self.targets), tuple(pair for text in self.labels for pair in _pairs(text)), tuple(self.exclude))

    def words(self) -> tuple[str, ...]:
        """The selectors as they were typed."""
        return (*(word for text in self.labels for word in ("-l", text)), *(word for text in self.exclude for word in ("--exclude", text)))


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    bad = next((key for key, sign, _ in pairs if not sign or not key), None)
    if bad is not None:
        raise typer.BadParameter(f"{text!r} is no label: write KEY=VALUE, for example -l tier=shop")
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def spread(command: Callable[..., int], made: dict[type, Callable[[Any], Any]]) -> Callable[..., int]:
    """`command` with every dataclass parameter replaced by that dataclass's fields. `made[T]` makes T out of a `Common`."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    groups = {name: made_of for name in signature.parameters if (made_of := _group(hints[name], made))}
    parameters = [p for name, p in signature.parameters.items() if name not in groups]
    listed = [p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    listed = [option for group in groups.values() for option in _options(group)] + listed

    @wraps(command)
    def call(**given: Any) -> int:
        values = {name: _take(group, given) for name, group in groups.items()}
        values = {name: made[hints[name]](value) if hints[name] in made else value for name, value in values.items()}
        return command(**values, **given)

    call.__signature__ = signature.replace(parameters=sorted(listed, key=_arguments_first), return_annotation=int)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in listed}
    return call


def _group(hint: Any, made: dict[type, Callable[[Any], Any]]) -> type | None:
    if hint in made:
        return Common
    return hint if hint in (Common, Selection) else None


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    found = []
    for item in dataclasses.fields(group):
        default = None if item.default is dataclasses.MISSING else item.default
        found.append(inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[item.name]))
    return found


def _take(group: type, given: dict[str, Any]) -> Any:
    taken = {item.name: given.pop(item.name) for item in dataclasses.fields(group)}
    return group(**{name: [] if value is None and name in ("targets", "labels", "exclude") else value for name, value in taken.items()})


def _arguments_first(parameter: inspect.Parameter) -> bool:
    return not any(isinstance(mark, typer.models.ArgumentInfo) for mark in getattr(parameter.annotation, "__metadata__", ()))
