"""api-versions: which there are, and since which a property is known. Section 1.2 [spec]."""

from __future__ import annotations

import re

VERSIONS = frozenset(
    (
        *("2015-06-15", "2016-03-30", "2016-04-30-preview", "2017-03-30", "2017-12-01", "2018-04-01", "2018-06-01", "2018-10-01", "2019-03-01"),
        *("2019-07-01", "2019-12-01", "2020-06-01", "2020-12-01", "2021-03-01", "2021-04-01", "2021-07-01", "2021-11-01", "2022-03-01", "2022-08-01"),
        *("2022-11-01", "2023-03-01", "2023-07-01", "2023-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01", "2025-11-01", "2026-03-01"),
        "2026-04-01",
    )
)
DATE = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")  # other providers' versions are not listed here
AUTOMATIC_DEFAULT = "2025-04-01"  # enableAutomaticUpgrade is said to be on by default from here on [spec]
SECURITY_STANDARD = "2025-11-01"  # securityType Standard is returned from here on [spec]

# property -> its first api-version on a VM, on a scale set ('' never)
FIRST = {
    "publisher": ("2015-06-15", "2015-06-15"),
    "type": ("2015-06-15", "2015-06-15"),
    "typeHandlerVersion": ("2015-06-15", "2015-06-15"),
    "autoUpgradeMinorVersion": ("2015-06-15", "2015-06-15"),
    "settings": ("2015-06-15", "2015-06-15"),
    "protectedSettings": ("2015-06-15", "2015-06-15"),
    "provisioningState": ("2015-06-15", "2015-06-15"),
    "instanceView": ("2015-06-15", ""),
    "forceUpdateTag": ("2015-06-15", "2017-03-30"),
    "enableAutomaticUpgrade": ("2020-06-01", "2020-06-01"),
    "suppressFailures": ("2021-07-01", "2021-07-01"),
    "protectedSettingsFromKeyVault": ("2021-11-01", "2021-11-01"),
    "provisionAfterExtensions": ("2023-03-01", "2018-06-01"),
}


def known(name: str, api: str, *, on_set: bool) -> bool:
    """Whether a property of an extension exists in that api-version."""
    first = FIRST.get(name, ("", ""))[on_set]
    return bool(first) and api[:10] >= first


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def satisfying(asked: str, offered: list[str], *, minor: bool) -> str | None:
    """The newest version that is offered for major.minor `asked`; with `minor` also a newer minor of that major [spec 1.3]."""
    major, least = numbers(asked)[:2]
    fitting = [v for v in offered if numbers(v)[0] == major and (numbers(v)[1] >= least if minor else numbers(v)[1] == least)]
    return max(fitting, key=numbers, default=None)
