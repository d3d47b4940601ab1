"""A training run: images and a configuration to a checkpoint that `export-onnx` takes.

Samples, learning rates and stages are functions only of the step, and the state holds all the rest, so a run that was
killed and resumed ends with the weights of one that was not. Deterministic for one seed, machine and PyTorch version.
"""

import random
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from inpaintrt.export.checkpoints import save_checkpoint
from inpaintrt.runtime.console import say
from inpaintrt.runtime.errors import ImageError, UsageError

from .averaging import AveragedWeights, largest
from .board import Board
from .config import TrainingConfig
from .crops import batches
from .features import vgg16_features
from .images import ImageStore, find_images
from .initialise import initialise_by_data
from .network import make_network
from .precision import Precision
from .preflight import check_losses, check_output, check_stages
from .progress import RunProgress
from .schedule import learning_rate
from .signals import Stopped, StopRequest, stop_on_signals
from .state import State, check_fits, identity, read_state, write_state
from .task import InpaintingTask, NotFiniteError, as_called

LOG_EVERY = 50
"""Steps between two points of TensorBoard's curves."""


def train(config: TrainingConfig, output: Path, resume: bool = False) -> None:
    """Train a network and save it as a checkpoint with its interface.

    Beside `output`, a folder of its name and `-training` holds the state of the run and TensorBoard's files.

    Args:
        config: the run.
        output: the checkpoint to write.
        resume: whether to go on from the last saved state, if there is one. A finished run stays as it is.

    Raises:
        UsageError: if something cannot work, which is found before the first step, or a file cannot be written.
        ImageError: if an image cannot be used.
        NotFiniteError: if a loss or gradient becomes NaN or infinite; the last state is kept.
        Stopped: on SIGTERM or Ctrl-C, after the state was saved.
    """
    output = Path(output)
    check_output(output)
    folder = output.with_name(f"{output.stem}-training")
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        with lock.acquire(timeout=0), stop_on_signals() as request:
            Run(config, output, folder, resume).finish(request)
    except Timeout:
        raise UsageError(f"{folder}: another run works there; wait for it, or name another --output") from None


