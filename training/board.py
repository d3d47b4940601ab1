"""What TensorBoard shows of a run: mean losses, learning rate, speed, and held-out images filled by the average."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintrt.export.interface import Interface
from inpaintrt.runtime.errors import UsageError

from .held_out import held_out_batch
from .losses import compose
from .task import filled_images


class Board:
    """Writes events.

    A disk that is full raises a UsageError.

    Args:
        folder: of the events.
        step: what a stopped run wrote after this step is taken back.
        interface: of the network.
        size: side of the held-out images.
    """

    def __init__(self, folder: Path, step: int, interface: Interface, size: int):
        from torch.utils.tensorboard import SummaryWriter  # slow to load

        self._folder = folder
        self._hook, threading.excepthook = threading.excepthook, self._on_thread_error
        with self._one_line():
            self._writer = SummaryWriter(folder, purge_step=step or None)
        self._interface = interface
        self._image, self._mask = held_out_batch(size)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Values by name, after `step` steps."""
        with self._one_line():
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def held_out(self, step: int, network: nn.Module) -> None:
        """The held-out images as `network`, in eval mode, fills them, and the PSNR of all their holes in dB."""
        device = next(network.parameters()).device
        image, mask = self._image.to(device), self._mask.to(device)
        with torch.no_grad():
            filled = filled_images(network, self._interface, image, mask)[0]
        rows = (image, image * mask, filled, compose(filled, image, mask))
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        self.scalars(step, {"held-out/psnr_hole": _psnr(filled, image, 1 - mask)})
        with self._one_line():
            self._writer.add_image("held-out: original, seen, filled, composite", (sheet.clamp(-1, 1) + 1) / 2, step)
            self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        try:
            with self._one_line():
                self._writer.close()
        finally:
            threading.excepthook = self._hook

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """A full disk in one line; the state of the run is a file of its own and stays as it was."""
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self._folder}: TensorBoard's files cannot be written: {error.strerror or error}; the last state is "
                "intact, go on from it with --resume"
            ) from None

    def _on_thread_error(self, found: threading.ExceptHookArgs) -> None:
        # TensorBoard writes on a thread of its own. Its next call raises what went wrong there, which is enough.
        told_later = isinstance(found.exc_value, OSError) and type(found.thread).__module__.startswith("tensorboard")
        if not told_later:
            self._hook(found)


def _psnr(filled: Tensor, image: Tensor, hole: Tensor) -> float:
    error = ((filled - image).square() * hole).sum() / (hole.sum() * image.shape[1])
    return 10 * math.log10(4 / max(float(error), 1e-10))  # values span 2
