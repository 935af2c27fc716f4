"""The table of clouds against the libraries' own: where each is, and what tokens for it are asked of whom."""

from __future__ import annotations

import pytest
from azure.core import AzureClouds
from azure.identity import AzureAuthorityHosts
from azure.mgmt.core.tools import get_arm_endpoints

from reconciler.azure.clouds import CLOUDS

THEIRS = {
    "public": (AzureClouds.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
    "usGovernment": (AzureClouds.AZURE_US_GOVERNMENT, AzureAuthorityHosts.AZURE_GOVERNMENT),
    "china": (AzureClouds.AZURE_CHINA_CLOUD, AzureAuthorityHosts.AZURE_CHINA),
}


def test_every_cloud_that_the_libraries_know_is_there() -> None:
    assert {setting for setting, _ in THEIRS.values()} == set(AzureClouds)
    assert THEIRS.keys() == CLOUDS.keys()


@pytest.mark.parametrize("name", THEIRS)
def test_a_cloud_is_where_the_libraries_say(name: str) -> None:
    setting, authority = THEIRS[name]
    theirs, ours = get_arm_endpoints(setting), CLOUDS[name]
    assert (f"{ours.base}/", [ours.scope], ours.authority) == (theirs["resource_manager"], theirs["credential_scopes"], f"https://{authority}")
