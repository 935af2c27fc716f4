"""link → observe → decide → apply. The engine alone performs I/O on hosts, and only through what it is handed.

`Environment` carries every collaborator (registry, connections, secrets, clock); nothing here knows WinRM, YAML,
a terminal or the emulator. It never prints and never asks: it yields values (`Plan`, `RunReport`) and emits `Event`s.
"""
