"""LaMa's generator as its checkpoints number it, to test against; it shares no code with the package."""

import torch
from torch import Tensor, nn

from inpaintrt.export import Interface


class Spectrum(nn.Module):
    """The Fourier unit: real and imaginary parts are stacked last and permuted to channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        parts = torch.stack((z.real, z.imag), dim=-1).permute(0, 1, 4, 2, 3).contiguous()
        parts = torch.relu(self.bn(self.conv_layer(parts.flatten(1, 2))))
        parts = parts.view(len(x), -1, 2, *parts.shape[2:]).permute(0, 1, 3, 4, 2).contiguous()
        back: Tensor = torch.fft.irfftn(torch.complex(parts[..., 0], parts[..., 1]), s=x.shape[-2:], norm="ortho")
        return back


class ThroughSpectrum(nn.Module):
    """From the global part to itself."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.fu = Spectrum(half)
        self.conv2 = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        expanded: Tensor = self.conv2(x + self.fu(x))
        return expanded


class Layer(nn.Module):
    """A convolution from (local, global) to (local, global); of a part without channels there is None."""

    def __init__(self, before: tuple[int, int], after: tuple[int, int], kernel: int = 3, stride: int = 1):
        super().__init__()
        self.ffc = nn.Module()
        for name, source, target in (("l2l", 0, 0), ("l2g", 0, 1), ("g2l", 1, 0)):
            if before[source] and after[target]:
                conv = nn.Conv2d(
                    before[source], after[target], kernel, stride, kernel // 2, bias=False, padding_mode="reflect"
                )
                self.ffc.add_module(f"conv{name}", conv)
        if before[1] and after[1]:
            self.ffc.add_module("convg2g", ThroughSpectrum(after[1]))
        self.bn_l = nn.BatchNorm2d(after[0])
        if after[1]:
            self.bn_g = nn.BatchNorm2d(after[1])

    def forward(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        result = []
        for target, norm in (("l", "bn_l"), ("g", "bn_g")):
            ways = [getattr(self.ffc, f"conv{source}2{target}", None) for source in "lg"]
            terms = [way(part) for way, part in zip(ways, parts, strict=False) if way is not None]
            if terms:
                result.append(torch.relu(getattr(self, norm)(sum(terms))))
        return tuple(result)


class Block(nn.Module):
    """Two layers and what they are added to."""

    def __init__(self, channels: tuple[int, int]):
        super().__init__()
        self.conv1, self.conv2 = Layer(channels, channels), Layer(channels, channels)

    def forward(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(part + new for part, new in zip(parts, self.conv2(self.conv1(parts)), strict=True))


class Joined(nn.Module):
    """Both parts as one."""

    def forward(self, parts: tuple[Tensor, ...]) -> Tensor:
        return torch.cat(parts, dim=1)


class Original(nn.Module):
    """The generator, and how the training module calls it."""

    def __init__(self, width: int = 64, levels: int = 3, blocks: int = 18, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        widths = [width * 2**level for level in range(levels + 1)]
        split = (widths[-1] - widths[-1] * 3 // 4, widths[-1] * 3 // 4)
        layers: list[nn.Module] = [nn.Identity(), Layer((4, 0), (width, 0), kernel=7)]
        layers += [Layer((widths[i], 0), (widths[i + 1], 0), stride=2) for i in range(levels - 1)]
        layers += [Layer((widths[-2], 0), split, stride=2), *(Block(split) for _ in range(blocks)), Joined()]
        for level in range(levels, 0, -1):
            wide, narrow = widths[level], widths[level - 1]
            layers += [nn.ConvTranspose2d(wide, narrow, 3, 2, 1, 1), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Sigmoid()]
        self.generator = nn.Module()
        self.generator.add_module("model", nn.Sequential(*layers))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values, low, high in ((module.weight.data, 0.5, 1.5), (module.bias.data, -0.2, 0.2)):
                    values.uniform_(low, high)
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
        self.interface = Interface(mask_polarity="hole", size_multiple=2**levels, premask=False)
        self.eval()

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        parts: tuple[Tensor, ...] = (torch.cat([image * (1 - mask), mask], dim=1),)
        filled: Tensor = self.generator.get_submodule("model")(parts)
        return filled


class Whole(nn.Module):
    """What the TorchScript archive holds: the model within a wrapper, which composes."""

    def __init__(self, model: Original):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        composite: Tensor = mask * self.model(image, mask) + (1 - mask) * image
        return composite


def lama() -> Original:
    """Factory for `--network`: Big-LaMa with random weights."""
    return Original()
