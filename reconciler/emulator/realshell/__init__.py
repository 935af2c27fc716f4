"""A real PowerShell in place of the emulated invoker: our bootstrap runs in it, and its calls act on the emulated machine.

`async with RealShells(path) as shells, serve(estate, launchers=[shells.launch])`. What differs from Windows is in docs/emulated-endpoint.md.
"""

from reconciler.emulator.realshell.shells import RealShells

__all__ = ["RealShells"]
