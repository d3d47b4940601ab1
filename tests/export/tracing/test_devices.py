"""Hard-coded devices mean the CPU."""

from pathlib import Path

from inpaintrt.export import export_onnx
from inpaintrt.export.source import from_factory
from inpaintrt.validation import validate


def test_hard_coded_devices_mean_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "network.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(4, 3, 3, padding=1)\n"
        "    def forward(self, image, mask):\n"
        "        ones = torch.ones(1, 1, 3, 3, device='cuda:0').cuda()\n"
        "        near = torch.nn.functional.conv2d(mask.to(torch.device('cuda')), ones, padding=1)\n"
        "        return torch.tanh(self.conv(torch.cat([image.cuda(), near], 1)))\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    return Network().cuda()\n"
    )
    network = from_factory(f"{tmp_path / 'network.py'}:make", {}).network
    bundle = export_onnx(network, tmp_path / "bundle", size=(32, 32))
    assert validate(bundle.path, network=network).passed
