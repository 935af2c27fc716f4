"""The emulator's WinRM endpoint: an estate behind real sockets, for clients that know nothing of an emulator (docs/emulated-endpoint.md).

`serve` is the way in. Nothing of the product imports this but `emulate serve` and tests.
"""

from reconciler.emulator.winrm.endpoint import Address, Endpoint, serve
from reconciler.emulator.winrm.settings import Account, Costs, Quotas, Settings
from reconciler.emulator.winrm.troubles import Trouble, What

__all__ = ["Account", "Address", "Costs", "Endpoint", "Quotas", "Settings", "Trouble", "What", "serve"]
