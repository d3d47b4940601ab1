"""A recurrent partial-convolution network on the whole mask corpus: finite in FP16, and probed with the worst masks."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export.graph.fp16.convert import RANGE_MARGIN
from inpaintrt.export.graph.fp16.feature_peak import feature_peaks
from inpaintrt.export.graph.pipeline import fold, optimise, to_fp16
from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import TensorNetwork, network_inputs
from inpaintrt.export.tracing.trace import trace
from inpaintrt.runtime.bundle import Profile
from inpaintrt.validation.candidates.strict_fp16 import StrictFp16
from inpaintrt.validation.cases.masks import mask_corpus
from tests.export.graph.graphs import SHAPES, SIZE

INTERFACE = Interface(mask_channels=3)


class Partial(nn.Conv2d):
    """A partial convolution whose mask is as wide as its features."""

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        ones = torch.ones_like(self.weight)
        total = F.conv2d(mask, ones, stride=self.stride, padding=self.padding)
        updated = total.clamp(0, 1)
        return super().forward(x * mask) * (ones[0].numel() / (total + 1e-8) * updated), updated


class Recurrent(nn.Module):
    """The same layers fill the hole from its border on, time after time; what each time knows is averaged."""

    def __init__(self, gain: float = 1.0, width: int = 8, times: int = 4):
        super().__init__()
        torch.manual_seed(0)
        self.times = times
        self.enter = Partial(3, width, 7, 2, 3, bias=False)
        self.first, self.second = (Partial(width, width, 7, 1, 3, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.down = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)
        self.up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)
        self.last = nn.ConvTranspose2d(width, 3, 4, 2, 1)
        for norm in self.norms:
            nn.init.uniform_(norm.running_var, 0.3, 2)  # type: ignore[arg-type]
            nn.init.normal_(norm.running_mean, 0, 0.2)  # type: ignore[arg-type]
        self.first.weight.data.mul_(gain)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        x, mask = self.enter(image, mask)
        x = F.relu(self.norms[0](x))
        found, known = [x], [mask]
        for _ in range(self.times):
            x, mask = self.first(x, mask)
            x, mask = self.second(x, mask)
            x = F.leaky_relu(self.norms[1](x))
            x = self.up(F.relu(self.down(x))) * mask
            found.append(x)
            known.append(mask)
        shares = torch.stack(known, 2)
        average: Tensor = self.last((torch.stack(found, 2) * shares).mean(2) / (shares.mean(2) + 1e-7))
        return average


IMAGES = (torch.ones(1, 3, SIZE, SIZE), (torch.arange(3 * SIZE * SIZE) % 7 < 3).float().reshape(1, 3, SIZE, SIZE))
"""White, and a pattern of black and white."""


@pytest.mark.parametrize("gain", [1.0, 300.0], ids=["ordinary", "swelling"])
def test_no_mask_of_the_corpus_makes_it_leave_fp16(gain: float) -> None:
    adapter = TensorNetwork(Recurrent(gain).eval(), INTERFACE).eval()
    traced = trace(adapter, Profile((1,) * 3, (SIZE,) * 3, (SIZE,) * 3)).model
    model, _ = fold(optimise(traced).model, "fp16", SHAPES)
    half = to_fp16(model, INTERFACE, SHAPES)
    strict = StrictFp16(half.model)
    peaks = feature_peaks(model, INTERFACE, SHAPES["image"]).values
    assert (half.scale < 1) == (gain > 1)  # the second network needs headroom
    largest = 0.0
    for number, case in enumerate(mask_corpus(SIZE, SIZE)):
        hole = torch.from_numpy(case.hole)[None, None].float()
        image, mask = network_inputs(INTERFACE, IMAGES[number % 2], hole)
        result = strict.run({"image": image.numpy(), "mask": mask.numpy()})
        assert result.first_non_finite is None, case.name
        largest = max(largest, float(np.abs(result.outputs["output"]).max()))
    assert largest < RANGE_MARGIN / 2 * peaks["output"]
