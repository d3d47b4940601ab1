"""DeepFillv2 as others write it, to test against: run-time convolution weights, loops over the batch, their key names.

`Port` follows nipponjo's port in its two layouts and `MMagicGenerator` MMagic's, each with its own padding, resizing,
gates and attention. None of it shares code with the package; `Interface` says how they are called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export import Interface

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"elu": F.elu, "relu": torch.relu, "none": nn.Identity()}


def put(root: nn.Module, path: str, module: nn.Module) -> nn.Module:
    """Register a module under a dotted path, with empty modules on the way."""
    *parents, last = path.split(".")
    for name in parents:
        if not hasattr(root, name):
            root.add_module(name, nn.Module())
        root = getattr(root, name)
    root.add_module(last, module)
    return module


def pad_same(x: Tensor, kernel: int, stride: int, dilation: int = 1) -> Tensor:
    """TensorFlow's SAME, from its definition: as much as the last window needs, the odd one below and right."""
    sides = []
    for size in (x.shape[3], x.shape[2]):
        steps = -(-size // stride)
        total = max((steps - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


def nearest_with_corners(x: Tensor, factor: int) -> Tensor:
    """TensorFlow's nearest with align_corners."""
    rows, columns = (
        torch.linspace(0, size - 1, size // factor).add(0.5).floor().long() for size in (x.shape[2], x.shape[3])
    )
    return x[:, :, rows][..., columns]


def attend(features: Tensor, hole: Tensor, fuse: bool, corners: bool, exclude: bool, count: bool) -> Tensor:
    """Contextual attention of a batch, an image at a time, by convolutions with patches for weights."""
    return torch.cat(
        [_attend_one(features[i : i + 1], hole[i : i + 1], fuse, corners, exclude, count) for i in range(len(features))]
    )


def _attend_one(features: Tensor, hole: Tensor, fuse: bool, corners: bool, exclude: bool, count: bool) -> Tensor:
    channels = features.shape[1]

    def shrink(x: Tensor, factor: int) -> Tensor:
        return nearest_with_corners(x, factor) if corners else F.interpolate(x, scale_factor=1 / factor)

    half = shrink(features, 2)
    hole = shrink(hole, hole.shape[2] // half.shape[2])
    rows, columns = half.shape[2:]
    places = rows * columns
    patches = F.unfold(half, 3, padding=1)[0].T
    kernels = patches / patches.square().sum(1, keepdim=True).sqrt().clamp_min(1e-4)
    scores = F.conv2d(half, kernels.view(places, channels, 3, 3), padding=1).view(1, 1, places, places)
    if fuse:
        eye = torch.eye(3).view(1, 1, 3, 3)
        scores = F.conv2d(scores, eye, padding=1).view(rows, columns, rows, columns).permute(1, 0, 3, 2)
        scores = F.conv2d(scores.reshape(1, 1, places, places), eye, padding=1)
        scores = scores.view(columns, rows, columns, rows).permute(1, 0, 3, 2)
    scores = scores.reshape(1, places, rows, columns)
    valid = (F.unfold(hole, 3, padding=1).sum(1) == 0).float().view(1, places, 1, 1)
    if exclude:
        weights = torch.softmax(10 * scores + torch.log(valid), dim=1)
    else:
        weights = torch.softmax(10 * scores * valid, dim=1) * valid
    values = F.unfold(features, 4, stride=2, padding=1)[0].T.reshape(places, channels, 4, 4)
    pasted = F.conv_transpose2d(weights, values, stride=2, padding=1)
    if not count:
        return pasted / 4
    return pasted / F.conv_transpose2d(torch.ones(1, 1, rows, columns), torch.ones(1, 1, 4, 4), stride=2, padding=1)


@dataclass(frozen=True)
class Layer:
    """One gated layer: where its convolution is registered, and how it works."""

    path: str
    channels: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    upsample: bool = False
    activation: str = "elu"
    gated: bool = True


def encoder(paths: Sequence[str], channels: Sequence[int], activation: str = "elu") -> list[Layer]:
    kernels, strides = (5, 3, 3, 3, 3, 3), (1, 2, 1, 2, 1, 1)
    layers = [Layer(*each) for each in zip(paths, channels, kernels, strides, strict=True)]
    return [*layers[:-1], replace(layers[-1], activation=activation)]


def dilated(paths: Sequence[str], channels: int) -> list[Layer]:
    return [Layer(path, channels, dilation=dilation) for path, dilation in zip(paths, (2, 4, 8, 16), strict=True)]


def decoder(paths: Sequence[str], width: int, gated_last: bool) -> list[Layer]:
    channels = (2 * width, 2 * width, width, width, width // 2, width // 4, 3)
    layers = [
        Layer(path, size, upsample=i in (2, 4)) for i, (path, size) in enumerate(zip(paths, channels, strict=True))
    ]
    return [*layers[:-1], replace(layers[-1], activation="none", gated=gated_last)]


class Original(nn.Module):
    """What the originals have in common: how a run of layers is registered and computed."""

    padding = "zeros"

    def register(self, layers: Sequence[Layer], channels: int) -> int:
        for layer in layers:
            wide = layer.channels * (2 if layer.gated else 1)
            path = f"{layer.path}.conv"
            put(self, path, nn.Conv2d(channels, wide, layer.kernel, layer.stride, 0, layer.dilation))
            channels = layer.channels
        return channels

    def compute(self, layers: Sequence[Layer], x: Tensor) -> Tensor:
        for layer in layers:
            if layer.upsample:
                x = F.interpolate(x, scale_factor=2)
            side = layer.dilation * (layer.kernel - 1) // 2
            if self.padding == "same":
                x = pad_same(x, layer.kernel, layer.stride, layer.dilation)
            else:
                x = F.pad(x, [side] * 4, mode="reflect" if self.padding == "reflect" else "constant")
            x = self.get_submodule(f"{layer.path}.conv")(x)
            gates = None
            if layer.gated:
                x, gates = torch.split(x, layer.channels, dim=1)
            x = ACTIVATIONS[layer.activation](x)
            if gates is not None:
                x = x * gates.sigmoid()
        return x


PORT_NAMES = (
    "conv1", "down_block1.conv1_downsample", "down_block1.conv2", "down_block2.conv1_downsample", "down_block2.conv2",
    "conv_bn1", "conv_bn2", "conv_bn3", "conv_bn4", "conv_bn5", "conv_bn6", "conv_bn7", "up_block1.conv1_upsample.conv",
    "up_block1.conv2", "up_block2.conv1_upsample.conv", "up_block2.conv2", "conv_to_rgb",
)  # fmt: skip

TF_NAMES = (
    "conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6", "conv7_atrous", "conv8_atrous",
    "conv9_atrous", "conv10_atrous", "conv11", "conv12", "conv13_upsample.conv", "conv14", "conv15_upsample.conv",
    "conv16", "conv17",
)  # fmt: skip


class Port(Original):
    """nipponjo's port, in the layout converted from TensorFlow if `tensorflow`. The interface is this package's."""

    interface = Interface(image_range=(-1.0, 1.0), mask_polarity="hole", size_multiple=8)

    def __init__(self, width: int = 48, tensorflow: bool = False):
        super().__init__()
        self.tensorflow = tensorflow
        self.padding = "same" if tensorflow else "zeros"
        half, double = width // 2, 2 * width
        if tensorflow:
            coarse, hallucinate, attend = (tuple(f"{prefix}{name}" for name in TF_NAMES) for prefix in ("", "x", "pm"))
            after, refine = ("pmconv9", "pmconv10"), tuple(f"all{name}" for name in TF_NAMES[10:])
        else:
            prefixes = ("stage1.", "stage2.conv_", "stage2.ca_")
            coarse, hallucinate, attend = (tuple(f"{prefix}{name}" for name in PORT_NAMES) for prefix in prefixes)
            after = ("stage2.ca_conv_bn4", "stage2.ca_conv_bn5")
            refine = tuple(f"stage2.{name}" for name in PORT_NAMES[10:])
            put(self, "stage2.contextual_attention", nn.Module()).register_buffer(
                "fuse_weight", torch.eye(3)[None, None]
            )
        self.coarse = [
            *encoder(coarse[:6], (half, width, width, double, double, double)),
            *dilated(coarse[6:10], double), *decoder(coarse[10:], width, gated_last=False),
        ]  # fmt: skip
        self.hallucinate = [
            *encoder(hallucinate[:6], (half, half, width, width, double, double)), *dilated(hallucinate[6:10], double)
        ]  # fmt: skip
        self.attend = encoder(attend[:6], (half, half, width, double, double, double), activation="relu")
        self.after = [Layer(path, double) for path in after]
        self.refine = decoder(refine, width, gated_last=False)
        self.register(self.coarse, 5)
        self.register(self.hallucinate, 3)
        self.register(self.after, self.register(self.attend, 3))
        self.register(self.refine, 2 * double)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        coarse = torch.tanh(self.compute(self.coarse, torch.cat([image, torch.ones_like(mask), mask], dim=1)))
        pasted = coarse * mask + image * (1 - mask)
        features = self.compute(self.attend, pasted)
        fuse = not self.tensorflow
        features = attend(features, mask, fuse, corners=self.tensorflow, exclude=False, count=False)
        joined = torch.cat([self.compute(self.hallucinate, pasted), self.compute(self.after, features)], dim=1)
        return torch.tanh(self.compute(self.refine, joined)), coarse


class MMagicGenerator(Original):
    """MMagic's; takes and gives blue, green, red."""

    padding = "reflect"

    def __init__(self, width: int = 48, refine_width: int = 64):
        super().__init__()
        half, double = width // 2, 2 * width

        def enc(path: str) -> list[str]:
            return [f"{path}.enc{number}.conv" for number in range(1, 7)]

        def neck(path: str) -> list[str]:
            return [f"{path}.dilation_neck.dilation_convs.{index}.conv" for index in range(4)]

        def dec(path: str) -> list[str]:
            return [f"{path}.decoder.dec{number}.conv" for number in range(1, 8)]

        self.coarse = [
            *encoder(enc("stage1.encoder"), (half, width, width, double, double, double)),
            *dilated(neck("stage1"), double), *decoder(dec("stage1"), width, gated_last=True),
        ]  # fmt: skip
        self.hallucinate = [
            *encoder(enc("stage2.encoder_conv"), (half, half, width, width, double, double)),
            *dilated(neck("stage2"), double),
        ]
        self.attend = encoder(enc("stage2.encoder_attention"), (half, half, width, double, double, double))
        self.after = [Layer(f"stage2.contextual_attention_neck.conv{number}.conv", double) for number in (1, 2)]
        self.refine = decoder(dec("stage2"), refine_width, gated_last=True)
        self.register(self.coarse, 5)
        self.register(self.hallucinate, 5)
        self.register(self.after, self.register(self.attend, 5))
        self.register(self.refine, 2 * double)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        guide = torch.cat([torch.ones_like(mask), mask], dim=1)
        coarse = torch.tanh(self.compute(self.coarse, torch.cat([image, guide], dim=1)))
        pasted = torch.cat([coarse * mask + image * (1 - mask), guide], dim=1)
        features = self.compute(self.attend, pasted)
        features = attend(features, mask, fuse=True, corners=False, exclude=True, count=True)
        joined = torch.cat([self.compute(self.hallucinate, pasted), self.compute(self.after, features)], dim=1)
        return torch.tanh(self.compute(self.refine, joined)), coarse


def trained_scale(network: nn.Module, seed: int = 0, gain: float = 1.5) -> nn.Module:
    """Random weights with which values neither vanish nor grow, as in a trained network; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.normal_(0, gain * (2 / module.weight[0].numel()) ** 0.5, generator=generator)
            assert module.bias is not None
            module.bias.data.normal_(0, 0.1, generator=generator)
    return network.eval()


def port(width: int = 48) -> Port:
    """Factory for `--network`."""
    network = Port(width)
    trained_scale(network)
    return network


def random_images(height: int, width: int, count: int = 3) -> tuple[Tensor, Tensor]:
    """Images [count,3,height,width] in -1..1 and a mask for each, 1 = hole; the first has a hole at the border."""
    generator = torch.Generator().manual_seed(1)
    image = 2 * torch.rand(count, 3, height, width, generator=generator) - 1
    mask = torch.zeros(count, 1, height, width)
    for index in range(count):
        mask[index, :, 9 * index : 9 * index + height // 3, width // 4 : width // 2 + 5 * index] = 1
    return image * (1 - mask), mask
