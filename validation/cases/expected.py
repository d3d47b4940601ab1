"""What every candidate is compared with: PyTorch's results for a batch, in FP32."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call

from inpaintrt.export.tracing.deployed import ImageNetwork, TensorNetwork
from inpaintrt.export.tracing.randomness import SAME, WatchDraws, run_difference
from inpaintrt.runtime.bundle import Bundle
from inpaintrt.runtime.errors import BundleError, NetworkError

from .batches import Batch
from .torch_rounding import InDouble, RoundToHalf, rounded
from .work import Work

HALF_UNIT = 2.0**-12
"""Half a unit in the last place of FP16, relative to the largest value of its binade; the least that rounding moves."""


@dataclass(frozen=True)
class Expected:
    """A batch, what the network is given for it, and PyTorch's results in FP32.

    Args:
        batch: the images and masks.
        network_image, network_mask: float32 [N,3,H,W] and [N,1,H,W] in the network's own range and polarity.
        output: float32 [N,3,H,W].
        updated_mask: float32 [N,1 or C,H,W], or None.
        composite: uint8 [N,H,W,3].
        levels: the network's image before rounding to 8 bits, float32 [N,H,W,3], 0..255.
        reruns: what PyTorch makes of the batch in other ways.
        network_sketch: float32 [N,1,H,W], 1 = line, or None.
    """

    batch: Batch
    network_image: NDArray[np.float32]
    network_mask: NDArray[np.float32]
    output: NDArray[np.float32]
    updated_mask: NDArray[np.float32] | None
    composite: NDArray[np.uint8]
    levels: NDArray[np.float32]
    reruns: "Reruns"
    network_sketch: NDArray[np.float32] | None = None


class Reruns:
    """What PyTorch makes of a batch in other ways; each is computed once, if any candidate asks.

    Two of them excuse a candidate by how far PyTorch is from itself. Noise would be an excuse as well, so PyTorch must
    repeat itself on this batch first.
    """

    def __init__(self, reference: "TorchReference", batch: Batch, output: NDArray[np.float32]):
        self._reference, self._batch, self._output = reference, batch, output

    @cached_property
    def _steady(self) -> Batch:
        self._reference.refuse_randomness(self._batch, self._output)
        return self._batch

    @cached_property
    def perturbed(self) -> NDArray[np.float32]:
        """The output [N,3,H,W] with weights moved as rounding to FP16 moves them: no FP16 graph need come closer."""
        return self._reference.run_perturbed(self._steady)

    @cached_property
    def truth(self) -> NDArray[np.float64] | None:
        """The output [N,3,H,W] in FP64; None if the network does not run so."""
        return self._reference.run_double(self._steady)

    @cached_property
    def inverted(self) -> NDArray[np.float32]:
        """The output [N,3,H,W] with holes and known pixels exchanged."""
        return self._reference.run_inverted(self._batch)


class TorchReference:
    """The PyTorch network in FP32 on the CPU; `work` is what it was asked for."""

    def __init__(self, network: TensorNetwork, bundle: Bundle):
        self.work = Work()
        self._network = ImageNetwork(network)
        self._mask_output = bundle.interface.updated_mask_output
        self._perturbed: dict[str, torch.Tensor] | None = None
        self._double: TensorNetwork | None = None

    @property
    def network(self) -> ImageNetwork:
        """The network, from images to composite."""
        return self._network

    def run_inverted(self, batch: Batch) -> NDArray[np.float32]:
        """The output [N,3,H,W] with holes and known pixels exchanged: what a flipped polarity gives."""
        self.work.add("PyTorch fp32, mask inverted", batch)
        with torch.no_grad():
            prepared = self._prepare(replace(batch, hole=~batch.hole))
            output: NDArray[np.float32] = self._network.tensor_network(*prepared)[0].numpy()
        return output

    def run_perturbed(self, batch: Batch) -> NDArray[np.float32]:
        """The output [N,3,H,W] in FP32 with every weight moved by as much as rounding to FP16 moves one."""
        self.work.add("PyTorch fp32, weights perturbed", batch)
        if self._perturbed is None:
            self._perturbed = _perturb(self._network.tensor_network)
        with torch.no_grad():
            network_image, *planes = self._prepare(batch)
            rounded_image = network_image.half().float()
            outputs = functional_call(self._network.tensor_network, self._perturbed, (rounded_image, *planes))
        moved: NDArray[np.float32] = outputs[0].float().numpy()
        return moved

    def run_double(self, batch: Batch) -> NDArray[np.float64] | None:
        """The output [N,3,H,W] in FP64, which is taken for the truth; None if the network does not run so."""
        self.work.add("PyTorch fp64", batch)
        try:
            if self._double is None:
                self._double = copy.deepcopy(self._network.tensor_network).double()
            with torch.no_grad(), InDouble():  # type: ignore[no-untyped-call]
                output = self._double(*(tensor.double() for tensor in self._prepare(batch)))[0]
        except Exception:  # whatever code of the user's cannot do in FP64; FP32 is then judged by FP32
            return None
        return np.asarray(output) if output.dtype == torch.float64 else None

    def refuse_randomness(self, batch: Batch, output: NDArray[np.float32]) -> None:
        """Run a batch again that gave this output [N,3,H,W].

        Raises:
            NetworkError: if PyTorch does not give the same again, so that nothing can be judged by it.
        """
        self.work.add("PyTorch fp32", batch)
        with torch.no_grad():
            again = self._network.tensor_network(*self._prepare(batch))[0]
        difference = run_difference((torch.from_numpy(output),), (again,))
        if difference > SAME:
            raise NetworkError(
                f"two runs of PyTorch on {batch.names[0]} differ by {difference:.2g} (relative L2), with the "
                "same weights and inputs: nothing can be judged by it. The network draws random numbers, or keeps "
                "something from run to run; make both impossible in evaluation mode, and export it again"
            )

    def run_half(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        """The outputs by name as PyTorch's own FP16 gives them: no candidate, but a comparison."""
        network = self._network.tensor_network
        weights = {
            name: rounded(tensor.detach()) for name, tensor in (*network.named_parameters(), *network.named_buffers())
        }
        with torch.no_grad():
            prepared = tuple(rounded(tensor) for tensor in self._prepare(batch))
            with RoundToHalf():  # type: ignore[no-untyped-call]
                outputs = functional_call(network, weights, prepared)
        named = {"output": outputs[0].float().numpy(), "updated_mask": self._updated_mask(outputs)}
        return {name: value for name, value in named.items() if value is not None}

    def levels(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """A float output [N,3,H,W] as an image before rounding: float32 [N,H,W,3], 0..255."""
        return np.asarray(self._network.image(torch.from_numpy(output)))

    def compose(self, batch: Batch, output: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The composite that belongs to a float output [N,3,H,W]."""
        mask = torch.from_numpy(batch.hole.astype(np.uint8))
        composite = self._network.compose(torch.from_numpy(batch.image), mask, torch.from_numpy(output))
        return np.asarray(composite)

    def run(self, batch: Batch) -> Expected:
        """What a candidate must reproduce.

        Raises:
            NetworkError: if the network draws random numbers.
        """
        self.work.add("PyTorch fp32", batch)
        with torch.no_grad():
            network_image, *planes = self._prepare(batch)
            with WatchDraws() as watch:
                outputs = self._network.tensor_network(network_image, *planes)
            watch.refuse(f"PyTorch is no reference for {batch.names[0]}")
        output = outputs[0].float().numpy()
        return Expected(
            batch, network_image.numpy(), planes[0].numpy(), output, self._updated_mask(outputs),
            self.compose(batch, output), self.levels(output), Reruns(self, batch, output),
            planes[1].numpy() if len(planes) > 1 else None,
        )  # fmt: skip

    def _prepare(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """What the network is given for a batch."""
        hole = torch.from_numpy(batch.hole.astype(np.uint8))
        sketch = None if batch.sketch is None else torch.from_numpy(batch.sketch.astype(np.uint8))
        return self._network.prepare(torch.from_numpy(batch.image), hole, sketch)

    def _updated_mask(self, outputs: tuple[torch.Tensor, ...]) -> NDArray[np.float32] | None:
        if self._mask_output is None:
            return None
        if self._mask_output >= len(outputs):
            raise BundleError(
                f"bundle.json calls output {self._mask_output} the updated mask, but the network returns "
                f"{len(outputs)}; export it again"
            )
        return np.asarray(outputs[self._mask_output].float())


def _perturb(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights moved at random by up to half a unit in the last place of FP16, relative to their own size.

    Rounding the weights themselves would not do: a checkpoint may be stored in FP16, while the graph's weights, with
    batch norm folded in, are rounded again.
    """
    generator = torch.Generator().manual_seed(0)
    return {
        name: weight.detach() * (1 + HALF_UNIT * (2 * torch.rand(weight.shape, generator=generator) - 1))
        for name, weight in network.named_parameters()
    }
