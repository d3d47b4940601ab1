"""The training step, for both families of networks."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from inpaintrt.export.interface import Interface
from inpaintrt.export.networks import DeepFillV2
from inpaintrt.export.tracing.deployed import network_image, network_inputs
from inpaintrt.runtime.errors import InpaintrtError

from .adversarial import SNPatchDiscriminator, discriminator_loss, generator_loss
from .config import Stage, TrainingConfig
from .features import FeatureNetwork
from .losses import LossWeights, compose, inpainting_loss
from .precision import Precision
from .schedule import learning_rate, stage_at

PAPERS_BETAS = {True: (0.5, 0.999), False: (0.9, 0.999)}
"""Of Adam for DeepFillv2 (Yu et al.'s code) and for the U-Net (Liu et al.: PyTorch's own)."""


class NotFiniteError(InpaintrtError):
    """A loss or a gradient is NaN or infinite."""


class InpaintingTask(nn.Module):
    """Shows a network only the known pixels and judges it on all of them.

    Every image that the network returns is judged: DeepFillv2 returns that of its coarse stage as well.

    Args:
        network: the network.
        interface: how it wants to be called.
        config: the run.
        features: for the perceptual and style terms.
    """

    def __init__(
        self, network: nn.Module, interface: Interface, config: TrainingConfig, features: FeatureNetwork | None = None
    ):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.interface = interface
        self.config = config
        self.discriminator = SNPatchDiscriminator(config.adversary.width) if config.adversary.weight > 0 else None
        self.features = features

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """One for the network, and one for the discriminator where there is one."""
        config, adversary = self.config, self.config.adversary
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        betas = config.betas or PAPERS_BETAS[isinstance(self.network, DeepFillV2)]
        found: list[torch.optim.Optimizer] = [
            kind(self.network.parameters(), learning_rate(config, 0), betas, weight_decay=config.weight_decay)
        ]
        if self.discriminator is not None:
            found.append(
                kind(
                    self.discriminator.parameters(), adversary.learning_rate, adversary.betas,
                    weight_decay=adversary.weight_decay,
                )
            )  # fmt: skip
        return found

    def enter(self, stage: Stage) -> None:
        """Set the network up for a stage."""
        self.network.train()
        for norm in encoder_norms(self.network):
            norm.train(not stage.freeze_encoder_norm)
            norm.requires_grad_(not stage.freeze_encoder_norm)

    def fill(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """All images that the network returns for `image` [N,3,H,W] in -1..1 with `mask` [N,1,H,W], 1 = known."""
        return filled_images(self.network, self.interface, image, mask)

    def step(
        self, image: Tensor, mask: Tensor, step: int, optimizers: list[torch.optim.Optimizer], precision: Precision
    ) -> dict[str, float]:
        """One step of training.

        Args:
            image: [N,3,H,W] in -1..1.
            mask: [N,1,H,W], 1 = known.
            step: number of the step, from 0.
            optimizers: those of `optimizers`.
            precision: of the passes.

        Returns:
            The terms of the loss by name, and `loss`, their weighted sum.

        Raises:
            NotFiniteError: if a loss or a gradient is not finite; the network's weights stay as they are.
        """
        adversary = self.config.adversary
        with precision.autocast():
            images = self.fill(image, mask)
            with precision.full():
                loss, terms = self.judge(images, image, mask, stage_at(self.config, step)[0].loss or self.config.loss)
        if self.discriminator is not None and step >= adversary.start:
            filled = compose(images[0], image, mask)
            terms["discriminator"] = self._train_discriminator(image, filled.detach(), mask, optimizers[1], precision)
            # Its weights stay as they are, but the gradient passes.
            self.discriminator.requires_grad_(False)
            with precision.autocast():
                terms["adversarial"] = generator_loss(self.discriminator(filled, 1 - mask))
            self.discriminator.requires_grad_(True)
            loss = loss + adversary.weight * terms["adversarial"]
        terms["loss"] = loss
        values = {name: float(value.detach()) for name, value in terms.items()}
        self._check(values)
        if not precision.descend(loss, optimizers[0], learning_rate(self.config, step), self.config.gradient_clip):
            raise NotFiniteError("a gradient of the network is NaN or infinite")
        return values

    def judge(
        self, images: list[Tensor], image: Tensor, mask: Tensor, weights: LossWeights
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the losses of all filled images, and the terms by name."""
        terms: dict[str, Tensor] = {}
        loss = image.new_zeros(())
        for number, filled in enumerate(images):
            # Features of the coarse image are not compared: it must have the colours, not the texture.
            found = inpainting_loss(filled, image, mask, weights, self.features if number == 0 else None)
            loss = loss + found["loss"]
            terms |= {name if number == 0 else f"coarse_{name}": value for name, value in found.items()}
        return loss, terms

    def _train_discriminator(
        self, real: Tensor, filled: Tensor, mask: Tensor, optimizer: Any, precision: Precision
    ) -> Tensor:
        assert self.discriminator is not None
        hole, rate = 1 - mask, self.config.adversary.learning_rate
        with precision.autocast():
            loss = discriminator_loss(self.discriminator(real, hole), self.discriminator(filled, hole))
        self._check({"discriminator": float(loss.detach())})
        if not precision.descend(loss, optimizer, rate, self.config.gradient_clip):
            raise NotFiniteError("a gradient of the discriminator is NaN or infinite")
        return loss

    @staticmethod
    def _check(terms: dict[str, float]) -> None:
        bad = [f"{name} {value}" for name, value in terms.items() if not abs(value) < float("inf")]
        if bad:
            raise NotFiniteError(f"the loss is not finite: {', '.join(bad)}")


def as_called(interface: Interface, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What a network is given for `image` [N,3,H,W] in -1..1 with `mask` [N,1,H,W], 1 = known."""
    seen, given = network_inputs(interface, (image + 1) / 2, 1 - mask)
    given = given.expand(-1, interface.mask_channels, -1, -1)
    return seen.contiguous(memory_format=torch.channels_last), given


def filled_images(network: nn.Module, interface: Interface, image: Tensor, mask: Tensor) -> list[Tensor]:
    """All images in -1..1 that a network returns for `image` [N,3,H,W] in -1..1 with `mask` [N,1,H,W], 1 = known."""
    outputs = network(*as_called(interface, image, mask))
    images = [output.float() for output in outputs if output.shape == image.shape]
    return [2 * network_image(interface, each) - 1 for each in images]


def encoder_norms(network: nn.Module) -> Iterator[nn.Module]:
    """The batch norms of a network's `encoder`, if it has any."""
    encoder = getattr(network, "encoder", None)
    if encoder is not None:
        yield from (module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d))
