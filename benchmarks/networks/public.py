"""Public inpainting networks: where their code is, and how each is made and called.

Only facts about the repositories are here: the names of modules, classes and arguments. The weights are random.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.export import Interface


class Called(nn.Module):
    """A network behind `forward(image, mask)`."""

    def __init__(self, network: nn.Module, call: Callable[[Any, Tensor, Tensor], Any]):
        super().__init__()
        self.network = network
        self.call = call

    def forward(self, image: Tensor, mask: Tensor) -> Any:
        return self.call(self.network, image, mask)


@dataclass(frozen=True)
class Network:
    """A public network.

    Args:
        name: what it is called.
        repository: OWNER/NAME on GitHub; the code is in FOLDER/NAME.
        make: imports the code and makes the network.
        interface: how it is called.
        folders: within the repository, where its imports start.
        size: the only size it can have; None for any.
    """

    name: str
    repository: str
    make: Callable[[], nn.Module]
    interface: Interface
    folders: tuple[str, ...] = ("",)
    size: int | None = None

    def paths(self, folder: Path) -> list[Path]:
        """Where its modules are found below the folder that repositories were fetched into."""
        return [folder / self.repository.split("/")[1] / part for part in self.folders]


def named(module: str, name: str) -> Any:
    """An object of a module that is found now."""
    return getattr(importlib.import_module(module), name)


def together(network: Any, image: Tensor, mask: Tensor) -> Any:
    """Image and mask as channels of one tensor."""
    return network(torch.cat([image, mask], 1))


def masked(network: Any, image: Tensor, mask: Tensor) -> Any:
    """The mask first, and the image in its own range."""
    return network(torch.cat([mask - 0.5, image], 1))


def lama(blocks: int, width: int) -> nn.Module:
    local, global_ = {"ratio_gin": 0, "ratio_gout": 0}, {"ratio_gin": 0.75, "ratio_gout": 0.75}
    kind = named("saicinpainting.training.modules.ffc", "FFCResNetGenerator")
    network = kind(
        4, 3, ngf=width, n_downsampling=3, n_blocks=blocks, add_out_act="sigmoid",
        init_conv_kwargs={**local, "enable_lfu": False}, downsample_conv_kwargs={**local, "enable_lfu": False},
        resnet_conv_kwargs={**global_, "enable_lfu": False},
    )  # fmt: skip
    return Called(network, together)


def aot_gan() -> nn.Module:
    made: nn.Module = named("model.aotgan", "InpaintGenerator")(SimpleNamespace(rates=[1, 2, 4, 8], block_num=8))
    return made


def mi_gan() -> nn.Module:
    return Called(named("lib.model_zoo.migan_inference", "Generator")(resolution=256), masked)


def mat() -> nn.Module:
    network = named("networks.mat", "Generator")(
        z_dim=512, c_dim=0, w_dim=512, img_resolution=512, img_channels=3
    )  # fmt: skip
    network.register_buffer("draw", torch.randn(1, 512))
    return Called(
        network, lambda n, image, mask: n(image, mask, n.draw.expand(len(image), -1), None, noise_mode="const")
    )


def madf() -> nn.Module:
    made: nn.Module = named("net", "MADFNet")(SimpleNamespace(n_refinement_D=2), layer_size=7)
    return made


def edge_connect() -> nn.Module:
    """Both stages: the edges of what is known are the user's own, here none."""
    networks = "src.networks"
    both = nn.ModuleList([named(networks, "EdgeGenerator")(), named(networks, "InpaintGenerator")()])

    def fill(stages: Any, image: Tensor, mask: Tensor) -> Any:
        grey = image.mean(1, keepdim=True)
        edges = stages[0](torch.cat([grey, torch.zeros_like(grey), mask], 1))
        return stages[1](torch.cat([image, edges], 1))

    return Called(both, fill)


def ctsdg() -> nn.Module:
    def fill(network: Any, image: Tensor, mask: Tensor) -> Any:
        return network(image, torch.cat([mask * 0, image.mean(1, keepdim=True)], 1), mask)[0]

    return Called(named("models.generator.generator", "Generator")(), fill)


def lbam() -> nn.Module:
    return Called(
        named("models.LBAMModel", "LBAMModel")(4, 3),
        lambda n, image, mask: n(torch.cat([image, mask[:, :1]], 1), mask),
    )


def rfr() -> nn.Module:
    made: nn.Module = named("modules.RFRNet", "RFRNet")()
    return made


