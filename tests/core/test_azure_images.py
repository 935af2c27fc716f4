"""Whether an instance was made of the image that its set's model names."""

from __future__ import annotations

import pytest

from reconciler.core.azure import image_of, same_image

WINDOWS = {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": "2022-datacenter-g2"}
OURS = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Compute/images/hpc"


@pytest.mark.parametrize(
    ("instance", "model", "same"),
    [
        (WINDOWS | {"version": "2022.1"}, WINDOWS | {"version": "2022.1", "offer": "windowsserver"}, True),
        (WINDOWS | {"version": "2022.1", "exactVersion": "2022.1"}, WINDOWS | {"version": "2026.1"}, False),
        (WINDOWS | {"version": "2022.1"}, WINDOWS | {"version": "2022.1", "sku": "2025-datacenter-g2"}, False),
        (WINDOWS | {"version": "2022.1"}, WINDOWS | {"version": "latest"}, None),  # which that is, nobody says
        (WINDOWS | {"version": "latest"}, WINDOWS | {"version": "latest"}, True),
        (WINDOWS | {"version": "latest"}, WINDOWS | {"version": "latest", "sku": "2025-datacenter-g2"}, False),
        ({"id": OURS}, {"id": OURS.upper()}, True),
        ({"id": OURS}, WINDOWS | {"version": "latest"}, False),
        ({"id": f"{OURS}/versions/1"}, {"id": OURS}, None),
        ({"version": "1"}, WINDOWS, None),
        ({}, WINDOWS, None),
    ],
)
def test_images_are_compared_as_far_as_they_are_told(instance: dict[str, str], model: dict[str, str], same: bool | None) -> None:
    assert same_image(image_of(instance), image_of(model)) is same
    assert same_image(image_of(model), image_of(instance)) is same
