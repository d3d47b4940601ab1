"""Slices of slices along different axes become one."""

import numpy as np
import torch
from torch import Tensor, nn

from tests.export.graph.graphs import (
    inputs,
    run,
    traced,
)


class Sliced(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        twice = image[:, :, 2:-2][:, :, :, 1:-3]
        same_axis = image[:, :, 2:][:, :, :-2][..., :28]
        return torch.nn.functional.pad(twice + same_axis, (2, 2, 2, 2)) * mask


def test_slices_along_different_axes_become_one() -> None:
    model = traced(Sliced())
    slices = [node for node in model.graph if node.op_type == "Slice"]
    axes = sorted(np.asarray(node.inputs[3].const_value.numpy()).tolist() for node in slices)  # type: ignore[union-attr]
    assert axes == [[2], [2, 3], [2, 3]]
    feed = {name: torch.from_numpy(value) for name, value in inputs().items()}
    np.testing.assert_array_equal(run(model, inputs())[0], Sliced()(**feed).numpy())
