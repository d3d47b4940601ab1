"""Patches are recognised by where their numbers are from, whatever moved them there."""

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.analysis.patches import patches_in, sizes
from tests.export.graph.graphs import SIZE, traced


class Cutting(nn.Module):
    """The convolution's weights are patches of its operand; how they are cut is up to the test."""

    def __init__(self, side: int, stride: int, margin: int, image: int = 0, transposed: bool = False):
        super().__init__()
        self.side, self.stride, self.margin, self.image, self.transposed = side, stride, margin, image, transposed

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        x = image * mask
        cut = F.unfold(x, self.side, padding=self.margin, stride=self.stride)[self.image].T
        weight = cut.reshape(-1, 3, self.side, self.side)
        weight = weight.transpose(2, 3) if self.transposed else weight
        return F.conv2d(x, weight, padding=self.side // 2)[:, :3, :SIZE, :SIZE]


def weight_of(network: nn.Module, batch: int = 1) -> ir.Value | None:
    (convolution,) = [node for node in traced(network, batch=batch).graph if node.op_type == "Conv"]
    return convolution.inputs[1]


def test_side_stride_margin_and_image_are_found() -> None:
    for side, stride, margin, image in ((3, 1, 1, 1), (4, 2, 1, 0), (4, 4, 0, 0), (3, 1, 0, 0)):
        weight = weight_of(Cutting(side, stride, margin, image), batch=2)
        patches = patches_in(weight, sizes(weight))
        assert patches is not None
        assert (patches.stride, patches.image) == (stride, image)
        assert patches.rows == patches.columns == (SIZE + 2 * margin - side) // stride + 1
        map_shape = sizes(patches.source)
        assert map_shape is not None
        assert map_shape[0] == 2
        assert map_shape[2] + 2 * patches.margin == SIZE + 2 * margin  # the map, or what unfolding padded it to


def test_turned_patches_are_none() -> None:
    weight = weight_of(Cutting(3, 1, 1, transposed=True))
    assert patches_in(weight, sizes(weight)) is None


def test_what_is_not_moved_is_none() -> None:
    class Sum(Cutting):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            weight = torch.stack([image[0, :, :3, :3] * scale for scale in (1.0, 2.0, 3.0)])
            return F.conv2d(image * mask, weight, padding=1)

    weight = weight_of(Sum(3, 1, 1))
    assert patches_in(weight, sizes(weight)) is None
