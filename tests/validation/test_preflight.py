"""First things first: what cannot work is said before a network runs, and an interrupted run leaves no trace."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inpaintrt.export import Interface, export_onnx
from inpaintrt.runtime import Bundle
from inpaintrt.runtime.errors import CheckpointError, NetworkError, UsageError
from inpaintrt.validation import validate
from inpaintrt.validation.cases.expected import TorchReference
from inpaintrt.validation.run import Extras


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> None:
        raise AssertionError("a network ran")

    monkeypatch.setattr(TorchReference, "run", run)


@pytest.mark.parametrize(
    ("extras", "reason"),
    [
        ({"baseline": "image.png"}, r"image\.png: is no parity\.json of this release"),
        ({"baseline": "none.json"}, r"none\.json: No such file"),
        ({"junit": "none/junit.xml"}, "none does not exist; make it first"),
        ({"junit": "."}, "is a folder, expected a file"),
        ({"minutes": 0.0, "drift": True}, "--minutes 0: expected more than 0"),
        ({"gates": ("gate-99",)}, "--gates gate-99: "),
    ],
)
def test_arguments_are_checked_first(
    bundle: Bundle, tmp_path: Path, nothing_runs: None, extras: dict[str, Any], reason: str
) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    paths = {name: tmp_path / value for name, value in extras.items() if name in ("baseline", "junit")}
    with pytest.raises(UsageError, match=reason):
        validate(bundle.path, extras=Extras(**(extras | paths)))


def test_drift_needs_both_precisions(tmp_path: Path, nothing_runs: None) -> None:
    bundle = export_onnx(Switched().eval(), tmp_path, interface=RANGE, size=(16, 16), precisions=("fp32",))
    with pytest.raises(UsageError, match="holds fp32; export it with --precision fp32,fp16"):
        validate(bundle.path, network=Switched().eval(), extras=Extras(drift=True))


def test_a_bundle_that_was_copied_says_what_to_do(bundle: Bundle, tmp_path: Path, nothing_runs: None) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    moved = tmp_path / "far" / "away" / "copy"
    bundle.path.rename(moved)
    with pytest.raises(CheckpointError, match="say where it is with --checkpoint PATH"):
        validate(moved)


def test_ctrl_c_leaves_the_old_reports(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = bundle.path / "reports"
    reports.mkdir()
    old = {name: name.encode() for name in ("parity.json", "report.html", "report.md", "latency.json")}
    for name, content in old.items():
        (reports / name).write_bytes(content)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TorchReference, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        validate(bundle.path, extras=Extras(html=True))
    assert {path.name: path.read_bytes() for path in reports.iterdir()} == old


RANGE = Interface(image_range=(-1.0, 1.0))


class Switched(nn.Module):
    """A network that is noisy only when it is told to be, after its export."""

    noise = ""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        output: Tensor = self.conv(torch.cat([image, mask], dim=1))
        if self.noise == "torch":
            return output + 1e-4 * torch.randn_like(output)
        if self.noise == "large holes only" and mask.mean() < 0.5:  # few known pixels
            return output * (1 + 1e-3 * random.random())
        return output * (1 + 1e-4 * random.random()) if self.noise == "python" else output


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        ("torch", r"draws random numbers: randn_like .*test_preflight\.py"),
        ("python", "two runs of PyTorch on .* differ"),
        ("large holes only", "two runs of PyTorch on (one known pixel|all hole) 16x16 differ"),
    ],
)
def test_a_network_with_noise_is_not_judged(tmp_path: Path, noise: str, reason: str) -> None:
    network = Switched().eval()
    bundle = export_onnx(network, tmp_path, interface=RANGE, size=(16, 16))
    assert validate(bundle.path, network=network, quick=True).passed
    network.noise = noise
    with pytest.raises(NetworkError, match=reason):
        validate(bundle.path, network=network, quick=True)
