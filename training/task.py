"""The training step, for both families of networks."""

from collections.abc import Iterator
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from inpaintrt.export.interface import Interface
from inpaintrt.export.tracing.deployed import network_inputs, network_picture

from .adversarial import SNPatchDiscriminator, discriminator_loss, generator_loss
from .config import Stage, TrainingConfig
from .features import FeatureNetwork
from .losses import compose, inpainting_loss
from .schedule import learning_rate, stage_at


class InpaintingTask(lightning.LightningModule):
    """Trains a network on known pixels alone and judges it on all of them.

    Every picture that the network returns is judged: DeepFillv2 returns that of its coarse stage as well.

    Args:
        network: the network.
        interface: how it wants to be called.
        config: the run.
        features: for the perceptual and style terms.
    """

    steps_done: Tensor

    def __init__(
        self, network: nn.Module, interface: Interface, config: TrainingConfig, features: FeatureNetwork | None = None
    ):
        super().__init__()
        self.automatic_optimization = False  # two networks take turns
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.interface = interface
        self.config = config
        self.discriminator = SNPatchDiscriminator(config.adversary.width) if config.adversary.weight > 0 else None
        self.features = (features,)  # a tuple keeps it out of the checkpoints and of the averaged weights
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))

    @property
    def stage(self) -> Stage:
        """The stage of the next step."""
        return stage_at(self.config, int(self.steps_done))[0]

    def on_fit_start(self) -> None:
        for features in self.features:
            if features is not None:
                features.to(self.device)

    def on_train_epoch_start(self) -> None:
        frozen = self.stage.freeze_encoder_norm
        for norm in encoder_norms(self.network):
            norm.train(not frozen)
            norm.requires_grad_(not frozen)

    def fill(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """All pictures that the network returns for `image` [N,3,H,W] in -1..1 with `mask` [N,1,H,W], 1 = known."""
        outputs = self.network(*self.as_called(image, mask))
        pictures = [output.float() for output in outputs if output.shape == image.shape]
        return [2 * network_picture(self.interface, picture) - 1 for picture in pictures]

    def as_called(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the network is given for `image` [N,3,H,W] in -1..1 with `mask` [N,1,H,W], 1 = known."""
        seen, given = network_inputs(self.interface, (image + 1) / 2, 1 - mask)
        given = given.expand(-1, self.interface.mask_channels, -1, -1)
        return seen.contiguous(memory_format=torch.channels_last), given

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        image, mask = batch
        step = int(self.steps_done)
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        pictures = self.fill(image, mask)
        # Variances and logarithms of small errors need FP32.
        with torch.autocast(self.device.type, enabled=False):
            loss, terms = self._judge(pictures, image, mask)
        adversary = self.config.adversary
        if self.discriminator is not None and step >= adversary.start:
            filled = compose(pictures[0], image, mask)
            terms["discriminator"] = self._train_discriminator(image, filled.detach(), mask, optimizers[1])
            # Its weights stay as they are, but the gradient passes.
            self.discriminator.requires_grad_(False)
            terms["adversarial"] = generator_loss(self.discriminator(filled, 1 - mask))
            self.discriminator.requires_grad_(True)
            loss = loss + adversary.weight * terms["adversarial"]
        self._descend(loss, optimizers[0], learning_rate(self.config, step))
        self.steps_done += 1
        terms["loss"] = loss
        self.log_dict({name: value.detach() for name, value in terms.items()}, prog_bar=True)
        shown = pictures[0].detach()
        self.shown = torch.stack([image, image * mask, shown, compose(shown, image, mask)])

    def _judge(self, pictures: list[Tensor], image: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the losses of all pictures, and the terms by name."""
        terms: dict[str, Tensor] = {}
        loss = image.new_zeros(())
        weights = self.stage.loss or self.config.loss
        for number, picture in enumerate(pictures):
            # Features of the coarse picture are not compared: it is to have the colours, not the texture.
            found = inpainting_loss(picture, image, mask, weights, self.features[0] if number == 0 else None)
            loss = loss + found["loss"]
            terms |= {name if number == 0 else f"coarse_{name}": value for name, value in found.items()}
        return loss, terms

    def _train_discriminator(self, real: Tensor, filled: Tensor, mask: Tensor, optimizer: Any) -> Tensor:
        assert self.discriminator is not None
        hole = 1 - mask
        loss = discriminator_loss(self.discriminator(real, hole), self.discriminator(filled, hole))
        self._descend(loss, optimizer, self.config.adversary.learning_rate)
        return loss

    def _descend(self, loss: Tensor, optimizer: Any, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Here, since with float16 the gradients are scaled until now.
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        rate = learning_rate(self.config, 0)
        # Less momentum, as is usual for networks that play against each other.
        betas = (0.9, 0.999) if self.discriminator is None else (0.5, 0.9)
        found: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(self.network.parameters(), rate, betas, weight_decay=self.config.weight_decay)
        ]
        if self.discriminator is not None:
            found.append(torch.optim.AdamW(self.discriminator.parameters(), self.config.adversary.learning_rate, betas))
        return found


def encoder_norms(network: nn.Module) -> Iterator[nn.Module]:
    """The batch norms of a network's `encoder`, if it has any."""
    encoder = getattr(network, "encoder", None)
    if encoder is not None:
        yield from (module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d))
