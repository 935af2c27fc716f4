"""`reconcile watch`: the loop. Puts drift back that disturbs nothing, reports the rest, one line an event, until told to stop."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Annotated

import anyio
import typer
from pydantic import TypeAdapter, ValidationError

from reconciler.cli.git import specs_info
from reconciler.cli.interrupt import interruptible
from reconciler.cli.session import Session
from reconciler.cli.views.watch_text import style, watch_line
from reconciler.core.fieldtypes import Duration
from reconciler.engine.link import Linked
from reconciler.operator.events import WatchEvent, watch_json
from reconciler.operator.loop import watch

Every = Annotated[str, typer.Option("--every", metavar="DURATION", help="From the start of one sweep to the start of the next.")]
Sweeps = Annotated[int | None, typer.Option("--sweeps", min=1, help="End after so many sweeps; left out: until told to stop.")]
LEFT = 130
SHORTEST = timedelta(seconds=10)


def command(session: Session, every: Every = "15m", sweeps: Sweeps = None) -> int:
    """The loop: put drift back that disturbs nothing, report the rest."""
    interval = _interval(every)
    if session.common.estate is not None and sweeps is None:
        raise typer.BadParameter("on an emulated estate time runs as fast as it can: say how many sweeps, for example --sweeps 4")
    with session.environment() as env:
        say = partial(_say, session)
        seed = env.by
        info = partial(specs_info, session.common.specs)

        async def loop(stop: anyio.Event) -> int:
            end = await watch(partial(_load, session), env, interval, say, stop, jitter_seed=seed, sweeps=sweeps, revision=info)
            return 2 if sweeps is not None and end.not_ready else 0

        ended = anyio.run(interruptible, loop, lambda: session.screen.note("^C  no new step starts; again: leave at once"))
    return LEFT if ended.value is None else ended.value


def _interval(text: str) -> timedelta:
    try:
        interval: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration: 15m, 1h, 90s") from None
    if interval < SHORTEST:
        raise typer.BadParameter(f"a sweep every {text} leaves the hosts no time: at least 10s")
    return interval


def _load(session: Session) -> Linked:
    """The manifests as they are now."""
    return session.reading(session.common.specs).linked_anyhow


def _say(session: Session, event: WatchEvent) -> None:
    if session.json:
        session.screen.text(json.dumps(watch_json(event)) + "\n")
    else:
        session.screen.note(watch_line(event, session.said(), short=session.screen.terminal), style(event))
