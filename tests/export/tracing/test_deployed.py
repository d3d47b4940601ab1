"""Every entry of an interface is inside the deployed network, in PyTorch and in the graph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork, flatten_outputs
from inpaintrt.runtime.errors import NetworkError
from tests.conftest import random_image
from tests.export.networks.comparing import run_bundle

INTERFACES = {
    "0..1": Interface(),
    "-1..1": Interface(image_range=(-1.0, 1.0)),
    "mean and std": Interface(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
    "holes": Interface(mask_polarity="hole"),
    "three mask channels": Interface(mask_channels=3),
    "fill": Interface(fill=0.5),
    "not premasked": Interface(premask=False),
    "own output range": Interface(image_range=(0.0, 1.0), output_range=(-1.0, 1.0)),
}


class TellsWhatItSees(nn.Module):
    """Every entry of the interface changes its image."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        around = F.avg_pool2d(mask, 3, 1, 1).sum(dim=1, keepdim=True)
        return torch.tanh(F.avg_pool2d(image, 3, 1, 1) * 0.7 + around * 0.1)


@pytest.mark.parametrize("name", INTERFACES)
def test_every_interface_is_inside_the_graph(tmp_path: Path, name: str) -> None:
    interface = INTERFACES[name]
    bundle = export_onnx(TellsWhatItSees(), tmp_path, interface=interface, size=(16, 24))
    image, hole = random_image(16, 24)
    with torch.no_grad():
        expected = ImageNetwork(TensorNetwork(TellsWhatItSees(), interface))(
            torch.from_numpy(image)[None], torch.from_numpy(hole.astype(np.uint8))[None]
        )
    found = run_bundle(bundle, "fp32", image[None], hole[None].astype(np.uint8))[0]
    assert (found[0][~hole] == image[~hole]).all()
    assert np.abs(found.astype(int) - expected.numpy()).max() <= 1
    others = [other for key, other in INTERFACES.items() if key != name]
    differing = 0
    for other in others:
        with torch.no_grad():
            wrong = ImageNetwork(TensorNetwork(TellsWhatItSees(), other))(
                torch.from_numpy(image)[None], torch.from_numpy(hole.astype(np.uint8))[None]
            )
        differing += int(np.abs(found.astype(int) - wrong.numpy()).max() > 1)
    assert differing == len(others)


def test_what_is_empty_among_the_outputs_does_not_count() -> None:
    image, mask = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    assert flatten_outputs((image, {}, [mask, None], {"losses": ()})) == (image, mask)
    with pytest.raises(NetworkError, match="a tuple without a tensor"):
        flatten_outputs(({}, None))
    with pytest.raises(NetworkError, match="returns a float; expected a tensor"):
        flatten_outputs((image, 0.5))
