"""Features of VGG-16, and what happens without its weights."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from inpaintrt.runtime.errors import CheckpointError
from inpaintrt.training.features import FeatureNetwork, vgg16_features


def test_features_are_vggs() -> None:
    reference = nn.Sequential()
    before = 3
    for width in (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool"):
        if width == "pool":
            reference.append(nn.MaxPool2d(2))
        else:
            assert isinstance(width, int)
            reference.extend([nn.Conv2d(before, width, 3, padding=1), nn.ReLU()])
            before = width
    network = FeatureNetwork()
    network.load_vgg16(
        {f"features.{key}": value for key, value in reference.state_dict().items()} | {"classifier": torch.zeros(1)}
    )
    image = torch.rand(1, 3, 32, 32)
    normalised = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    for features, end in zip(network(2 * image - 1), (5, 10, 17), strict=True):
        torch.testing.assert_close(features, reference[:end](normalised))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(CheckpointError, match=r"features\.0\.weight is missing"):
        network.load_vgg16({})


def test_where_weights_of_vgg_cannot_be_had_it_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert vgg16_features() is None
    assert "the perceptual and style losses are off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"features.0.weight": torch.zeros(1)}, "not the weights of VGG-16: features.0.bias is missing"),
        (b"no weights", r"vgg16\.pth: is not a checkpoint, or is damaged"),
        (None, r"vgg16\.pth: no such file"),
    ],
    ids=["another network", "garbage", "no file"],
)
def test_a_file_that_holds_no_vgg_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "vgg16.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        vgg16_features(path)
