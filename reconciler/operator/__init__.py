"""The loop: keeps a fleet as its specs say, on a schedule. Adds when and how often to the engine, never a second way to act.

`loop.watch` is called by the command line with a way to load the specs, the engine's `Environment` and a stop event. Nothing
here prints, reads files or knows how a host is reached: it emits `WatchEvent`s. Memory of the loop lasts as long as the process.
"""
