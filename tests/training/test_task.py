"""The training step: what the network is shown, what it learns, and what stops it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from inpaintrt.export.interface import Interface
from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.training.config import Adversary, Stage, TrainingConfig
from inpaintrt.training.crops import MaskedCrops
from inpaintrt.training.images import ImageStore
from inpaintrt.training.losses import LossWeights
from inpaintrt.training.masks import MaskMix
from inpaintrt.training.network import make_network
from inpaintrt.training.precision import Precision
from inpaintrt.training.task import InpaintingTask, NotFiniteError, as_called, encoder_norms
from tests.training.conftest import GATED, make_config, same


def square_hole(size: int = 32) -> torch.Tensor:
    mask = torch.ones(1, 1, size, size)
    mask[..., 4:12, 4:12] = 0
    return mask


def make_task(config: TrainingConfig) -> InpaintingTask:
    task = InpaintingTask(*make_network(config), config)
    task.enter(config.stages[0])
    return task


def test_training_overfits_one_image(store: ImageStore) -> None:
    stages = (Stage(steps=60, learning_rate=3e-3, crop=32, batch=1),)
    config = make_config(store.paths[0].parent, arguments={"widths": (16, 24)}, stages=stages)
    task = make_task(config)
    image, mask = (value[None] for value in MaskedCrops(store, 32, (0, 1), 0, MaskMix())[0])
    optimizers, precision = task.optimizers(), Precision("32-true")
    losses = [task.step(image, mask, step, optimizers, precision)["hole"] for step in range(60)]
    assert losses[-1] < 0.25 * losses[0]


@pytest.mark.parametrize(
    "interface",
    [
        Interface(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), premask=False, size_multiple=4),
        Interface(image_range=(-1.0, 1.0), output_range=(0.0, 1.0), premask=True, fill=1.0, size_multiple=4),
        Interface(mask_polarity="valid", mask_channels=3, size_multiple=4),
    ],
    ids=["mean and std", "other range of the output", "three mask channels"],
)
def test_a_network_is_called_in_training_as_it_is_deployed(interface: Interface) -> None:
    network = PConvUNet(widths=(4, 4)).eval()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    hole = rng.random((1, 16, 16)) < 0.3
    deployed = ImageNetwork(TensorNetwork(network, interface))
    crop, known = torch.from_numpy(image).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(~hole)[:, None].float()
    used = as_called(interface, crop, known)
    wanted = deployed.prepare(torch.from_numpy(image), torch.from_numpy(hole.astype(np.uint8)))
    torch.testing.assert_close(used[0], wanted[0], atol=1e-5, rtol=0)
    assert used[1].shape[1] == interface.mask_channels
    assert (used[1] == wanted[1]).all()
    task = InpaintingTask(network, interface, make_config(Path()))
    with torch.no_grad():
        (filled,) = task.fill(crop, known)
        output = network(used[0], used[1])[0]
    shown = ((filled + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1)
    torch.testing.assert_close(shown, deployed.image(output), atol=1e-2, rtol=0)


def test_a_frozen_stage_leaves_the_encoders_norms_alone() -> None:
    config = make_config(Path(), stages=(Stage(1, crop=32, batch=1), Stage(1, crop=32, freeze_encoder_norm=True)))
    task = make_task(config)
    image, mask = torch.rand(2, 3, 32, 32) * 2 - 1, square_hole().expand(2, -1, -1, -1)
    optimizers, precision = task.optimizers(), Precision("32-true")
    values = [{key: value.clone() for key, value in task.network.state_dict().items()}]
    for stage in (*config.stages, config.stages[0]):
        task.enter(stage)
        task.step(image, mask, 0, optimizers, precision)
        values.append({key: value.clone() for key, value in task.network.state_dict().items()})
    norms = [key for key in values[0] if key.startswith("encoder") and ".norm." in key and "num_batches" not in key]
    assert len(norms) == 4
    changed = [[not torch.equal(before[key], after[key]) for key in norms] for before, after in pairwise(values)]
    assert [all(each) for each in changed] == [True, False, True]
    assert not any(changed[1])
    assert not torch.equal(values[1]["encoder.0.conv.conv.weight"], values[2]["encoder.0.conv.conv.weight"])


def test_norms_of_the_encoder_are_found() -> None:
    network, _ = make_network(make_config(Path(), arguments={"widths": (4, 4, 4)}, stages=(Stage(1, crop=8),)))
    assert len(list(encoder_norms(network))) == 2
    gated, _ = make_network(make_config(Path(), **GATED))
    assert not list(encoder_norms(gated))


def test_the_adversary_takes_part_from_its_start_on() -> None:
    config = make_config(Path(), arguments={"widths": (4, 4)}, adversary=Adversary(weight=0.1, width=2, start=3))
    task = make_task(config)
    assert task.discriminator is not None
    before = {key: value.clone() for key, value in task.discriminator.state_dict().items()}
    image, mask = torch.rand(1, 3, 32, 32) * 2 - 1, square_hole()
    optimizers, precision = task.optimizers(), Precision("32-true")
    assert "adversarial" not in task.step(image, mask, 2, optimizers, precision)
    assert same(before, task.discriminator.state_dict())
    terms = task.step(image, mask, 3, optimizers, precision)
    assert {"adversarial", "discriminator"} <= terms.keys()
    assert not same(before, task.discriminator.state_dict())
    assert all(parameter.requires_grad for parameter in task.discriminator.parameters())


def test_optimisers_have_the_papers_values_unless_told_otherwise() -> None:
    def first(config: TrainingConfig) -> tuple[object, ...]:
        return tuple(
            (type(each).__name__, each.defaults["betas"], each.defaults["weight_decay"])
            for each in make_task(config).optimizers()
        )

    assert first(make_config(Path())) == (("Adam", (0.9, 0.999), 0),)
    gated = make_config(Path(), **GATED)
    assert first(gated) == (("Adam", (0.5, 0.999), 0), ("Adam", (0.5, 0.999), 0))
    own = Adversary(weight=1, width=2, betas=(0.1, 0.2), weight_decay=0.3)
    told = make_config(Path(), optimizer="adamw", betas=(0.4, 0.5), weight_decay=0.6, adversary=own)
    assert first(told) == (("AdamW", (0.4, 0.5), 0.6), ("AdamW", (0.1, 0.2), 0.3))


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    task = make_task(make_config(Path()))
    before = {key: value.clone() for key, value in task.network.named_parameters()}
    image = torch.full((1, 3, 32, 32), float("nan"))
    with pytest.raises(NotFiniteError, match=r"the loss is not finite: valid nan, hole nan"):
        task.step(image, square_hole(), 0, task.optimizers(), Precision("32-true"))
    assert all(torch.equal(value, before[key]) for key, value in task.network.named_parameters())


def test_an_adversary_may_be_the_only_loss() -> None:
    nothing = LossWeights(valid=0, hole=0, perceptual=0, style=0, total_variation=0)
    task = make_task(make_config(Path(), loss=nothing, adversary=Adversary(weight=1, width=2)))
    before = {key: value.clone() for key, value in task.network.state_dict().items()}
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    terms = task.step(image, square_hole(64), 0, task.optimizers(), Precision("32-true"))
    assert terms["loss"] == pytest.approx(terms["adversarial"])
    assert not same(before, task.network.state_dict())
