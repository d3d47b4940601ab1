"""Partial convolution as people write it: one small network for each formulation, to be exported from any of them.

Every class here is written from the formula, in a way that public implementations are known to choose.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[Tensor, Tensor]


class Layer(nn.Module):
    """What the formulations share: a convolution and the size of its window."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, **options: Any):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, **{"padding": kernel // 2} | options)
        self.window = kernel * kernel
        self.kernel = kernel
        self.ones = torch.ones(1, 1, kernel, kernel)

    @property
    def geometry(self) -> tuple[Any, Any, Any]:
        return self.conv.stride, self.conv.padding, self.conv.dilation

    @property
    def bias(self) -> Tensor:
        return torch.zeros(1) if self.conv.bias is None else self.conv.bias.view(1, -1, 1, 1)

    def count(self, mask: Tensor) -> Tensor:
        return F.conv2d(mask, self.ones, None, *self.geometry)

    def without_bias(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.conv.weight, None, *self.geometry, self.conv.groups)


class RatioThenClamp(Layer):
    """ratio = w / (s + eps), clamp, multiply; bias taken off and put back; everything about masks under no_grad."""

    eps = 1e-8

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        with torch.no_grad():
            known = self.count(mask)
            ratio = self.window / (known + self.eps)
            updated = torch.clamp(known, 0, 1)
            ratio = torch.mul(ratio, updated)
        raw = self.conv(torch.mul(features, mask))
        if self.conv.bias is None:
            return torch.mul(raw, ratio), updated
        return torch.mul(torch.mul(raw - self.bias, ratio) + self.bias, updated), updated


class LargerEpsilon(RatioThenClamp):
    eps = 1e-6


class OnesParameter(RatioThenClamp):
    def __init__(self, *sizes: int, **options: Any):
        super().__init__(*sizes, **options)
        self.ones = nn.Parameter(torch.ones(1, 1, self.kernel, self.kernel), requires_grad=False)


class OnesBuffer(RatioThenClamp):
    def __init__(self, *sizes: int, **options: Any):
        super().__init__(*sizes, **options)
        del self.ones
        self.register_buffer("ones", torch.ones(1, 1, self.kernel, self.kernel))


class OnesInForward(RatioThenClamp):
    def count(self, mask: Tensor) -> Tensor:
        ones = torch.ones(1, mask.shape[1], self.kernel, self.kernel, dtype=mask.dtype, device=mask.device)
        return F.conv2d(mask, ones, None, *self.geometry)


class Cached(RatioThenClamp):
    """Keeps ratio and updated mask of the last size on itself, and computes them anew when a mask is given."""

    def __init__(self, *sizes: int, **options: Any):
        super().__init__(*sizes, **options)
        self.last_size: tuple[int, ...] | None = None
        self.updated: Tensor | None = None
        self.ratio: Tensor | None = None

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Pair:
        if mask is not None or self.last_size != tuple(features.shape):
            self.last_size = tuple(features.shape)
            with torch.no_grad():
                known = torch.ones(1, 1, *features.shape[2:]) if mask is None else mask
                self.updated = self.count(known)
                self.ratio = self.window / (self.updated + self.eps)
                self.updated = torch.clamp(self.updated, 0, 1)
                self.ratio = self.ratio * self.updated
        raw = self.conv(features if mask is None else features * mask)
        output = ((raw - self.bias) * self.ratio + self.bias) * self.updated
        return output, self.updated


class AveragePooled(Layer):
    """s = w * average of the mask; renormalised by the average."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        share = F.avg_pool2d(mask, self.kernel, self.conv.stride, self.conv.padding)
        known = share * self.window
        updated = (known > 0).float()
        return self.without_bias(features * mask) / share.clamp(min=1 / self.window) * updated + self.bias, updated


class MaskedFill(Layer):
    """Division by the sum, holes filled with 1 before and 0 after; no window."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        empty = known == 0
        output = (self.conv(features * mask) - self.bias) / known.masked_fill(empty, 1.0) + self.bias
        updated = torch.ones_like(known).masked_fill_(empty, 0.0)
        return output.masked_fill_(empty, 0.0), updated


class WhereZero(Layer):
    """where on s == 0, with the window; bias added after."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        scaled = self.without_bias(features * mask) * self.window / torch.where(known == 0, 1.0, known)
        return torch.where(known == 0, torch.zeros_like(scaled), scaled + self.bias), (known != 0).to(mask.dtype)


class DividesWithWindow(Layer):
    """conv / s * w, infinite in holes and then replaced."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = (known > 0.5).float()
        quotient = self.without_bias(features * mask) / known * self.window
        return torch.where(updated.bool(), quotient, torch.zeros(1)) + self.bias * updated, updated


