"""Which sizes of Azure can run a virtual machine inside: a table, for Azure has no capability that says so.

Matched on the family that the SKU list gives, not on the size's name. Yes, no, or nobody knows. Source: azure-extensions 3 (pages of the
series, and the list that another project keeps); what is on no list is unknown.
"""

from __future__ import annotations

import re

YES = re.compile(
    r"d(s|d|ds)?v[345]|ddsv[345]|d(as|ads)v5|dasv6|dsv[67]|"
    r"e(d|b|bd|bds|bs)?v[345]|e(s|ds|i)v[345]|e(as|ads)v5|xei(d)?sv4|"
    r"fsv2|fx|fxmdvs|m|ms|msmediummemoryv2|l(s|as)v3|[de]c(a|ad)(s_cc_|cc)v5"
)
NO = re.compile(
    r"a|av2|b|bs|basv2|bsv2|dv2|dsv2|f|fs|"
    r"[bde]p[a-z]*v\d+|"  # Arm
    r"dcsv[23]|dc(as|ads)v[56]|ec(as|ads)v[56]|"  # confidential, but for those that can have children
    r"nvadsa10v5|nc(a|as|s)?v3_?t4|ncast4_?v3|dav4|dasv4|nvs?v4|lsv2|"
    r"h|hb.*|hc.*|hx.*|nd.*|ncr?sv3"  # RDMA: HBv3 and HBv4 say so, the others are on no positive list
)
OLD_TRUSTED = re.compile(r".*v[34]")  # where Trusted Launch was said to take nesting away


def folded(family: str) -> str:
    """`standardDSv5Family` and `Standard NCASv3_T4 Family` in one spelling."""
    return family.casefold().replace(" ", "").removeprefix("standard").removesuffix("family")


def nests(family: str) -> bool | None:
    name = folded(family)
    return True if YES.fullmatch(name) else False if NO.fullmatch(name) else None
