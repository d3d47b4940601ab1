"""A training run: photographs and a configuration to a checkpoint that `export-onnx` takes.

The run is cut into pieces, Lightning's epochs, and its whole state is saved after each. Samples, learning rates and
stages are functions of the step alone, so a run that was killed and resumed ends with the weights of one that was not.
Deterministic for one seed, machine and PyTorch version.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from inpaintrt.export.checkpoints import load_checkpoint, save_checkpoint
from inpaintrt.export.checkpoints.own import NETWORKS
from inpaintrt.export.interface import Interface
from inpaintrt.export.networks import DeepFillV2, PConvUNet
from inpaintrt.runtime.console import say
from inpaintrt.runtime.errors import UsageError

from .config import TrainingConfig
from .features import vgg16_features
from .initialise import initialise_by_data
from .photos import MaskedCrops, find_photos, load_photo
from .progress import Bar, Lines, Pictures, quiet_lightning
from .schedule import pieces, stage_at
from .task import InpaintingTask

IMAGE_RANGE = (-1.0, 1.0)


class Crops(lightning.LightningDataModule):
    """The samples of the piece that the trainer is in."""

    def __init__(self, config: TrainingConfig):
        super().__init__()
        self.config = config
        self.photos = [load_photo(path, config.short_side) for path in find_photos(config.photos, config.exclude)]

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        assert self.trainer is not None
        first, last = pieces(self.config)[self.trainer.current_epoch]
        return self._batches(first, last, self.config.workers)

    def first_batch(self) -> tuple[Tensor, Tensor]:
        """The samples of the first step: images [N,3,crop,crop] and masks [N,1,crop,crop]."""
        images, masks = next(iter(self._batches(0, 1, 0)))
        return images, masks

    def _batches(self, first: int, last: int, workers: int) -> DataLoader[tuple[Tensor, Tensor]]:
        stage, _ = stage_at(self.config, first)
        crops = MaskedCrops(
            self.photos, stage.crop, (first * stage.batch, last * stage.batch), self.config.seed, stage.masks
        )
        return DataLoader(crops, stage.batch, num_workers=workers)


def make_network(config: TrainingConfig) -> tuple[PConvUNet | DeepFillV2, Interface]:
    """The network that a run begins with.

    Raises:
        UsageError: if there is no such network, it does not take the arguments, or the checkpoint's cannot be trained.
    """
    if config.start_from is not None:
        return _continued(config.start_from, config.arguments)
    if config.network not in NETWORKS:
        raise UsageError(f"there is no network {config.network!r}; known are {', '.join(NETWORKS)}")
    network = _made(NETWORKS[config.network], config.arguments)
    return network, replace(network.interface(), image_range=IMAGE_RANGE)


def _made(kind: type[PConvUNet] | type[DeepFillV2], arguments: Mapping[str, Any]) -> PConvUNet | DeepFillV2:
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind.__name__} does not take these arguments: {error}") from None


def _continued(checkpoint: Path, changes: Mapping[str, Any]) -> tuple[PConvUNet | DeepFillV2, Interface]:
    """A checkpoint's network with its arguments changed; layers that do not fit it any more begin anew."""
    loaded = load_checkpoint(checkpoint)
    kind = type(loaded.network)
    if not issubclass(kind, (PConvUNet, DeepFillV2)):
        raise UsageError(f"{checkpoint}: networks of family {loaded.family} cannot be trained further")
    network = _made(kind, loaded.arguments | dict(changes))
    ours, theirs = network.state_dict(), loaded.network.state_dict()
    fitting = {key: value for key, value in theirs.items() if key in ours and ours[key].shape == value.shape}
    anew = sorted(set(ours) - set(fitting))
    if anew:
        say(f"{checkpoint}: {', '.join(anew)} begin anew, since the arguments differ")
    network.load_state_dict(fitting, strict=False)
    return network, replace(loaded.interface, size_multiple=network.size_multiple)


def train(config: TrainingConfig, output: Path, resume: bool = False) -> None:
    """Train a network and save it as a checkpoint with its interface.

    Beside `output`, a folder of its name and `-training` holds the state of the run and TensorBoard's files.

    Args:
        config: the run.
        output: the checkpoint to write.
        resume: whether to go on from the last saved state, if there is one.

    Raises:
        FileNotFoundError: if a folder of the configuration holds no photograph.
        UsageError: if the configuration's network cannot be made, or the folder of `output` does not exist.
    """
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: the folder {output.parent} does not exist")
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    network, interface = make_network(config)
    crops = Crops(config)
    features = vgg16_features(config.vgg16) if config.needs_features else None
    folder = output.with_name(f"{output.stem}-training")
    state = folder / "state" / "last.ckpt"
    if resume and not state.is_file():
        say(f"{state} does not exist: the run begins anew")
    with quiet_lightning():
        trainer = lightning.Trainer(
            max_epochs=len(pieces(config)),
            reload_dataloaders_every_n_epochs=1,
            precision=config.precision,  # type: ignore[arg-type]
            callbacks=[
                EMAWeightAveraging(decay=config.ema_decay),
                ModelCheckpoint(state.parent, state.stem, save_on_train_epoch_end=True, enable_version_counter=False),
                Pictures(),
                Bar() if sys.stderr.isatty() else Lines(),
            ],
            logger=TensorBoardLogger(folder, name=None, version="tensorboard"),
            log_every_n_steps=min(50, config.save_every),
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
        )
        task = InpaintingTask(network, interface, config, features)
        if config.scale_by_data and config.start_from is None:
            initialise_by_data(network, *task.as_called(*crops.first_batch()))
        trainer.fit(task, crops, ckpt_path=state if resume and state.is_file() else None)
    # Half precision keeps the file small, and the FP16 graph then holds the very same weights.
    save_checkpoint(output, network.eval(), interface, dtype=torch.float16)