def region_normalisation() -> nn.Module:
    made: nn.Module = named("networks", "G_Net")(3, residual_blocks=8, threshold=0.8)
    return made


def misf() -> nn.Module:
    options = SimpleNamespace(FILTER_TYPE="kpn", kernel_size=3)
    return Called(named("src.networks", "InpaintGenerator")(config=options), together)


def cr_fill() -> nn.Module:
    options = SimpleNamespace(baseG="baseconv", norm_type=1, use_th=False, th=0.5)
    made: nn.Module = named("models.networks.inpaint_g", "TwostagendGenerator")(options)
    return made


def deepfill_v2(zero_first: bool) -> nn.Module:
    options = SimpleNamespace(
        in_channels=4, out_channels=3, latent_channels=48, pad_type="zero", activation="elu" if zero_first else "lrelu",
        norm="none" if zero_first else "in",
    )  # fmt: skip
    made: nn.Module = named("network", "GatedGenerator")(options)
    return made


def deepfill_v1() -> nn.Module:
    return Called(
        named("model.networks", "Generator")({"input_dim": 3, "ngf": 32}, use_cuda=False, device_ids=None),
        lambda n, image, mask: n(image, mask)[1],
    )


def partial_conv() -> nn.Module:
    made: nn.Module = named("net", "PConvUNet")(layer_size=7)
    return made


def ict_upsampler() -> nn.Module:
    network = named("src.networks", "InpaintGenerator_5")()
    return Called(network, lambda n, image, mask: n(torch.cat([image, image * (1 - mask)], 1)))


HOLE, SIGNED = {"mask_polarity": "hole"}, (-1.0, 1.0)

NETWORKS = (
    Network("LaMa", "advimman/lama", lambda: lama(3, 32), Interface(size_multiple=8, **HOLE)),
    Network("big LaMa", "advimman/lama", lambda: lama(18, 64), Interface(size_multiple=8, **HOLE)),
    Network("AOT-GAN", "researchmm/AOT-GAN-for-Inpainting", aot_gan,
            Interface(SIGNED, size_multiple=4, fill=1.0, **HOLE), ("src",)),
    Network("MI-GAN 256", "Picsart-AI-Research/MI-GAN", mi_gan, Interface(SIGNED, size_multiple=256), size=256),
    Network("MAT 512", "fenglinglwb/MAT", mat, Interface(SIGNED, size_multiple=512), size=512),
    Network("MADF", "MADF-inpainting/Pytorch-MADF", madf, Interface(mask_channels=3, size_multiple=128)),
    Network("EdgeConnect", "knazeri/edge-connect", edge_connect, Interface(size_multiple=4, fill=1.0, **HOLE)),
    Network("CTSDG", "Xiefan-Guo/CTSDG", ctsdg, Interface(size_multiple=256), size=256),
    Network("LBAM", "Vious/LBAM_Pytorch", lbam, Interface(mask_channels=3, size_multiple=128)),
    Network("RFR", "jingyuanli001/RFR-Inpainting", rfr, Interface(mask_channels=3, size_multiple=16)),
    Network("RN", "geekyutao/RN", region_normalisation, Interface(size_multiple=4, premask=False, **HOLE)),
    Network("MISF", "tsingqguo/misf", misf, Interface(size_multiple=8, fill=1.0, **HOLE)),
    Network("CR-Fill", "zengxianyu/crfill", cr_fill, Interface(SIGNED, output_index=1, size_multiple=16, **HOLE)),
    Network("ICT upsampler", "raywzy/ICT", ict_upsampler, Interface(size_multiple=4, **HOLE), ("Guided_Upsample",)),
    Network("DeepFillv1 (daa233)", "daa233/generative-inpainting-pytorch", deepfill_v1,
            Interface(SIGNED, size_multiple=8, **HOLE)),
    Network("DeepFillv2 (csqiangwen)", "csqiangwen/DeepFillv2_Pytorch", lambda: deepfill_v2(True),
            Interface(SIGNED, output_index=1, size_multiple=8, **HOLE)),
    Network("gated convolution (zhaoyuzhi)", "zhaoyuzhi/deepfillv2", lambda: deepfill_v2(False),
            Interface(output_index=1, size_multiple=4, **HOLE), ("deepfillv2",)),
    Network("partial convolution (naoto0804)", "naoto0804/pytorch-inpainting-with-partial-conv", partial_conv,
            Interface(mask_channels=3, size_multiple=128)),
)  # fmt: skip
