"""Runs one command under typer, and turns whatever goes wrong into words, a next step and an exit code. Called by `main`."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from reconciler.cli.options import Common, Output, spread
from reconciler.cli.screen import Screen
from reconciler.cli.session import Session
from reconciler.cli.views.frames import frames
from reconciler.cli.views.words import count, one_line
from reconciler.core.diagnostics import Diagnostic, Severity, error
from reconciler.core.errors import Defect, ReconcilerError, Refused, SecretUnavailable, TransportError

USAGE: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
INTERRUPTED = 130
PIPE_CLOSED = 141


def serve(command: Callable[..., int], name: str, arguments: list[str]) -> int:
    sessions: list[Session] = []

    def session(common: Common) -> Session:
        sessions.append(Session(common, Screen.on(quiet=common.quiet)))
        return sessions[-1]

    try:
        return _call(spread(command, {Session: session}), name, arguments)
    except USAGE as wrong:
        return _usage(wrong, name)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except SystemExit:  # rich ends like this when nobody reads on
        return PIPE_CLOSED
    except BaseExceptionGroup as group:
        return _failed(_first(group), sessions)
    except Exception as failure:  # noqa: BLE001 - the boundary: a stranger reads words, not a traceback
        return _failed(failure, sessions)


def _call(command: Callable[..., int], name: str, arguments: list[str]) -> int:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(command)
    given = typer.main.get_command(app).main(arguments, prog_name=f"reconcile {name}", standalone_mode=False)
    return given if isinstance(given, int) else 0


def _usage(wrong: Exception, name: str) -> int:
    text = getattr(wrong, "format_message", lambda: str(wrong))().removeprefix("Invalid value: ")  # our sentences stand alone
    sys.stderr.write(f"error[CLI011]: {one_line(text)}\n  next        reconcile {name} --help\n")
    return 1


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of several errors at once the one to tell: ours before others."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseExceptionGroup):
            waiting += item.exceptions
        else:
            leaves.append(item)
    return next((leaf for leaf in leaves if isinstance(leaf, ReconcilerError)), leaves[0])


def _failed(failure: BaseException, sessions: list[Session]) -> int:
    session = sessions[-1] if sessions else Session(Common(), Screen.on())
    match failure:
        case KeyboardInterrupt():
            return INTERRUPTED
        case Refused(diagnostics=diagnostics):
            return refuse(session, diagnostics)
        case SecretUnavailable():
            return refuse(session, [error("CLI020", str(failure), help="provide it where this command runs, then the same command again")])
        case TransportError(code=code):
            return refuse(session, [error(code, str(failure))])
        case _:
            return refuse(session, [_unexpected(failure, session)])


def refuse(session: Session, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> int:
    """Every error in its frame, or as JSON; exit 1."""
    if session.common.output is Output.JSON:
        session.screen.json({"format": "reconcile/error/1", "exitCode": 1, "diagnostics": [dict(d.to_json()) for d in diagnostics]})
        return 1
    page = session.screen.page()
    frames(page, diagnostics, session.line)
    errors = sum(1 for d in diagnostics if d.severity is Severity.ERROR)
    if errors > 1:
        page.blank()
        page.say(f"{count(errors, 'error')}; nothing was done", "bold")
    session.screen.complain(page)
    return 1


def _unexpected(failure: BaseException, session: Session) -> Diagnostic:
    """What nobody foresaw: the traceback goes to a file, scrubbed of secrets."""
    text = session.vault.scrub("".join(traceback.format_exception(failure)))
    whose = "a contract inside the product was broken" if isinstance(failure, Defect) else "an error that nobody foresaw"
    summary = session.vault.scrub(f"{type(failure).__name__}: {failure}")
    return Diagnostic("CLI099", Severity.ERROR, whose, details=(("it says", summary[:400]), ("log", _log(text))), help="report it with that log")


def _log(text: str) -> str:
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edge-reconciler"
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            path = place / "reconcile-error.log"
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return str(path)
    return "could not be written anywhere"