class NanToNum(Layer):
    """Lets 0 / 0 happen and cleans it up."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        return torch.nan_to_num(self.without_bias(features * mask) / known, 0.0) + self.bias, (known > 0).float()


class Reciprocal(Layer):
    """Multiplies by the reciprocal, and uses the sign of the sum as the updated mask."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = known.sign()
        return self.without_bias(features * mask) * (known.clamp(min=1).reciprocal() * self.window * updated), updated


class PowerOfMinusOne(Layer):
    """(s + eps) ** -1, and minimum for the clamp."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = torch.minimum(known, torch.ones_like(known))
        return (self.without_bias(features * mask) * self.window * (known + 1e-5) ** -1 + self.bias) * updated, updated


class BoolMask(Layer):
    """Carries the mask as booleans between layers."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count((mask > 0).float())
        updated = known > 0
        output = self.without_bias(features * (mask > 0)) * (self.window / known.clamp(min=1))
        return (output + self.bias) * updated, updated.to(features.dtype)


class IndexedAssignment(Layer):
    """Writes into the updated mask where the sum is positive, without indices: masked_fill on a copy, in place."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = known.clone()
        updated[updated > 0] = 1
        ratio = self.window * updated / (known + (1 - updated))
        return self.without_bias(features * mask) * ratio + self.bias * updated, updated


class MaskInDouble(RatioThenClamp):
    def count(self, mask: Tensor) -> Tensor:
        return F.conv2d(mask.double(), self.ones.double(), None, *self.geometry).float()


class MaskInHalf(RatioThenClamp):
    """The mask goes between layers as FP16 and is counted as FP32."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        output, updated = super().forward(features, mask.half().float())
        return output, updated.half().float()


class MaskInIntegers(Layer):
    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask.long().float()).round().long()
        updated = known.clamp(0, 1)
        ratio = self.window / known.clamp(min=1).float() * updated
        return self.without_bias(features * mask) * ratio + self.bias * updated, updated.float()


class Detached(RatioThenClamp):
    def count(self, mask: Tensor) -> Tensor:
        return super().count(mask.detach()).detach()


class ThreeChannels(Layer):
    """The mask of the image has three channels; counts all of them, and the updated mask has as many as features."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, **options: Any):
        super().__init__(inputs, outputs, kernel, **options)
        self.register_buffer("all_ones", torch.ones_like(self.conv.weight))
        self.window = self.conv.weight[0].numel()

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = F.conv2d(mask, self.all_ones, None, *self.geometry, self.conv.groups)
        updated = known.clamp(0, 1)
        ratio = self.window / (known + 1e-8) * updated
        return (self.without_bias(features * mask) * ratio + self.bias) * updated, updated


class SumsChannelsFirst(Layer):
    """Adds the channels of the mask up before counting; the window is as large as all of them."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask.sum(dim=1, keepdim=True))
        window = self.window * mask.shape[1]
        updated = (known > 0).float()
        ratio = window / (known + 1e-8) * updated
        output = self.without_bias(features * mask) * ratio + self.bias * updated
        return output, updated.expand(-1, output.shape[1], -1, -1)


class MeanOfChannels(Layer):
    """Takes the mean over channels as the mask."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask.mean(dim=1, keepdim=True))
        updated = (known > 0).float()
        return self.without_bias(features * mask) * (self.window / (known + 1e-6)) * updated + self.bias, updated


class Unfolded(Layer):
    """Counts by unfolding windows and adding them up."""

    def count(self, mask: Tensor) -> Tensor:
        batch, _, height, width = mask.shape
        columns = F.unfold(mask, self.kernel, padding=self.kernel // 2)
        return columns.sum(dim=1).view(batch, 1, height, width)

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = (known > 0).float()
        return self.without_bias(features * mask) * self.window / known.clamp(min=1) + self.bias * updated, updated


class MaxPooledUpdate(Layer):
    """The updated mask by max pooling, the ratio by convolution."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        updated = F.max_pool2d(mask, self.kernel, self.conv.stride, self.kernel // 2)
        ratio = self.window / self.count(mask).clamp(min=1.0)
        return self.without_bias(features * mask) * ratio * updated + self.bias * updated, updated


class PaddedAround(Layer):
    """Pads features and mask itself, the features by reflection and the mask with ones or its own edge."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, mode: str = "reflect", **options: Any):
        super().__init__(inputs, outputs, kernel, **options | {"padding": 0})
        self.mode, self.around = mode, (kernel // 2,) * 4

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        masked = F.pad(features * mask, self.around, mode=self.mode)
        known = self.count(F.pad(mask, self.around, mode=self.mode))
        updated = known.clamp(0, 1)
        return self.without_bias(masked) * (self.window / known.clamp(min=1)) * updated + self.bias * updated, updated


class MaskedByCaller(Layer):
    """Expects masked features and does not mask them again."""

    def forward(self, features: Tensor, mask: Tensor) -> Pair:
        known = self.count(mask)
        updated = known.clamp(0, 1)
        output = self.without_bias(features) * (self.window / known.clamp(min=1)) + self.bias
        return output * updated, updated
