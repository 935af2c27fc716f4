"""Azure's clouds: where their Resource Manager is, what a token for it is asked for, and whether an address is that cloud's own.

Source: azure-extensions 5.3 (`cloud_setting`). Another cloud is named by the base URL of its Resource Manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from reconciler.core.resources import Azure


@dataclass(frozen=True, slots=True)
class Cloud:
    """`base`: scheme and authority. `audience`: what tokens are for. `authority`: who gives them, where that is not asked of the environment."""

    name: str
    base: str
    audience: str
    authority: str = ""

    @property
    def scope(self) -> str:
        return f"{self.audience}/.default"

    def owns(self, url: str) -> bool:
        """Whether a token may be sent there: the same scheme, host and port."""
        return _origin(url) == _origin(self.base)


CLOUDS: Mapping[str, Cloud] = MappingProxyType(
    {
        cloud.name: cloud
        for cloud in (
            Cloud("public", "https://management.azure.com", "https://management.azure.com", "https://login.microsoftonline.com"),
            Cloud("usGovernment", "https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net", "https://login.microsoftonline.us"),
            Cloud("china", "https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
        )
    }
)


def cloud_of(azure: Azure) -> Cloud:
    """Of a cloud that is named by its address, tokens are asked for the public one's audience, as a private or emulated one takes them."""
    known = CLOUDS.get(azure.cloud)
    return known or Cloud(azure.cloud, azure.cloud.rstrip("/"), CLOUDS["public"].audience)


def _origin(url: str) -> tuple[str, str | None, int]:
    """Raises ValueError for what is no address."""
    said = urlsplit(url)
    return said.scheme.lower(), said.hostname, said.port or {"https": 443, "http": 80}.get(said.scheme.lower(), 0)
