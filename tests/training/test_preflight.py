"""What is found before the first step."""

import os
from pathlib import Path
from typing import Any

import pytest

from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.config import Adversary, Stage
from inpaintrt.training.images import ImageStore
from inpaintrt.training.losses import LossWeights
from inpaintrt.training.network import make_network
from inpaintrt.training.precision import Precision
from inpaintrt.training.preflight import check_losses, check_output, check_stages
from inpaintrt.training.task import InpaintingTask
from tests.training.conftest import make_config, same


def test_an_output_that_is_no_file_is_refused(tmp_path: Path) -> None:
    check_output(tmp_path / "a.ckpt")
    with pytest.raises(UsageError, match=r"none does not exist; make it first"):
        check_output(tmp_path / "none" / "a.ckpt")
    with pytest.raises(UsageError, match=r"is a folder; name a file in it, such as .*network\.ckpt"):
        check_output(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for device in (Path("/dev/null"), tmp_path / "pipe"):
        with pytest.raises(UsageError, match="is no regular file"):
            check_output(device)


def test_losses_that_need_vgg_only_are_refused_without_it() -> None:
    only = LossWeights(valid=0, hole=0, total_variation=0)
    config = make_config(Path(), stages=(Stage(1, crop=16), Stage(1, crop=16, loss=only)))
    check_losses(config, features=True)
    with pytest.raises(UsageError, match=r"stages\[1\]: perceptual and style are its only losses, .* vgg16"):
        check_losses(config, features=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": (Stage(1, crop=16), Stage(1, crop=48))}, r"stages\[1\]: crops of 48 pixels need an image"),
        ({"arguments": {"in_channels": 1, "widths": (4, 4)}}, r"stages\[0\]: the network cannot be"),
        ({"network": "deepfill_v2", "arguments": {"width": 4, "padding": "reflect"},
          "stages": (Stage(1, crop=8, batch=1),)},
         r"stages\[0\]: the network cannot be trained on 1 crops of 8x8"),
        ({"arguments": {"widths": (4,) * 4}, "stages": (Stage(1, crop=16, batch=1),)},
         r"stages\[0\]: the network cannot be trained on 1 crops of 16x16: Expected more than 1 value per channel"),
    ],
    ids=["crop larger than the images", "grey network", "attention without room", "one value to normalise"],
)  # fmt: skip
def test_a_stage_that_cannot_work_is_found(store: ImageStore, changes: dict[str, Any], message: str) -> None:
    config = make_config(store.paths[0].parent, **changes)
    task = InpaintingTask(*make_network(config), config)
    with pytest.raises(UsageError, match=message):
        check_stages(task, config, store, Precision("32-true"))


def test_the_trial_changes_nothing(store: ImageStore) -> None:
    config = make_config(store.paths[0].parent, adversary=Adversary(weight=1, width=2, start=4))
    task = InpaintingTask(*make_network(config), config)
    before = {key: value.clone() for key, value in task.state_dict().items()}
    check_stages(task, config, store, Precision("32-true"))
    assert same(before, task.state_dict())