class Run:
    """A run that is set up and, in `finish`, carried out.

    Args:
        config: the run.
        output: the checkpoint to write.
        folder: of its state and TensorBoard's files.
        resume: whether to go on from the state, if there is one.
    """

    def __init__(self, config: TrainingConfig, output: Path, folder: Path, resume: bool):
        self.config = config
        self.output = output
        self.folder = folder
        self.state_path = folder / "state" / "last.ckpt"
        before = self._read_state(resume)
        self.precision = Precision(config.precision)
        random.seed(config.seed)
        np.random.seed(config.seed)
        torch.manual_seed(config.seed)
        self.images = ImageStore(find_images(config.photos, config.exclude), config.short_side)
        self.network, self.interface = make_network(config)
        features = vgg16_features(config.vgg16) if config.needs_features else None
        check_losses(config, features is not None)
        self.identity = identity(config, self.images, self.network, self.interface, features is not None)
        if before is not None:
            check_fits(self.state_path, before.identity, self.identity)
        self.step = 0 if before is None else before.step
        self.finished = self.step == config.steps
        if not self.finished:
            self.images.check()
        self.task = InpaintingTask(self.network, self.interface, config, features)
        if config.scale_by_data and before is None:
            stage = config.stages[0]
            with batches(config, self.images, stage, 0, 1, workers=0) as loader:
                image, mask = next(loader)
            initialise_by_data(self.network, *as_called(self.interface, image, mask))
        self.task.to(self.precision.device)
        self.averaged = AveragedWeights(self.network, config.ema_decay)
        self.optimizers = self.task.optimizers()
        if before is not None:
            self._restore(before)
        if not self.finished:
            check_stages(self.task, config, self.images, self.precision)

    def finish(self, request: StopRequest) -> None:
        """Take the steps that are left and save the checkpoint."""
        if self.finished and self.output.is_file():
            say(f"{self.output}: this run of {self.step} steps is finished, and the file stays as it is")
        else:
            if not self.finished:
                self._take_steps(request)
            self._save_checkpoint()
        size = self.config.stages[-1].crop
        side = size if size >= 256 else -(-256 // self.interface.size_multiple) * self.interface.size_multiple
        say(f"next: export-onnx {self.output} -o {self.output.with_suffix('')} --size {side}x{side}")

    def _read_state(self, resume: bool) -> State | None:
        if not self.state_path.is_file():
            if resume:
                say(f"{self.state_path} does not exist: the run begins at step 0")
            return None
        if not resume:
            raise UsageError(
                f"{self.state_path}: holds the state of a run; go on from it with --resume, or remove {self.folder} "
                "to begin again"
            )
        state = read_state(self.state_path)
        say(f"{self.state_path}: the run goes on after step {state.step} of {self.config.steps}")
        return state

    def _restore(self, state: State) -> None:
        try:
            self.task.load_state_dict(state.task)
            self.averaged.network.load_state_dict(state.averaged)
            for optimizer, values in zip(self.optimizers, state.optimizers, strict=True):
                optimizer.load_state_dict(values)
        except (KeyError, RuntimeError, ValueError) as error:
            raise UsageError(f"{self.state_path}: does not fit the network: {error}") from None
        self.precision.scaler.load_state_dict(state.scaler)

    def _take_steps(self, request: StopRequest) -> None:
        board = Board(self.folder / "tensorboard", self.step, self.interface, self.config.stages[-1].crop)
        shown = RunProgress(self.config, self.step)
        request.stepping = True
        try:
            for first, stage in zip(self.config.first_steps, self.config.stages, strict=False):
                last = first + stage.steps
                if self.step < last:
                    self.task.enter(stage)
                    with batches(
                        self.config, self.images, stage, max(self.step, first), last, self.config.workers
                    ) as loader:
                        for image, mask in loader:
                            self._take_step(image, mask, shown, board)
                            self._stop_if_asked(request)
        except ImageError as error:  # a worker process adds its traceback
            raise ImageError(str(error).strip().splitlines()[-1]) from None
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UsageError(
                f"step {self.step + 1} of {self.config.steps}: a process that prepares crops was ended from outside, "
                "such as for want of memory; go on from the last state with --resume, with fewer `workers`"
            ) from None
        finally:
            shown.close()
            board.close()

    def _stop_if_asked(self, request: StopRequest) -> None:
        if request.number is not None and self.step < self.config.steps:
            self._save_state()
            message = f"the state of step {self.step} of {self.config.steps} is saved; go on with --resume"
            raise Stopped(request.number, message)

    def _take_step(self, image: torch.Tensor, mask: torch.Tensor, shown: RunProgress, board: Board) -> None:
        try:
            shown_to = image.to(self.precision.device), mask.to(self.precision.device)
            terms = self.task.step(*shown_to, self.step, self.optimizers, self.precision)
        except NotFiniteError as error:
            kept = (
                f"the state before is kept in {self.state_path}" if self.state_path.is_file() else "no state was saved"
            )
            raise NotFiniteError(
                f"step {self.step + 1} of {self.config.steps}: {error}; {kept}. Begin again with a lower "
                "learning_rate, or with precision 32-true"
            ) from None
        self.averaged.update(self.network, self.step)
        self.step += 1
        shown.add(terms, len(image), image.shape[-1])
        saves = self.step % self.config.save_every == 0 or self.step == self.config.steps
        if saves or self.step % LOG_EVERY == 0:
            rates = {
                "learning_rate": learning_rate(self.config, self.step - 1),
                "images_per_second": shown.images_per_second,
            }
            board.scalars(self.step, shown.take_means() | rates)
        if saves:
            board.held_out(self.step, self.averaged.network)
            self._save_state()
            shown.line()

    def _save_state(self) -> None:
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        weights = {key: value for key, value in self.task.state_dict().items() if not key.startswith("features.")}
        write_state(
            self.state_path,
            State(
                self.step, self.identity, self.averaged.network.state_dict(), weights, optimizers,
                self.precision.scaler.state_dict(),
            ),
        )  # fmt: skip

    def _save_checkpoint(self) -> None:
        # Half precision keeps the file small, and the FP16 graph then holds the very same weights.
        dtype = torch.float16 if largest(self.averaged.network) <= torch.finfo(torch.float16).max else torch.float32
        try:
            save_checkpoint(self.output, self.averaged.network.cpu(), self.interface, dtype)  # type: ignore[arg-type]
        except OSError as error:
            raise UsageError(
                f"{self.output}: cannot be written: {error.strerror or error}; the finished run is kept, save it with "
                "--resume"
            ) from None
        size = self.output.stat().st_size / 1000
        form = "fp16" if dtype == torch.float16 else "fp32, since fp16 does not hold them"
        say(f"{self.output}: written, {size:,.0f} kB, the averaged weights after {self.step} steps in {form}")
