"""The recipe behind the demo checkpoint: one stage of pixel losses on crops of photographs.

Deterministic for one seed, machine and PyTorch version. The configuration is a YAML file; `training/demo.yaml` is the
one the demo checkpoint was made with.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import EMAWeightAveraging, TQDMProgressBar
from torch import Tensor
from torch.utils.data import DataLoader

from inpaintrt.export.checkpoints import save_checkpoint
from inpaintrt.export.networks import PConvUNet

from .losses import pixel_loss
from .photos import MaskedCrops, find_photos, load_photo


@dataclass(frozen=True)
class TrainingConfig:
    """What a training run depends on.

    Args:
        photos: folders searched for photographs; relative ones are taken from the configuration file's folder.
        exclude: strings in file names that keep a photograph out.
        widths: output channels of each encoder layer of the `PConvUNet`.
        crop: side of a training crop in pixels.
        short_side: photographs are reduced to this many pixels on their short side before cropping.
        batch, steps: crops a step, and number of steps.
        learning_rate: highest value of the one-cycle schedule (AdamW).
        ema_decay: of the averaged weights that are saved.
        precision: as Lightning names it, "bf16-mixed" or "32-true".
        workers: processes that prepare crops.
        seed: of weights, crops and masks.
    """

    photos: tuple[Path, ...]
    exclude: tuple[str, ...] = ()
    widths: tuple[int, ...] = (32, 64, 128, 192, 192, 192)
    crop: int = 128
    short_side: int = 512
    batch: int = 16
    steps: int = 10_000
    learning_rate: float = 1e-3
    ema_decay: float = 0.999
    precision: str = "bf16-mixed"
    workers: int = 1
    seed: int = 0

    @classmethod
    def load(cls, path: Path) -> "TrainingConfig":
        """Read a YAML file.

        Raises:
            ValueError: if a key is unknown or `photos` is missing.
        """
        values: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown or "photos" not in values:
            found = f"unknown: {', '.join(sorted(unknown))}" if unknown else "photos is missing"
            raise ValueError(f"{path}: {found}; known keys are {', '.join(f.name for f in fields(cls))}")
        values["photos"] = tuple(path.parent / Path(folder).expanduser() for folder in values["photos"])
        for name in ("exclude", "widths"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)


class InpaintingTask(lightning.LightningModule):
    """Trains a network on known pixels alone and judges it on all of them."""

    def __init__(self, network: PConvUNet, learning_rate: float, steps: int):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learning_rate = learning_rate
        self.steps = steps

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        image, mask = batch
        image = image.contiguous(memory_format=torch.channels_last)
        output, _updated = self.network(image, mask)
        terms = pixel_loss(output.float(), image, mask)
        self.log_dict(terms, prog_bar=True)
        return terms["loss"]

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.learning_rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, self.steps, pct_start=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(config: TrainingConfig, output: Path) -> None:
    """Train a `PConvUNet` and save it as a checkpoint with its interface.

    Raises:
        FileNotFoundError: if a folder of the configuration holds no photograph.
    """
    lightning.seed_everything(config.seed, workers=True)
    paths = find_photos(config.photos, config.exclude)
    crops = MaskedCrops(
        [load_photo(path, config.short_side) for path in paths],
        config.crop, config.steps * config.batch, config.seed,
    )  # fmt: skip
    network = PConvUNet(widths=config.widths)
    trainer = lightning.Trainer(
        max_steps=config.steps,
        max_epochs=1,
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=1.0,
        callbacks=[EMAWeightAveraging(decay=config.ema_decay), TQDMProgressBar(refresh_rate=50)],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(
        InpaintingTask(network, config.learning_rate, config.steps),
        DataLoader(crops, config.batch, num_workers=config.workers),
    )
    # Half precision keeps the file small, and the FP16 graph then holds the very same weights.
    save_checkpoint(output, network.eval(), network.interface(image_range=(-1.0, 1.0)), dtype=torch.float16)
