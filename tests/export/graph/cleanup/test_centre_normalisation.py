"""Normalisations are as accurate in ONNX Runtime as in PyTorch, whatever the mean."""

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from inpaintrt.export import Interface, export_onnx
from inpaintrt.export.graph.cleanup.centre_normalisation import centre_normalisations

NORMS = {
    "instance": lambda: nn.InstanceNorm2d(8, affine=True),
    "group": lambda: nn.GroupNorm(2, 8),
    "layer": lambda: nn.LayerNorm([8, 32, 32]),
    "rows": lambda: nn.LayerNorm(32),
    "batch": lambda: nn.BatchNorm2d(8, affine=False, track_running_stats=False),
}


class Normalised(nn.Module):
    """A normalisation of values whose mean is 30 times their deviation."""

    def __init__(self, norm: nn.Module):
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.norm = norm
        self.last = nn.Conv2d(8, 3, 3, padding=1)
        with torch.no_grad():
            assert self.first.bias is not None
            self.first.bias.fill_(30.0)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        features: Tensor = self.norm(self.first(torch.cat([image, mask], dim=1)))
        return self.last(features)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", NORMS)
def test_a_normalisation_is_as_accurate_as_in_pytorch(tmp_path: object, kind: str) -> None:
    torch.manual_seed(0)
    network = Normalised(NORMS[kind]()).eval()
    bundle = export_onnx(
        network, str(tmp_path), interface=Interface(image_range=(-1.0, 1.0)), size=(32, 32), io="tensor",
        precisions=("fp32",),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)
    mask = (rng.random((1, 1, 32, 32)) > 0.3).astype(np.float32)
    from inpaintrt.runtime.backends.onnx_runtime import open_session

    found = open_session(bundle.file(bundle.onnx("fp32")), "cpu").run(["output"], {"image": image, "mask": mask})[0]
    with torch.no_grad():
        single = network(torch.from_numpy(image), torch.from_numpy(mask)).numpy()
        truth = network.double()(torch.from_numpy(image).double(), torch.from_numpy(mask).double()).numpy()
    own, ours = (np.linalg.norm(each - truth) / np.linalg.norm(truth) for each in (single, found))
    assert ours < max(2 * own, 1e-6)


def test_the_graph_is_not_touched_where_it_has_no_normalisation() -> None:
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape((1, 3, 8, 8)))
    node = ir.node("Relu", [x], num_outputs=1)
    model = ir.Model(ir.Graph([x], list(node.outputs), nodes=[node], opset_imports={"": 20}), ir_version=10)
    assert [each.op_type for each in centre_normalisations(model).graph] == ["Relu"]
