"""An emulated Azure for a test: one VM `hpc-01` of an RDMA size, a scale set where asked for, and requests in short forms."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Vm
from reconciler.emulator.arm.transport import Transport
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import HostWish

BASE = "https://management.azure.com"
API = "2024-11-01"
DRIVER: dict[str, Any] = {
    "publisher": "Microsoft.HpcCompute",
    "type": "InfiniBandDriverWindows",
    "typeHandlerVersion": "1.2",
    "autoUpgradeMinorVersion": True,
    "enableAutomaticUpgrade": False,
}


def body(**properties: Any) -> dict[str, Any]:
    """A whole body for the InfiniBand driver on a VM, with other properties over it; None takes one out."""
    said = {name: value for name, value in (DRIVER | properties).items() if value is not None}
    return {"location": "westeurope", "properties": said}


class Azure:
    """`status`, `headers` and `answer` are of the last request."""

    def __init__(self, size: str = "Standard_HB120rs_v3", *, linked: bool = False, **more: Any) -> None:
        estate = Estate.new(None, [HostWish("hpc-01", platform="azure")] if linked else [])
        self._begin(estate, building.vm(estate, "hpc-01", size=size, machine="hpc-01", **more))

    @classmethod
    def over(cls, estate: Estate, vm: Vm) -> Azure:
        """The same short forms for an estate that is there."""
        azure = cls.__new__(cls)
        azure._begin(estate, vm)
        return azure

    def _begin(self, estate: Estate, vm: Vm) -> None:
        self.estate, self.vm, self.cloud = estate, vm, estate.azure
        self.transport = Transport(self.estate)
        self.principal = "edge"
        self.token: str | None = self.transport.token()
        self.url = self.remembered = ""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.answer: Any = None

    def send(self, method: str, path: str, sent: Any = None, *, api: str | None = API) -> Any:
        """`path` may begin with `vm` or `set`, or be a whole URL; the answer's JSON, or None."""
        url = path if path.startswith("https://") else BASE + self._whole(path)
        if api and not path.startswith("https://"):
            url += f"{'&' if '?' in url else '?'}api-version={api}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = sent.encode() if isinstance(sent, str) else json.dumps(sent).encode() if sent is not None else None
        self.status, self.headers, said = self.transport.send(method, url, headers, data)
        self.url = self.headers.get("Azure-AsyncOperation", self.url)
        self.answer = json.loads(said) if said else None
        return self.answer

    def poll(self) -> Any:
        """The status of the last operation that began."""
        return self.send("GET", self.url)

    def wait(self, seconds: float) -> None:
        self.estate.clock.advance(timedelta(seconds=seconds))

    def done(self) -> Any:
        """Polls each 10 s until the last operation is over; what it says then."""
        for _ in range(720):
            if (said := self.poll())["status"] != "InProgress":
                return said
            self.wait(10)
        raise AssertionError("the operation does not end")

    def put(self, name: str = "ib", sent: Any = None) -> Any:
        """A PUT of an extension, and its end."""
        self.send("PUT", f"vm/extensions/{name}", sent or body())
        assert self.status in (200, 201), self.answer
        return self.done()

    def state(self, name: str = "ib") -> str:
        found = self.send("GET", f"vm/extensions/{name}")
        return str(found["properties"]["provisioningState"])

    def runs(self, do: str = "begins") -> int:
        """How often a handler began."""
        return sum(entry["what"] == "handler" and entry["do"] == do for entry in self.estate.log())

    def _whole(self, path: str) -> str:
        first, slash, rest = path.partition("/")
        head, mark, query = first.partition("?")
        scale_set = next(iter(self.cloud.sets.values()), None)
        known = {"vm": self.vm.id, "set": scale_set.id if scale_set else ""}
        return known[head] + mark + query + slash + rest if head in known else path
