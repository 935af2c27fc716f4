"""A run as it happens. `Plain`: one line an event, for pipes and logs. `Live`: a line a host that is redrawn, for terminals.

Handed to the engine as its `emit`. Both remember what is under way, for Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from reconciler.cli.screen import Screen
from reconciler.cli.views.apply_text import event_line, last_line, throttled
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import clock, one_line, span_seconds, took
from reconciler.engine.events import Event, Happening

BAR = 6
SILENT = 15  # seconds without a word from a host after which its line says for how long
# Seconds after which a log hears again of what goes on: a long action is asked after every 5 to 15 s, so that no two lines are further apart than
# that; a service that asks to wait, again and again for a moment, is no news.
AGAIN = {Happening.PROGRESS: 8.0, Happening.THROTTLED: 60.0}
WORDS = {Happening.REBOOTING: "is rebooting", Happening.WAITING: "waits for", Happening.CONVERGED: "as declared"}
ENDS = (Happening.DONE, Happening.FAILED, Happening.RECORDED, Happening.STOPPED)


@dataclass(slots=True)
class HostState:
    """Where one host is."""

    started: datetime
    at: datetime
    done: int = 0
    of: int = 0
    text: str = "connects"
    usual: tuple[float, float] | None = None
    running: str = ""
    over: bool = False


@dataclass(slots=True)
class Board:
    """Every host of the run, from its events. No output of its own."""

    hosts: dict[str, HostState] = field(default_factory=dict)

    def take(self, event: Event) -> HostState:
        state = self.hosts.setdefault(event.host, HostState(event.at, event.at))
        state.at = event.at
        state.of = max(state.of, event.of)
        state.text = _now(event, state)
        if event.what is Happening.STEP:
            state.running, state.usual, state.done = str(event.id), event.usual, max(0, event.index - 1)
        elif event.what in ENDS:
            state.running, state.usual = "", None
            state.done = max(state.done, event.index) if event.what is Happening.DONE else state.done
        state.over = event.what in (Happening.CONVERGED, Happening.UNSEEN, Happening.STALE, Happening.STOPPED)
        return state

    @property
    def now(self) -> datetime:
        """When something was last heard of any host: a host that says nothing ages by it."""
        return max(state.at for state in self.hosts.values())

    @property
    def started(self) -> datetime:
        """When the first host was begun with."""
        return min(state.started for state in self.hosts.values())

    def running(self) -> list[str]:
        return [state.running for state in self.hosts.values() if state.running]


def _now(event: Event, state: HostState) -> str:
    what = event.id.local if event.id else ""
    match event.what:
        case Happening.ACTION:
            return f"{what}: {event.text}"
        case Happening.PROGRESS:
            last = last_line(event.text)
            said = f'  host says: "{last}"' if last else ""
            return f"{what}: {event.action}, {took(event.seconds or 0)} so far{said}"
        case Happening.JOINED:
            return f"{what}: joined job {event.text}"
        case Happening.THROTTLED:
            return throttled(event)
        case Happening.LEASED:
            return state.text
    if event.what is Happening.STEP:
        return " ".join(filter(None, (event.text, what)))
    away = f", away {took(event.seconds)}" if event.what is Happening.REBOOTED and event.seconds else ""
    words = WORDS.get(event.what, event.what.value)
    return " ".join(filter(None, (what, words + away, "" if event.what is Happening.REBOOTED else event.text)))


class Plain:
    """One line an event."""

    def __init__(self, screen: Screen, verbose: bool = False, quiet: bool = False) -> None:
        self.board = Board()
        self._screen = screen
        self._verbose = verbose
        self._quiet = quiet
        self._told: dict[str, tuple[datetime, str]] = {}

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def __call__(self, event: Event) -> None:
        self.board.take(event)
        line = event_line(event, verbose=self._verbose)
        if line is not None and not self._quiet and self._due(event):
            self._told[event.host] = (event.at, last_line(event.text) if event.what in AGAIN else "")
            self.note(line)

    def _due(self, event: Event) -> bool:
        """What goes on is told of when something about it is new, and now and then; everything else at once."""
        every = AGAIN.get(event.what)
        if every is None or self._verbose:
            return True
        told, said = self._told.get(event.host, (event.at, ""))
        return last_line(event.text) != said or (event.at - told).total_seconds() >= every

    def note(self, text: str) -> None:
        self._screen.note(text)


class Live:
    """A line a host at the bottom; what ended moves up and stays."""

    def __init__(self, screen: Screen, names: list[str], live: Callable[[Console], RichLive] | None = None) -> None:
        self.board = Board()
        self._screen = screen
        self._names = names
        self._column = max([10, *(len(name) for name in names)]) + 2
        self._live = (live or _rich)(screen.out)

    def __enter__(self) -> Live:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.update(Group())
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        state = self.board.take(event)
        if _stays(event, len(self._names)):
            self._print(event, state)
        self._live.update(self._drawn())

    def note(self, text: str) -> None:
        page = self._screen.page()
        page.say(text, "bold yellow")
        self._above(page)

    def _print(self, event: Event, state: HostState) -> None:
        page = self._screen.page()
        passed = clock((event.at - self.board.started).total_seconds())
        what = event.id.local if event.id else ""
        word, style = _word(event)
        place = f"{event.index}/{event.of}" if event.of else ""
        text = f"{what}{': ' if what and word else ''}{word}"
        page.row(At(0, passed), At(8, event.host, "bold"), At(8 + self._column, place, "dim"), At(16 + self._column, text, style))
        self._above(page)

    def _above(self, page: Page) -> None:
        for line in page.lines:
            self._live.console.print(line, soft_wrap=True)

    def _drawn(self) -> Group:
        page = self._screen.page()
        for name, state in self.board.hosts.items():
            if not state.over:
                self._row(page, name, state)
        return Group(*(Text(line.plain[: self._screen.width - 1], style="dim") for line in page.lines[:20]))

    def _row(self, page: Page, name: str, state: HostState) -> None:
        filled = BAR * state.done // state.of if state.of else 0
        usual = span_seconds(state.usual) if state.usual else ""
        bar = "█" * filled + "░" * (BAR - filled)
        passed = clock((self.board.now - self.board.started).total_seconds())
        place = f"{state.done}/{state.of}" if state.of else ""
        age = (self.board.now - state.at).total_seconds()
        silent = f"  for {clock(age)}" if age >= SILENT else ""
        page.exact((f"{passed:<8}{name:<{self._column}}{bar} {place:<6} {one_line(state.text)}{silent}{'  usual ' + usual if usual else ''}", ""))


def _word(event: Event) -> tuple[str, str]:
    match event.what:
        case Happening.DONE:
            return f"done {event.text}" if event.seconds is None else f"done in {took(event.seconds)}", "green"
        case Happening.REBOOTED:
            return f"rebooted, away {took(event.seconds or 0)}", "yellow"
        case Happening.CONVERGED:
            return "as declared", "bold green"
        case Happening.FAILED:
            return f"failed: {one_line(event.text)}", "bold red"
        case Happening.RECORDED:
            return "recorded", "blue"
    return one_line(" ".join(filter(None, (event.what.value, event.text)))), "yellow"


def _stays(event: Event, hosts: int) -> bool:
    """What remains on the screen: of few hosts every step, of many only how each ended."""
    last = (Happening.CONVERGED, Happening.FAILED, Happening.UNSEEN, Happening.STALE, Happening.STOPPED)
    steps = (Happening.DONE, Happening.RECORDED, Happening.REBOOTED, Happening.JOINED, Happening.BLOCKED, Happening.ROUND)
    return event.what in last or (hosts <= 4 and event.what in steps)


def _rich(console: Console) -> RichLive:
    return RichLive(console=console, refresh_per_second=8, transient=True)


def teller(screen: Screen, hosts: list[str], *, verbose: bool, quiet: bool) -> Plain | Live:
    """How this screen shows a run."""
    if screen.terminal and not quiet:
        return Live(screen, hosts)
    return Plain(screen, verbose, quiet)
