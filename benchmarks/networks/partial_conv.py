"""Networks as other people write them, to test against: formulations of partial convolution that are not ours."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DividingPartialConv(nn.Module):
    """Channel-wide mask, divides by the mask sum without the window, bias taken off and put back; naoto0804's keys."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, bias: bool):
        super().__init__()
        self.input_conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=bias)
        self.mask_conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        nn.init.ones_(self.mask_conv.weight)
        self.mask_conv.weight.requires_grad_(False)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        total = self.mask_conv(mask)
        empty = total == 0
        raw = self.input_conv(features * mask)
        bias = self.input_conv.bias[:, None, None] if self.input_conv.bias is not None else torch.zeros(1)
        filled = (raw - bias) / total.masked_fill(empty, 1.0) + bias
        return filled.masked_fill(empty, 0.0), torch.ones_like(filled).masked_fill(empty, 0.0)


class Block(nn.Module):
    """Partial convolution, batch norm, activation, under naoto0804's names."""

    def __init__(self, sizes: tuple[int, int, int], stride: int, norm: bool, bias: bool, activation: nn.Module):
        super().__init__()
        self.conv = DividingPartialConv(*sizes, stride, bias)
        if norm:
            self.bn = nn.BatchNorm2d(sizes[1])
        self.activation = activation

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        output, updated = self.conv(features, mask)
        if hasattr(self, "bn"):
            output = self.bn(output)
        return self.activation(output), updated


class ChannelWideUNet(nn.Module):
    """The U-Net with channel-wide masks, in the state-dict layout of naoto0804's implementation."""

    def __init__(self, widths: tuple[int, ...] = (8, 12, 16)):
        super().__init__()
        channels = (3, *widths)
        self.depth = len(widths)
        kernels = (7, 5, 5, *[3] * len(widths))
        for i in range(self.depth):
            sizes = (channels[i], channels[i + 1], kernels[i])
            setattr(self, f"enc_{i + 1}", Block(sizes, 2, i > 0, False, nn.ReLU()))
            last = i == 0
            block = Block(
                (channels[i + 1] + channels[i], channels[i], 3),
                1,
                not last,
                last,
                nn.Identity() if last else nn.LeakyReLU(0.2),
            )
            setattr(self, f"dec_{i + 1}", block)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        stack = [(image, mask)]
        for i in range(self.depth):
            stack.append(getattr(self, f"enc_{i + 1}")(*stack[-1]))
        output, updated = stack.pop()
        for i in reversed(range(self.depth)):
            skip, skip_mask = stack.pop()
            output = torch.cat([F.interpolate(output, scale_factor=2), skip], dim=1)
            updated = torch.cat([F.interpolate(updated, scale_factor=2), skip_mask], dim=1)
            output, updated = getattr(self, f"dec_{i + 1}")(output, updated)
        return output, updated


class EpsilonPartialConv(nn.Module):
    """The reference layer's form: ratio = window / (sum + 1e-8), clamped mask, bias taken off and put back."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.ones = torch.ones(1, 1, kernel, kernel)  # a plain attribute, neither parameter nor buffer
        self.window = kernel * kernel

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            total = F.conv2d(mask, self.ones, padding=self.conv.padding)
            ratio = self.window / (total + 1e-8)
            updated = torch.clamp(total, 0, 1)
            ratio = ratio * updated
        assert self.conv.bias is not None
        bias = self.conv.bias.view(1, -1, 1, 1)
        return ((self.conv(features * mask) - bias) * ratio + bias) * updated, updated


class EpsilonNetwork(nn.Module):
    """Three such layers and a bounded output; the mask it takes is 1 = hole when `holes` is set."""

    def __init__(self, holes: bool = False):
        super().__init__()
        self.holes = holes
        self.first = EpsilonPartialConv(3, 8, 5)
        self.norm = nn.BatchNorm2d(8)
        self.second = EpsilonPartialConv(8, 8, 3)
        self.last = EpsilonPartialConv(8, 3, 3)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        known = 1 - mask if self.holes else mask
        output, known = self.first(image, known)
        output, known = self.second(torch.relu(self.norm(output)), known)
        output, known = self.last(torch.relu(output), known)
        return torch.sigmoid(output), known


class NoMaskPath(nn.Module):
    """Joins mask and image at once, as an ordinary convolutional network does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return torch.tanh(self.conv(torch.cat([image, mask], dim=1)))


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of trained scale and batch norms with statistics, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    dividing = {module.input_conv for module in network.modules() if isinstance(module, DividingPartialConv)}
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d) and module.weight.requires_grad:
                window = module.weight[0].numel()
                scale = window if module in dividing else 1  # what a layer divides by, its weights are larger by
                module.weight.normal_(0, (2 / window) ** 0.5 * scale, generator=generator)
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.normal_(0, 0.1, generator=generator)
            if (
                isinstance(module, nn.BatchNorm2d)
                and module.running_mean is not None
                and module.running_var is not None
            ):
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
    network.eval()
    return network


def dividing_trained_scale(widths: tuple[int, ...] = (8, 12, 16)) -> ChannelWideUNet:
    """A `ChannelWideUNet` with random weights of trained scale; also a factory for `--network`."""
    network = ChannelWideUNet(widths)
    randomise(network)
    return network
