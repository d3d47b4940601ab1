"""Training samples: random crops of images with random masks.

Sample `i` depends only on the seed and on `i`, so a run is the same whatever the number of worker processes, and one
that was stopped goes on where it was.
"""

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inpaintrt.runtime.errors import UsageError

from .config import Stage, TrainingConfig
from .images import ImageStore
from .masks import MaskMix
from .signals import SIGNALS

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl: the signal that a process gets when the one that started it ends."""


class MaskedCrops(Dataset[tuple[Tensor, Tensor]]):
    """Random crops, each with a random mask.

    Args:
        images: checked.
        size: side of a crop in pixels; crops are cut from that size up to the image's, small ones as often as large
            ones (log-uniform), and reduced.
        samples: number of the first sample, and the one past the last.
        seed: of crops and masks.
        masks: which holes.

    An item is the image [3,size,size] in -1..1 and the mask [1,size,size], 1 = known.

    Raises:
        UsageError: if no image is large enough.
    """

    def __init__(self, images: ImageStore, size: int, samples: tuple[int, int], seed: int, masks: MaskMix):
        self.images = images
        self.large_enough = [number for number, side in enumerate(images.short_sides) if side >= size]
        if not self.large_enough:
            raise UsageError(
                f"crops of {size} pixels need an image at least that wide and high; the largest "
                f"of {len(images.paths)} has a short side of {max(images.short_sides)}. Use a smaller crop"
            )
        self.size = size
        self.samples = range(*samples)
        self.seed = seed
        self.masks = masks

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, self.samples[index]])
        image = self.images.load(self.large_enough[rng.integers(len(self.large_enough))])
        side = round(self.size * (min(image.shape[:2]) / self.size) ** rng.random())
        top = int(rng.integers(image.shape[0] - side + 1))
        left = int(rng.integers(image.shape[1] - side + 1))
        crop = Image.fromarray(image[top : top + side, left : left + side])
        pixels = np.asarray(crop.resize((self.size, self.size), Image.Resampling.BICUBIC, reducing_gap=2.0))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        hole = self.masks.draw(self.size, rng)
        values = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        return values, torch.from_numpy(~hole)[None].float()


@contextlib.contextmanager
def batches(
    config: TrainingConfig, images: ImageStore, stage: Stage, first: int, last: int, workers: int
) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
    """The batches of the steps from `first` up to `last`, all in `stage`; worker processes end with the block."""
    crops = MaskedCrops(images, stage.crop, (first * stage.batch, last * stage.batch), config.seed, stage.masks)
    follow = functools.partial(_follow_the_run, os.getpid())
    loader = iter(DataLoader(crops, stage.batch, num_workers=workers, worker_init_fn=follow))
    try:
        yield loader
    finally:
        # Workers ignore SIGTERM, with which Python ends those that an error leaves behind, and would wait forever.
        getattr(loader, "_shutdown_workers", lambda: None)()


def _follow_the_run(run: int, _: int) -> None:
    """In a worker: leave signals to the process `run`, and end with it.

    Ctrl-C reaches all processes of a terminal, and SIGTERM often all of a job; only the run answers, and ends its
    workers. PyTorch's own watch over a killed run begins later and asks every few seconds.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != run:
            os._exit(1)
