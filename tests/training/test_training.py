"""The recipe: samples by their seed, and runs that are the same twice, learn, and go on where they were stopped."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

pytest.importorskip("lightning")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inpaintrt.export.checkpoints import load_checkpoint
from inpaintrt.export.interface import Interface
from inpaintrt.export.networks import PConvUNet
from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.runtime.errors import UsageError
from inpaintrt.training.command import main
from inpaintrt.training.config import Adversary, Stage, TrainingConfig
from inpaintrt.training.initialise import initialise_by_data
from inpaintrt.training.losses import LossWeights
from inpaintrt.training.photos import MaskedCrops, MaskMix, find_photos, load_photo
from inpaintrt.training.recipe import Crops, make_network, train
from inpaintrt.training.schedule import learning_rate, pieces
from inpaintrt.training.task import InpaintingTask, encoder_norms

WITHOUT_FEATURES = LossWeights(perceptual=0, style=0)
RECIPES = Path(__file__).parents[2] / "training"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "held-out"):
        small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        small.resize((100, 80), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


def config(photos: Path, **changes: Any) -> TrainingConfig:
    """A run of five steps in two stages, saved after each second one."""
    first = Stage(steps=3, learning_rate=1e-3, crop=32, batch=2, masks=MaskMix(lattice=0.2))
    second = Stage(steps=2, learning_rate=1e-3, crop=64, batch=1, freeze_encoder_norm=True, decay=True)
    values: dict[str, Any] = {
        "photos": (photos,), "stages": (first, second), "exclude": ("held-out",), "arguments": {"widths": (4, 6)},
        "loss": WITHOUT_FEATURES, "precision": "32-true", "workers": 0, "save_every": 2,
    }  # fmt: skip
    return TrainingConfig(**(values | changes))


GATED = {
    "network": "deepfill_v2",
    "arguments": {"width": 4},
    "adversary": Adversary(weight=0.1, width=2, learning_rate=1e-3, start=1),
}


def weights(path: Path) -> dict[str, Tensor]:
    return load_checkpoint(path).network.state_dict()


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def test_samples_depend_on_seed_and_index_alone(photos: Path) -> None:
    pictures = [load_photo(path, 64) for path in find_photos([photos])]
    first, again, other = (MaskedCrops(pictures, 32, (0, 10), seed) for seed in (0, 0, 1))
    assert torch.equal(first[7][0], again[7][0])
    assert torch.equal(first[7][1], again[7][1])
    assert not torch.equal(first[7][0], other[7][0])
    later = MaskedCrops(pictures, 32, (5, 10), 0)
    assert len(later) == 5
    assert torch.equal(later[2][0], first[7][0])
    image, mask = first[3]
    assert image.shape == (3, 32, 32)
    assert -1 <= image.min() < image.max() <= 1
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_masks_are_of_the_kinds_asked_for() -> None:
    rng = np.random.default_rng(0)
    lattices = [MaskMix(irregular=0, lattice=1).draw(48, rng) for _ in range(20)]
    assert {round(1 / (~hole).mean()) for hole in lattices} == {4, 9, 16}
    small = [MaskMix(buckets=1).draw(256, rng).mean() for _ in range(10)]
    assert all(0.01 <= ratio < 0.1 for ratio in small)
    free_form = [MaskMix(irregular=0, free_form=1).draw(256, rng).mean() for _ in range(20)]
    assert min(free_form) < 0.1 < max(free_form)
    with pytest.raises(ValueError, match="shares of masks"):
        MaskMix(irregular=0)


def test_held_out_photos_are_held_out(photos: Path) -> None:
    assert [path.name for path in find_photos([photos], ["held-out"])] == ["a.png", "b.png"]
    assert [path.name for path in find_photos([photos / "a.png"])] == ["a.png"]
    for missing in (photos, photos / "no-such-folder"):
        with pytest.raises(FileNotFoundError, match="no photographs"):
            find_photos([missing], [".png"])


@pytest.mark.parametrize("changes", [{}, GATED], ids=["partial", "gated with its adversary"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    train(config(photos, **changes), tmp_path / "whole.ckpt")
    step = InpaintingTask.training_step
    taken, stops = [], [4]

    def stop_in_the_middle(self: InpaintingTask, batch: Any, number: int) -> None:
        if int(self.steps_done) in stops:  # in the middle of the last piece
            stops.clear()
            raise RuntimeError("stopped")
        taken.append(int(self.steps_done))
        step(self, batch, number)

    monkeypatch.setattr(InpaintingTask, "training_step", stop_in_the_middle)
    with pytest.raises(RuntimeError, match="stopped"):
        train(config(photos, **changes), tmp_path / "stopped.ckpt")
    assert not (tmp_path / "stopped.ckpt").exists()
    train(config(photos, **changes), tmp_path / "stopped.ckpt", resume=True)
    assert taken == [0, 1, 2, 3, 3, 4]
    assert same(weights(tmp_path / "whole.ckpt"), weights(tmp_path / "stopped.ckpt"))
    train(config(photos, seed=1, **changes), tmp_path / "other.ckpt", resume=True)
    assert not same(weights(tmp_path / "whole.ckpt"), weights(tmp_path / "other.ckpt"))


def test_pictures_and_losses_are_in_tensorboard(photos: Path, tmp_path: Path) -> None:
    train(config(photos), tmp_path / "a.ckpt")
    events = EventAccumulator(str(tmp_path / "a-training" / "tensorboard"))
    events.Reload()
    assert len(events.Images("original, seen, filled, composite")) == len(pieces(config(photos))) == 3
    assert {"loss", "valid", "hole", "total_variation"} <= set(events.Tags()["scalars"])


def test_training_overfits_one_picture(photos: Path) -> None:
    torch.manual_seed(0)
    run = config(photos, arguments={"widths": (16, 24, 32)})
    network, interface = make_network(run)
    task = InpaintingTask(network, interface, run)
    (image, mask) = (value[None] for value in MaskedCrops([load_photo(photos / "a.png", 64)], 64, (0, 1), 0)[0])
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    errors = []
    for _ in range(150):
        (output,) = task.fill(image, mask)
        hole = 1 - mask
        errors.append((((output - image).abs() * hole).sum() / hole.sum() / 3).item())
        loss = task._judge([output], image, mask)[0]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert errors[-1] < 0.15 * errors[0]


def test_the_second_stage_leaves_the_encoders_norms_alone(photos: Path, tmp_path: Path) -> None:
    stage = config(photos).stages[0]
    frozen = replace(stage, freeze_encoder_norm=True)
    # Without averaging, and each run from the same weights.
    for name, stages in (("before", (stage,)), ("after", (stage, frozen)), ("thawed", (stage, stage))):
        train(config(photos, stages=stages, ema_decay=0.0), tmp_path / f"{name}.ckpt")
    before, after, thawed = (weights(tmp_path / f"{name}.ckpt") for name in ("before", "after", "thawed"))
    norms = [key for key in before if key.startswith("encoder") and ".norm." in key and "num_batches" not in key]
    assert len(norms) == 4
    assert all(torch.equal(before[key], after[key]) for key in norms)
    assert not any(torch.equal(before[key], thawed[key]) for key in norms)
    assert not torch.equal(before["encoder.0.conv.conv.weight"], after["encoder.0.conv.conv.weight"])
    assert not torch.equal(before["decoder.0.norm.running_mean"], after["decoder.0.norm.running_mean"])


def test_fine_tuning_starts_from_a_checkpoint(photos: Path, tmp_path: Path) -> None:
    train(config(photos, **GATED), tmp_path / "first.ckpt")
    loaded = load_checkpoint(tmp_path / "first.ckpt")
    assert loaded.interface.image_range == (-1.0, 1.0)
    assert loaded.interface.mask_polarity == "hole"
    network, interface = make_network(config(photos, start_from=tmp_path / "first.ckpt", arguments={}))
    assert interface == loaded.interface
    assert same(loaded.network.state_dict(), network.state_dict())
    assert network.training


@pytest.mark.parametrize(
    "interface",
    [
        Interface(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), premask=False, size_multiple=4),
        Interface(image_range=(-1.0, 1.0), output_range=(0.0, 1.0), premask=True, fill=1.0, size_multiple=4),
        Interface(mask_polarity="valid", mask_channels=3, size_multiple=4),
    ],
    ids=["mean and std", "other range of the output", "three mask channels"],
)
def test_a_network_is_called_in_training_as_it_is_deployed(photos: Path, interface: Interface) -> None:
    network = PConvUNet(widths=(4, 6)).eval()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    hole = rng.random((1, 16, 16)) < 0.3
    deployed = ImageNetwork(TensorNetwork(network, interface))
    task = InpaintingTask(network, interface, config(photos))
    crop, known = torch.from_numpy(image).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(~hole)[:, None].float()
    used = task.as_called(crop, known)
    wanted = deployed.prepare(torch.from_numpy(image), torch.from_numpy(hole.astype(np.uint8)))
    torch.testing.assert_close(used[0], wanted[0], atol=1e-5, rtol=0)
    assert used[1].shape[1] == interface.mask_channels
    assert (used[1] == wanted[1]).all()
    with torch.no_grad():
        (picture,) = task.fill(crop, known)
        output = network(used[0], used[1])[0]
    shown = ((picture + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1)
    torch.testing.assert_close(shown, deployed.picture(output), atol=1e-2, rtol=0)


def test_fine_tuning_may_change_the_network(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(config(photos), tmp_path / "first.ckpt")
    before = weights(tmp_path / "first.ckpt")
    network, interface = make_network(config(photos, start_from=tmp_path / "first.ckpt", arguments={"widths": (4, 8)}))
    assert "encoder.1.norm.weight begin anew" in capsys.readouterr().err
    after = network.state_dict()
    assert interface.size_multiple == network.size_multiple
    assert after["encoder.1.conv.conv.weight"].shape[0] == 8
    assert same({key: before[key] for key in before if after[key].shape == before[key].shape}, after)


def test_networks_that_cannot_be_made_are_refused(photos: Path) -> None:
    with pytest.raises(UsageError, match="no network 'unet'; known are pconv_unet, deepfill_v2"):
        make_network(config(photos, network="unet"))
    with pytest.raises(UsageError, match="does not take these arguments"):
        make_network(config(photos, arguments={"depth": 3}))


def test_rates_and_pieces_follow_the_stages(photos: Path) -> None:
    stages = (Stage(steps=5, learning_rate=2e-4), Stage(steps=40, learning_rate=1e-3, decay=True))
    run = config(photos, stages=stages, save_every=20)
    assert pieces(run) == [(0, 5), (5, 25), (25, 45)]
    rates = [learning_rate(run, step) for step in range(45)]
    assert rates[:5] == [2e-4] * 5
    assert rates[5:8] == pytest.approx([5e-4, 1e-3, 1e-3])
    assert all(after < before for before, after in pairwise(rates[7:]))
    assert rates[-1] < 1e-5


def test_norms_of_the_encoder_are_found() -> None:
    network, _ = make_network(TrainingConfig((Path(),), (Stage(1),), arguments={"widths": (4, 6, 8)}))
    assert len(list(encoder_norms(network))) == 2
    gated, _ = make_network(TrainingConfig((Path(),), (Stage(1),), network="deepfill_v2", arguments={"width": 4}))
    assert not list(encoder_norms(gated))


def test_configuration_files_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("photos: [x/y]\nstages: [{steps: 5, masks: {lattice: 0.1}, loss: {hole: 2}}]\nloss: {style: 0}\n")
    loaded = TrainingConfig.load(path)
    assert loaded.photos == (tmp_path / "x/y",)
    assert loaded.stages == (Stage(5, masks=MaskMix(lattice=0.1), loss=LossWeights(hole=2)),)
    assert loaded.loss == LossWeights(style=0)
    for text, message in (
        ("photos: [x]\nstage: 5\n", "unknown: stage; known keys are photos"),
        ("stages: [{steps: 5}]\n", "missing: photos"),
        ("photos: [x]\nstages: []\n", "stages is empty"),
        ("photos: [x]\nstages: [{steps: 0}]\n", "must be at least 1"),
        ("photos: [x]\nstages: [{steps: 5, crops: 4}]\n", "unknown: crops; known keys are steps"),
        ("photos: [x]\nstages: [{steps: 5}]\nloss: [1]\n", "expected the keys of LossWeights"),
        ("photos: [x]\nstages: [1]\n", "expected the keys of Stage"),
        ("- 1\n", "expected keys and values"),
        ("photos: x\nstages: [{steps: 5}]\n", "photos is 'x'; expected a list"),
        ("photos: [x]\nstages: [{steps: five}]\n", "steps is 'five'; expected int"),
        ("photos: [x]\nstages: [{steps: true}]\n", "steps is True; expected int"),
        ("photos: [x]\nstages: [{steps: 5, decay: 1}]\n", "decay is 1; expected bool"),
        ("photos: [x\n", "is no YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            TrainingConfig.load(path)
    with pytest.raises(ValueError, match=r"none\.yaml: No such file"):
        TrainingConfig.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_are_valid(path: Path) -> None:
    make_network(TrainingConfig.load(path))


def test_the_command_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("photos: [empty]\nstages: [{steps: 1}]\nloss: {perceptual: 0, style: 0}\n")
    monkeypatch.setattr("sys.argv", ["train-inpainter", str(path), "-o", str(tmp_path / "a.ckpt")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "no photographs" in capsys.readouterr().err


def test_first_weights_are_scaled_by_data(photos: Path, tmp_path: Path) -> None:
    run = config(photos, **GATED)
    torch.manual_seed(0)
    network, interface = make_network(run)
    called = InpaintingTask(network, interface, run).as_called(*Crops(run).first_batch())
    results: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, result: results.append(result.detach()))
    with torch.no_grad():
        network(*called)
    assert min(result.std() for result in results) < 0.1
    initialise_by_data(network, *called)
    results.clear()
    with torch.no_grad():
        network(*called)
    assert len(results) > 40
    torch.testing.assert_close(torch.stack([result.std() for result in results]), torch.ones(len(results)))
    train(config(photos, **GATED, scale_by_data=True), tmp_path / "a.ckpt")
    train(config(photos, **GATED), tmp_path / "b.ckpt")
    assert not same(weights(tmp_path / "a.ckpt"), weights(tmp_path / "b.ckpt"))
