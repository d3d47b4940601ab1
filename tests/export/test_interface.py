"""What a network expects: contradictions are refused."""

from typing import Any

import pytest

from inpaintrt.export import Interface


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mask_polarity": "both"}, "mask_polarity is 'valid' or 'hole'"),
        ({"mask_channels": 2}, "mask_channels is 1 or 3"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std belong together"),
        ({"mean": (0.0,) * 3, "std": (0.0, 1.0, 1.0)}, "std must be positive"),
        ({"image_range": (1.0, 0.0)}, "LOW < HIGH"),
        ({"image_range": (0.0,)}, "image_range is 2 finite numbers"),
        ({"image_range": (-float("inf"), 1.0)}, "image_range is 2 finite numbers"),
        ({"mean": (float("nan"), 0.0, 0.0), "std": (1.0, 1.0, 1.0)}, "mean is 3 finite numbers"),
        ({"fill": "x"}, "fill is 1 finite number"),
        ({"premask": 1}, "premask is true or false"),
        ({"size_multiple": 1.5}, "size_multiple is a whole number"),
        ({"size_multiple": 0}, "size_multiple is a whole number of at least 1"),
        ({"output_index": -1}, "output_index is a whole number of at least 0"),
    ],
)
def test_contradicting_interfaces_are_refused(values: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Interface(**values)
